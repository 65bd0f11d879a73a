//! The root of the configuration.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Aggregation, Audit, CodeMode, CompositeTool, CompositeToolReference, IncomingAuth, Operational, Optimizer,
    OutgoingAuth, RateLimiting, SessionStorage, StaticBackend, Telemetry,
};

/// The configuration of a vMCP gateway.
///
/// As a file, `name`, `groupRef`, `incomingAuth` and `outgoingAuth` are required. As `spec.config` of a VirtualMCPServer
/// they are optional and without effect: the operator sets them from the spec itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Config {
    /// Name of the gateway: its `serverInfo.name` and the parent entity of Cedar resources.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Name of the group whose members are the backends.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group_ref: String,
    /// Backends that are known without a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backends: Option<Vec<StaticBackend>>,
    /// How clients authenticate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incoming_auth: Option<IncomingAuth>,
    /// How the gateway authenticates to its backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outgoing_auth: Option<OutgoingAuth>,
    /// How the tools of many backends become one list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregation: Option<Aggregation>,
    /// Workflows that are offered as tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub composite_tools: Option<Vec<CompositeTool>>,
    /// Workflows defined as objects of their own; the operator resolves them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub composite_tool_refs: Option<Vec<CompositeToolReference>>,
    /// Time-outs, health checks and logging.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operational: Option<Operational>,
    /// Free-form labels of this configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
    /// Traces and metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<Telemetry>,
    /// The audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// Offers a search over the tools instead of the tools themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<Optimizer>,
    /// Offers a tool that runs scripts over the tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_mode: Option<CodeMode>,
    /// Where sessions are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_storage: Option<SessionStorage>,
    /// Limits on the rate of calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limiting: Option<RateLimiting>,
    /// Names of client headers that are passed on to every backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub passthrough_headers: Option<Vec<String>>,
}
