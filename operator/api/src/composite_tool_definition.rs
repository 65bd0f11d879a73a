//! VirtualMCPCompositeToolDefinition: a workflow that several gateways offer as a tool.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vmcp_config::CompositeTool;

use crate::{Condition, conditions::names};

/// A workflow, as in spec.config.compositeTools of a VirtualMCPServer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "toolhive.stacklok.dev",
    version = "v1beta1",
    kind = "VirtualMCPCompositeToolDefinition",
    plural = "virtualmcpcompositetooldefinitions",
    singular = "virtualmcpcompositetooldefinition",
    shortname = "vmcpctd",
    shortname = "compositetool",
    category = "toolhive",
    doc = "A workflow that several gateways offer as a tool; gateways refer to it.",
    namespaced,
    status = "VirtualMCPCompositeToolDefinitionStatus",
    derive = "PartialEq",
    printcolumn(name = "Workflow", type_ = "string", json_path = ".spec.name"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.validationStatus"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status")
)]
pub struct VirtualMCPCompositeToolDefinitionSpec {
    /// The workflow.
    #[serde(flatten)]
    pub workflow: CompositeTool,
}

/// Whether a workflow can be used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VirtualMCPCompositeToolDefinitionStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether the workflow can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_status: Option<WorkflowValidation>,
    /// What is wrong with the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub validation_errors: Option<Vec<String>>,
    /// Names of the VirtualMCPServers that refer to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub referencing_virtual_servers: Option<Vec<String>>,
    /// What was observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Whether a workflow can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WorkflowValidation {
    /// It can.
    Valid,
    /// It cannot; the errors say why.
    Invalid,
    /// Nobody checked it yet.
    Unknown,
}

names! {
    /// Condition types of a VirtualMCPCompositeToolDefinition.
    WorkflowCondition {
        /// The workflow can be run.
        WorkflowValidated,
        /// Gateways can offer the workflow.
        Ready,
        /// The object is being deleted, and something still refers to it.
        DeletionBlocked,
    }
}

names! {
    /// Condition reasons of a VirtualMCPCompositeToolDefinition.
    WorkflowReason {
        /// The workflow can be run.
        ValidationSuccess,
        /// A part is missing or cannot work, or several things are wrong.
        ValidationFailed,
        /// A JSON Schema is none.
        SchemaInvalid,
        /// A template cannot be parsed.
        TemplateInvalid,
        /// Steps wait for each other.
        DependencyCycle,
        /// A step names no tool.
        ToolNotFound,
        /// Gateways can offer the workflow.
        WorkflowReady,
        /// Gateways cannot offer the workflow.
        WorkflowNotReady,
        /// DeletionBlocked is True.
        ReferencedByWorkloads,
    }
}
