//! Workflows that are offered as tools.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Duration, ToolAnnotations,
    schema::{Anything, FreeObject, Integer},
};

/// A tool that runs a workflow over the tools of backends.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompositeTool {
    /// Name of the tool.
    pub name: String,
    /// What the tool does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema of the arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<FreeObject>")]
    pub parameters: Option<Value>,
    /// How long the whole workflow may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// The steps.
    pub steps: Vec<Step>,
    /// How the result is made from the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<WorkflowOutput>,
    /// Annotations of the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<ToolAnnotations>,
}

/// Names a VirtualMCPCompositeToolDefinition of the same namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CompositeToolReference {
    /// Name of the VirtualMCPCompositeToolDefinition.
    pub name: String,
}

/// One step of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Identifies the step in its workflow.
    pub id: String,
    /// What the step does.
    #[serde(default, rename = "type")]
    pub kind: StepKind,
    /// The tool that is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Arguments of the call; strings are templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<FreeObject>")]
    pub arguments: Option<Value>,
    /// Template that decides whether the step runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Steps that come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends_on: Option<Vec<String>>,
    /// What happens when the step fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<ErrorHandling>,
    /// The question of an elicitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// JSON Schema of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<FreeObject>")]
    pub schema: Option<Value>,
    /// How long the step may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What happens when the user declines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_decline: Option<ResponseHandling>,
    /// What happens when the user cancels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_cancel: Option<ResponseHandling>,
    /// Stands for the output of a step that did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Anything>")]
    pub default_results: Option<Value>,
    /// Template of the list that forEach walks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// Name of the item in templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_var: Option<String>,
    /// How many items run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Integer>")]
    pub max_parallel: Option<i64>,
    /// How many items there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Integer>")]
    pub max_iterations: Option<i64>,
    /// The step that forEach repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<FreeObject>")]
    pub step: Option<Value>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StepKind {
    /// Calls a tool.
    #[default]
    Tool,
    /// Asks the user.
    Elicitation,
    /// Repeats a step for each item of a list.
    ForEach,
}

/// What happens when a step fails.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorHandling {
    /// How the workflow goes on.
    #[serde(default)]
    pub action: ErrorAction,
    /// How often the step is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Integer>")]
    pub retry_count: Option<i64>,
    /// Time before the first of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_delay: Option<Duration>,
}

/// How a workflow goes on after a failed step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorAction {
    /// It fails.
    #[default]
    Abort,
    /// It goes on without the step.
    Continue,
    /// The step is tried again.
    Retry,
}

/// What happens when the user does not answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponseHandling {
    /// How the workflow goes on.
    #[serde(default)]
    pub action: ResponseAction,
}

/// How a workflow goes on without an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseAction {
    /// The remaining steps are skipped.
    SkipRemaining,
    /// It fails.
    #[default]
    Abort,
    /// It goes on.
    Continue,
}

/// How the result of a workflow is made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowOutput {
    /// Properties of the result.
    pub properties: BTreeMap<String, WorkflowOutputProperty>,
    /// Properties that must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<Vec<String>>,
}

/// One property of a workflow's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowOutputProperty {
    /// JSON type of the property.
    #[serde(rename = "type")]
    pub kind: WorkflowOutputType,
    /// What the property means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Template of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Properties of an object, each as this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<FreeObject>")]
    pub properties: Option<Value>,
    /// Value when the template gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Anything>")]
    pub default: Option<Value>,
}

/// JSON type of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WorkflowOutputType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// An object.
    Object,
    /// A list.
    Array,
}
