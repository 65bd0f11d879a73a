//! VirtualMCPServer: one MCP endpoint in front of the members of a group.

use std::{borrow::Cow, ops::Deref};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;
use vmcp_config::{Config, UnknownKey, unknown_keys};

use crate::{GroupReference, conditions::names};

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
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "The phase of the VirtualMCPServer"
    ),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url", description = "Virtual MCP server URL"),
    printcolumn(
        name = "Backends",
        type_ = "integer",
        json_path = ".status.backendCount",
        description = "Discovered backends count"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Age"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status")
)]
pub struct VirtualMCPServerSpec {
    /// The group whose members are the backends.
    pub group_ref: GroupReference,
    /// How clients authenticate.
    pub incoming_auth: IncomingAuth,
    /// How the gateway authenticates to its backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outgoing_auth: Option<OutgoingAuth>,
    /// Everything else that the gateway is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<GatewayConfig>,
    /// Type of the Service.
    #[serde(default)]
    pub service_type: ServiceType,
    /// Whether requests of one client address go to one pod.
    #[serde(default)]
    pub session_affinity: SessionAffinity,
    /// Merged into the generated pod template; the gateway's container is named vmcp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PodTemplate>")]
    pub pod_template_spec: Option<Value>,
}

/// How clients authenticate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "message": "spec.incomingAuth.oidcConfigRef is required when type is oidc",
    "rule": "self.type == 'oidc' ? has(self.oidcConfigRef) : true"
}]))]
pub struct IncomingAuth {
    /// Who may connect.
    #[serde(rename = "type")]
    pub kind: IncomingAuthType,
    /// Which tokens are accepted; required for type oidc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_config_ref: Option<OidcConfigReference>,
}

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum IncomingAuthType {
    /// Everyone.
    Anonymous,
    /// Who presents a token of the provider.
    Oidc,
}

/// Names an MCPOIDCConfig, and says what tokens must be for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OidcConfigReference {
    /// Name of the MCPOIDCConfig in the same namespace.
    #[schemars(length(min = 1))]
    pub name: String,
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

/// How the gateway authenticates to its backends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutgoingAuth {
    /// Where the authentication of a backend is written.
    #[serde(default)]
    pub source: OutgoingAuthSource,
}

/// Where the authentication of a backend is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum OutgoingAuthSource {
    /// In the objects of the group's members.
    #[default]
    Discovered,
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

/// Whether requests of one client address go to one pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SessionAffinity {
    /// They do.
    #[default]
    ClientIP,
    /// They go to any pod.
    None,
}

/// `spec.config`: the configuration, and the keys in it that it does not have.
///
/// The API server keeps unknown keys at this place, so the operator must find them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct GatewayConfig {
    config: Config,
    #[serde(skip)]
    unknown: Vec<UnknownKey>,
}

impl GatewayConfig {
    /// The keys that the configuration does not have.
    pub fn unknown_keys(&self) -> &[UnknownKey] {
        &self.unknown
    }
}

impl From<Config> for GatewayConfig {
    fn from(config: Config) -> Self {
        Self { config, unknown: Vec::new() }
    }
}

impl Deref for GatewayConfig {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

impl<'de> Deserialize<'de> for GatewayConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let unknown = unknown_keys(&value);
        let config = serde_json::from_value(value).map_err(D::Error::custom)?;
        Ok(Self { config, unknown })
    }
}

impl JsonSchema for GatewayConfig {
    fn schema_name() -> Cow<'static, str> {
        Config::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Config::json_schema(generator)
    }
}

/// The schema of `podTemplateSpec`: an object that the operator checks itself.
struct PodTemplate;

impl JsonSchema for PodTemplate {
    fn schema_name() -> Cow<'static, str> {
        "PodTemplate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
    }
}

/// How a gateway is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VirtualMCPServerStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether clients are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Pending"))]
    pub phase: Option<VirtualServerPhase>,
    /// Why the phase is as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where clients in the cluster connect; MCP is served at /mcp below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Hash of the spec of the MCPOIDCConfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_config_hash: Option<String>,
    /// Number of discovered backends; written by the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_count: Option<i32>,
    /// The discovered backends; written by the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub discovered_backends: Option<Vec<DiscoveredBackend>>,
    /// What was observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// A backend as the gateway sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiscoveredBackend {
    /// Name of the backend.
    pub name: String,
    /// Where the backend is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `ready`, `degraded`, `unavailable`, `unauthenticated` or `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// How the gateway authenticates to it: `token_exchange`, `header_injection` or `unauthenticated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<String>,
    /// Name of its MCPExternalAuthConfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_config_ref: Option<String>,
    /// Why the status is as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was checked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_health_check: Option<Time>,
    /// Failures in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = null))]
    pub consecutive_failures: Option<i64>,
    /// The MCP revision that it speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_revision: Option<String>,
    /// State of its circuit breaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker_state: Option<CircuitState>,
    /// When that state changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_last_changed: Option<Time>,
}

/// State of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CircuitState {
    /// Calls go through.
    Closed,
    /// Calls are refused.
    Open,
    /// One call may try.
    HalfOpen,
}

/// The values of [`DiscoveredBackend::status`]. The field itself is text, so that a newer gateway may say more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BackendStatus {
    /// It answers.
    Ready,
    /// It answers, with difficulty.
    Degraded,
    /// It does not answer.
    Unavailable,
    /// It answers, and demands a client's token for more.
    Unauthenticated,
    /// Nobody asked yet, or the gateway says something newer.
    Unknown,
}

impl BackendStatus {
    /// The value as it stands in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Unavailable => "unavailable",
            Self::Unauthenticated => "unauthenticated",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the value of a status.
    pub fn of(backend: &DiscoveredBackend) -> Self {
        [Self::Ready, Self::Degraded, Self::Unavailable, Self::Unauthenticated]
            .into_iter()
            .find(|status| backend.status.as_deref() == Some(status.as_str()))
            .unwrap_or(Self::Unknown)
    }
}

/// Whether clients are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VirtualServerPhase {
    /// Not yet.
    Pending,
    /// Clients are served, and every backend answers.
    Ready,
    /// Clients are served, and some backends do not answer.
    Degraded,
    /// Clients are not served, or no backend answers.
    Failed,
}

names! {
    /// Condition types of a VirtualMCPServer.
    VirtualServerCondition {
        /// The spec can be used.
        Valid,
        /// The podTemplateSpec can be used.
        PodTemplateSpecValid,
        /// The group exists and is Ready.
        GroupRefValidated,
        /// The MCPOIDCConfig, if any, exists and is Valid.
        OIDCConfigRefValidated,
        /// Clients can be authenticated.
        AuthConfigured,
        /// The gateway knows its backends; written by the gateway.
        BackendsDiscovered,
        /// Clients are served, and every backend answers.
        Ready,
    }
}

names! {
    /// Condition reasons of a VirtualMCPServer.
    VirtualServerReason {
        /// Valid is True.
        ValidationSucceeded,
        /// Valid is False.
        ValidationFailed,
        /// PodTemplateSpecValid is True.
        PodTemplateSpecValid,
        /// PodTemplateSpecValid is False.
        InvalidPodTemplateSpec,
        /// The group exists and is Ready.
        GroupRefValid,
        /// The group does not exist.
        GroupRefNotFound,
        /// The group exists and is not Ready.
        GroupRefNotReady,
        /// The MCPOIDCConfig exists and is Valid.
        OIDCConfigRefValid,
        /// The MCPOIDCConfig does not exist.
        OIDCConfigRefNotFound,
        /// The MCPOIDCConfig exists and is not Valid.
        OIDCConfigRefNotValid,
        /// Clients can be authenticated.
        AuthValid,
        /// Clients cannot be authenticated.
        AuthInvalid,
        /// BackendsDiscovered is True.
        BackendsDiscovered,
        /// A pod serves, and no backend is known to fail.
        DeploymentReady,
        /// No pod serves yet.
        DeploymentNotReady,
        /// No pod serves, and the last ones failed.
        DeploymentFailed,
        /// Some backends do not answer.
        BackendsDegraded,
        /// No backend answers.
        BackendsUnavailable,
    }
}
