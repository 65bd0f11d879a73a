//! VirtualMCPServer: one MCP endpoint in front of the members of a group.

mod auth;
mod config;
mod status;

pub use auth::{
    BackendAuth, BackendAuthType, IncomingAuth, IncomingAuthType, OutgoingAuth, OutgoingAuthSource, ServiceAccountAuth,
};
pub use config::GatewayConfig;
pub use status::{
    BackendStatus, Capabilities, CircuitState, DiscoveredBackend, VirtualMCPServerStatus, VirtualServerCondition,
    VirtualServerPhase, VirtualServerReason,
};

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vmcp_config::{Aggregation, CompositeTool, FreeObject, Operational};

use crate::{
    EmbeddedAuthServer, EmbeddingServerReference, GroupReference, ImagePullSecret, SessionAffinity,
    SharedSessionStorage, TelemetryConfigReference,
};

/// Which servers a gateway offers, to whom, and how it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "toolhive.stacklok.dev",
    version = "v1beta1",
    kind = "VirtualMCPServer",
    plural = "virtualmcpservers",
    singular = "virtualmcpserver",
    shortname = "vmcp",
    shortname = "virtualmcp",
    category = "toolhive",
    doc = "One MCP endpoint in front of the members of a group.",
    namespaced,
    status = "VirtualMCPServerStatus",
    derive = "PartialEq",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Backends", type_ = "integer", json_path = ".status.backendCount"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status")
)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "config.rateLimiting needs sessionStorage with provider redis",
        "rule": "!has(self.config) || !has(self.config.rateLimiting) || (has(self.sessionStorage) && self.sessionStorage.provider == 'redis')"
    },
    {
        "message": "config.rateLimiting.perUser needs clients who authenticate: set incomingAuth.type to oidc",
        "rule": "!(has(self.config) && has(self.config.rateLimiting) && has(self.config.rateLimiting.perUser)) || (has(self.incomingAuth) && self.incomingAuth.type == 'oidc')"
    },
    {
        "message": "perUser of a tool needs clients who authenticate: set incomingAuth.type to oidc",
        "rule": "!has(self.config) || !has(self.config.rateLimiting) || !has(self.config.rateLimiting.tools) || self.config.rateLimiting.tools.all(t, !has(t.perUser)) || (has(self.incomingAuth) && self.incomingAuth.type == 'oidc')"
    },
    {
        "message": "embeddingServerRef runs a server that config.optimizer.embeddingProvider openai does not use: set one of them",
        "rule": "!(has(self.embeddingServerRef) && has(self.config) && has(self.config.optimizer) && has(self.config.optimizer.embeddingProvider) && self.config.optimizer.embeddingProvider == 'openai')"
    }
]))]
pub struct VirtualMCPServerSpec {
    /// The group whose members are the backends.
    pub group_ref: GroupReference,
    /// How clients authenticate.
    pub incoming_auth: IncomingAuth,
    /// How the gateway authenticates to its backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outgoing_auth: Option<OutgoingAuth>,
    /// The authorization server that the gateway runs for its clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_server_config: Option<EmbeddedAuthServer>,
    /// Everything else that the gateway is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<GatewayConfig>,
    /// Names of client headers that are passed on to every backend; instead of config.passthroughHeaders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub passthrough_headers: Option<Vec<String>>,
    /// Where traces and metrics go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry_config_ref: Option<TelemetryConfigReference>,
    /// The server that computes embeddings for config.optimizer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding_server_ref: Option<EmbeddingServerReference>,
    /// Where sessions are kept when there is more than one replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_storage: Option<SharedSessionStorage>,
    /// Number of pods; left to an autoscaler when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,
    /// Type of the Service.
    #[serde(default)]
    pub service_type: ServiceType,
    /// Whether requests of one client address go to one pod.
    #[serde(default)]
    pub session_affinity: SessionAffinity,
    /// Name of an existing ServiceAccount for the pods; one is made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// Secrets with credentials of image registries, for the pods and their ServiceAccount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub image_pull_secrets: Option<Vec<ImagePullSecret>>,
    /// Merged into the generated pod template; the gateway's container is named vmcp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<FreeObject>")]
    pub pod_template_spec: Option<Value>,
    /// The same as config.aggregation, which is the place for it; set one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregation: Option<Aggregation>,
    /// The same as config.compositeTools, which is the place for it; set one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub composite_tools: Option<Vec<CompositeTool>>,
    /// The same as config.operational, which is the place for it; set one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operational: Option<Operational>,
}

/// Type of the Service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// Reachable in the cluster.
    #[default]
    ClusterIP,
    /// Reachable on a port of every node.
    NodePort,
    /// Reachable through a load balancer.
    LoadBalancer,
}
