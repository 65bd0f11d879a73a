//! MCPServer: an MCP server that runs as a container of the cluster.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vmcp_config::{FreeObject, RateLimiting, ToolConfigReference, Transport};

use crate::{
    AuditLog, AuthServerReference, Authorization, AuthzConfigReference, Condition, EnvironmentVariable,
    ExternalAuthConfigReference, GroupReference, OidcConfigReference, ResourceOverrides, ResourceRequirements,
    SessionAffinity, SharedSessionStorage, TelemetryConfigReference, WebhookConfigReference,
};

/// The container, who may use the server, and how it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "toolhive.stacklok.dev",
    version = "v1beta1",
    kind = "MCPServer",
    plural = "mcpservers",
    singular = "mcpserver",
    shortname = "mcpserver",
    shortname = "mcpservers",
    category = "toolhive",
    doc = "An MCP server that runs as a container of the cluster, with a proxy in front of it.",
    namespaced,
    status = "MCPServerStatus",
    derive = "PartialEq",
    printcolumn(name = "Status", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "set authzConfig or authzConfigRef, not both",
        "rule": "!(has(self.authzConfig) && has(self.authzConfigRef))"
    },
    {
        "message": "rateLimiting needs sessionStorage with provider redis",
        "rule": "!has(self.rateLimiting) || (has(self.sessionStorage) && self.sessionStorage.provider == 'redis')"
    },
    {
        "message": "rateLimiting.perUser needs clients who authenticate: set oidcConfigRef or externalAuthConfigRef",
        "rule": "!(has(self.rateLimiting) && has(self.rateLimiting.perUser)) || has(self.oidcConfigRef) || has(self.externalAuthConfigRef)"
    },
    {
        "message": "perUser of a tool needs clients who authenticate: set oidcConfigRef or externalAuthConfigRef",
        "rule": "!has(self.rateLimiting) || !has(self.rateLimiting.tools) || self.rateLimiting.tools.all(t, !has(t.perUser)) || has(self.oidcConfigRef) || has(self.externalAuthConfigRef)"
    }
]))]
pub struct MCPServerSpec {
    /// Image of the server's container.
    pub image: String,
    /// Arguments of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub args: Option<Vec<String>>,
    /// Environment variables of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Option<Vec<EnvironmentVariable>>,
    /// Environment variables of the server whose values are in Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub secrets: Option<Vec<SecretVariable>>,
    /// Folders of the node that the server sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub volumes: Option<Vec<HostVolume>>,
    /// How the container speaks MCP.
    #[serde(default)]
    pub transport: ServerTransport,
    /// How the proxy speaks MCP to clients of a stdio server.
    #[serde(default = "default_proxy_mode")]
    pub proxy_mode: Transport,
    /// Port of the proxy's container and Service.
    #[serde(default = "default_proxy_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub proxy_port: i32,
    /// Port on which the container speaks MCP; 8080 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub mcp_port: Option<i32>,
    /// The group that the server belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_ref: Option<GroupReference>,
    /// Which tokens of clients are accepted; everyone is served when it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_config_ref: Option<OidcConfigReference>,
    /// What an authenticated client may do, written in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authz_config: Option<Authorization>,
    /// What an authenticated client may do, as an object of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authz_config_ref: Option<AuthzConfigReference>,
    /// The authorization server that the proxy runs for its clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_server_ref: Option<AuthServerReference>,
    /// How the proxy authenticates to the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_auth_config_ref: Option<ExternalAuthConfigReference>,
    /// Which tools are shown, and under which names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_config_ref: Option<ToolConfigReference>,
    /// Webhooks that judge calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_config_ref: Option<WebhookConfigReference>,
    /// Limits on the rate of calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limiting: Option<RateLimiting>,
    /// The audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditLog>,
    /// Where traces and metrics go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry_config_ref: Option<TelemetryConfigReference>,
    /// What the container may reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_profile: Option<PermissionProfile>,
    /// Where sessions are kept when there is more than one replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_storage: Option<SharedSessionStorage>,
    /// Whether requests of one client address go to one pod.
    #[serde(default)]
    pub session_affinity: SessionAffinity,
    /// Number of proxy pods; left to an autoscaler when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,
    /// Number of the server's own pods; left to an autoscaler when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub backend_replicas: Option<i32>,
    /// Path that an ingress strips, put before the endpoint URLs of the HTTP+SSE transport.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_prefix: Option<String>,
    /// Whether X-Forwarded-Proto, -Host, -Port and -Prefix of requests decide how the proxy writes its own URLs.
    #[serde(default)]
    pub trust_proxy_headers: bool,
    /// CPU and memory of the server's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Name of an existing ServiceAccount for the server's pods; one is made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// What is added to the objects of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_overrides: Option<ResourceOverrides>,
    /// Merged into the generated pod template; the server's container is named mcp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<FreeObject>")]
    pub pod_template_spec: Option<Value>,
}

/// How a container speaks MCP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ServerTransport {
    /// On standard input and output.
    #[default]
    Stdio,
    /// Streamable HTTP.
    StreamableHttp,
    /// HTTP with server-sent events, of revision 2024-11-05.
    Sse,
}

/// An environment variable whose value is in a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretVariable {
    /// Name of the Secret in the same namespace.
    pub name: String,
    /// Key in the Secret.
    pub key: String,
    /// Name of the variable; the key when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_env_name: Option<String>,
}

/// A folder of the node that the server sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostVolume {
    /// Name of the volume.
    pub name: String,
    /// Path on the node.
    pub host_path: String,
    /// Path in the container.
    pub mount_path: String,
    /// Whether the server may only read it.
    #[serde(default)]
    pub read_only: bool,
}

/// Names what the container may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PermissionProfile {
    /// Where the profile is.
    #[serde(rename = "type")]
    #[schemars(extend("default" = "builtin"))]
    pub kind: PermissionProfileType,
    /// Name of the profile, or of the ConfigMap that holds it.
    pub name: String,
    /// Key in the ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Where a permission profile is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PermissionProfileType {
    /// In the operator.
    #[default]
    Builtin,
    /// In a ConfigMap.
    Configmap,
}

/// How a server is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MCPServerStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether clients are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<ServerPhase>,
    /// Why the phase is as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where clients in the cluster connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Number of pods that serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Hash of the spec of the MCPOIDCConfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_config_hash: Option<String>,
    /// Hash of the spec of the MCPAuthzConfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authz_config_hash: Option<String>,
    /// Hash of the spec of the MCPExternalAuthConfig that authServerRef names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_server_config_hash: Option<String>,
    /// Hash of the spec of the MCPExternalAuthConfig that externalAuthConfigRef names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_auth_config_hash: Option<String>,
    /// Hash of the spec of the MCPToolConfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_config_hash: Option<String>,
    /// Hash of the spec of the MCPTelemetryConfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry_config_hash: Option<String>,
    /// Hash of the spec of the MCPWebhookConfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_config_hash: Option<String>,
    /// What was observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Whether clients are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServerPhase {
    /// Not yet.
    Pending,
    /// Clients are served.
    Ready,
    /// The spec cannot be used, or no pod serves.
    Failed,
    /// The object is being deleted.
    Terminating,
    /// No pod is wanted.
    Stopped,
}

const fn default_proxy_mode() -> Transport {
    Transport::StreamableHttp
}

const fn default_proxy_port() -> i32 {
    8080
}
