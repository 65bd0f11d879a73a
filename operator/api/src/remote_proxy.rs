//! MCPRemoteProxy: a pod in front of a remote MCP server.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vmcp_config::{FreeObject, ToolConfigReference, Transport};

use crate::{
    AuditLog, AuthServerReference, Authorization, AuthzConfigReference, Condition, ExternalAuthConfigReference,
    GroupReference, HeaderForward, InlineOidc, OidcConfigReference, ResourceOverrides, ResourceRequirements,
    SessionAffinity, SharedSessionStorage, TelemetryConfigReference,
};

/// Where a remote MCP server is, who may use it through the proxy, and how the proxy runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "toolhive.stacklok.dev",
    version = "v1beta1",
    kind = "MCPRemoteProxy",
    plural = "mcpremoteproxies",
    singular = "mcpremoteproxy",
    shortname = "rp",
    shortname = "mcprp",
    category = "toolhive",
    doc = "A pod in front of a remote MCP server: it authenticates clients, filters tools and writes an audit log.",
    namespaced,
    status = "MCPRemoteProxyStatus",
    derive = "PartialEq",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Remote URL", type_ = "string", json_path = ".spec.remoteUrl"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "set authzConfig or authzConfigRef, not both",
        "rule": "!(has(self.authzConfig) && has(self.authzConfigRef))"
    }
]))]
pub struct MCPRemoteProxySpec {
    /// URL of the remote MCP server.
    #[schemars(regex(pattern = "^https?://"))]
    pub remote_url: String,
    /// How the remote server speaks MCP, and the proxy towards its clients.
    #[serde(default = "default_transport")]
    pub transport: Transport,
    /// Port of the proxy's container and Service.
    #[serde(default = "default_proxy_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub proxy_port: i32,
    /// The group that the proxy belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_ref: Option<GroupReference>,
    /// Says that remoteUrl may be in a private range or in the cluster. Loopback, link-local and metadata addresses
    /// stay refused.
    #[serde(default)]
    pub allow_private_endpoint: bool,
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
    /// How the proxy authenticates to the remote server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_auth_config_ref: Option<ExternalAuthConfigReference>,
    /// Headers that every request to the remote server carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_forward: Option<HeaderForward>,
    /// Which tools are shown, and under which names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_config_ref: Option<ToolConfigReference>,
    /// The audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditLog>,
    /// Where traces and metrics go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry_config_ref: Option<TelemetryConfigReference>,
    /// Where sessions are kept when there is more than one replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_storage: Option<SharedSessionStorage>,
    /// Whether requests of one client address go to one pod.
    #[serde(default)]
    pub session_affinity: SessionAffinity,
    /// Number of pods; left to an autoscaler when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,
    /// Path that an ingress strips, put before the endpoint URLs of the HTTP+SSE transport.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_prefix: Option<String>,
    /// Whether X-Forwarded-Proto, -Host, -Port and -Prefix of requests decide how the proxy writes its own URLs.
    #[serde(default)]
    pub trust_proxy_headers: bool,
    /// CPU and memory of the proxy's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Name of an existing ServiceAccount for the pods; one is made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// What is added to the objects of the proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_overrides: Option<ResourceOverrides>,
    /// Merged into the generated pod template; the proxy's container is named toolhive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<FreeObject>")]
    pub pod_template_spec: Option<Value>,
    /// Which tokens of clients are accepted, written in place; instead of oidcConfigRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_config: Option<ProxyOidc>,
}

/// How a proxy is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MCPRemoteProxyStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether clients are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<ProxyPhase>,
    /// Why the phase is as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where clients in the cluster connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where clients outside the cluster connect, when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_url: Option<String>,
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
    /// What was observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Whether clients are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProxyPhase {
    /// Not yet.
    Pending,
    /// Clients are served.
    Ready,
    /// The spec cannot be used, or no pod serves.
    Failed,
    /// The object is being deleted.
    Terminating,
}

/// An OpenID provider that is written in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "message": "inline is required when type is 'inline'",
    "rule": "self.type == 'inline' ? has(self.inline) : true"
}]))]
pub struct ProxyOidc {
    /// Where the configuration is.
    #[serde(rename = "type")]
    pub kind: ProxyOidcType,
    /// For type inline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline: Option<InlineProxyOidc>,
}

/// Where the configuration of an OpenID provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum ProxyOidcType {
    /// In the object itself.
    Inline,
}

/// An OpenID provider, and what its tokens must be for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InlineProxyOidc {
    /// The provider.
    #[serde(flatten)]
    pub provider: InlineOidc,
    /// The `aud` of accepted tokens; unique per server, so that tokens cannot be replayed at another.
    #[schemars(length(min = 1))]
    pub audience: String,
    /// Scopes that are advertised to clients; `openid` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub scopes: Option<Vec<String>>,
    /// The resource identifier that is published (RFC 9728); the URL of the Service when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_url: Option<String>,
}

const fn default_transport() -> Transport {
    Transport::StreamableHttp
}

const fn default_proxy_port() -> i32 {
    8080
}
