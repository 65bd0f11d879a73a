//! The status of a VirtualMCPServer: some fields are the operator's, some the gateway's.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Condition, conditions::names};

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
    /// Hash of the spec of the MCPAuthzConfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authz_config_hash: Option<String>,
    /// Hash of the spec of the MCPTelemetryConfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry_config_hash: Option<String>,
    /// What the gateway offers; written by the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
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

/// What a gateway offers, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Number of tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_count: Option<i32>,
    /// Number of resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_count: Option<i32>,
    /// Number of prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_count: Option<i32>,
    /// Number of composite tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub composite_tool_count: Option<i32>,
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    #[default]
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
        /// The MCPAuthzConfig, if any, exists and is Valid.
        AuthzConfigRefValidated,
        /// The workflows that config.compositeToolRefs names can be run.
        CompositeToolRefsValidated,
        /// The MCPTelemetryConfig can be used.
        TelemetryConfigRefValidated,
        /// Clients can be authenticated, and the policies of a ConfigMap can be read.
        AuthConfigured,
        /// The auth config of outgoingAuth.default, if any, can be used.
        DefaultAuthConfig,
        /// The auth config that outgoingAuth.backends names for a backend can be used; a dash and the backend's name follow.
        BackendAuthConfig,
        /// There are several pods, and they do not share their sessions.
        SessionStorageWarning,
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
        /// The MCPAuthzConfig exists and is Valid.
        AuthzConfigRefValid,
        /// The MCPAuthzConfig does not exist.
        AuthzConfigRefNotFound,
        /// The MCPAuthzConfig exists and is not Valid.
        AuthzConfigRefNotValid,
        /// All workflows can be run.
        CompositeToolRefsValid,
        /// A VirtualMCPCompositeToolDefinition does not exist.
        CompositeToolRefNotFound,
        /// A VirtualMCPCompositeToolDefinition cannot be run, or its tool has the name of another.
        CompositeToolRefInvalid,
        /// The MCPTelemetryConfig can be used.
        TelemetryConfigRefValid,
        /// The MCPTelemetryConfig does not exist.
        TelemetryConfigRefNotFound,
        /// The MCPTelemetryConfig is not Valid.
        TelemetryConfigRefInvalid,
        /// Clients can be authenticated.
        AuthValid,
        /// Clients cannot be authenticated.
        AuthInvalid,
        /// The ConfigMap with the policies does not exist.
        AuthzConfigMapNotFound,
        /// The ConfigMap holds no policies that can be read.
        AuthzConfigMapInvalid,
        /// The auth config can be used.
        ConversionSucceeded,
        /// The auth config does not exist, or is not Valid.
        ConversionFailed,
        /// Several pods do not share their sessions.
        SessionStorageMissingForReplicas,
        /// Several pods share their sessions.
        SessionStorageConfigured,
        /// There is one pod at most.
        SessionStorageWarningNotApplicable,
        /// BackendsDiscovered is True.
        BackendsDiscovered,
        /// A pod serves, and no backend is known to fail.
        DeploymentReady,
        /// No pod serves yet.
        DeploymentNotReady,
        /// No pod serves, and the last ones failed.
        DeploymentFailed,
        /// A pod serves, and no backend was checked yet.
        BackendsPending,
        /// Some backends do not answer.
        BackendsDegraded,
        /// No backend answers.
        BackendsUnavailable,
    }
}
