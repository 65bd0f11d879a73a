//! VirtualMCPServer: one MCP endpoint in front of the members of a group.

mod status;

pub use status::{
    BackendStatus, CircuitState, DiscoveredBackend, VirtualMCPServerStatus, VirtualServerCondition, VirtualServerPhase,
    VirtualServerReason,
};

use std::{borrow::Cow, ops::Deref};

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;
use vmcp_config::{Config, FreeObject, UnknownKey, unknown_keys};

use crate::{GroupReference, OidcConfigReference, SessionAffinity};

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
    #[schemars(with = "Option<FreeObject>")]
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
