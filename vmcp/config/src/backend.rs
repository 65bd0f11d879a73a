//! Backends that are written into the configuration (inline mode).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A backend that is known without discovery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StaticBackend {
    /// Name of the backend, unique in the configuration.
    pub name: String,
    /// Where the backend speaks MCP.
    #[schemars(regex(pattern = r"^https?://"))]
    pub url: String,
    /// How the backend speaks MCP.
    pub transport: Transport,
    /// What the backend is; empty for a Service of the cluster.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<StaticBackendKind>,
    /// Absolute path of a PEM file with the authorities to trust; for entries only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_path: Option<String>,
    /// Whether an entry may be in a private network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_private_endpoint: Option<bool>,
    /// Headers that every request to the backend carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Headers whose values are in environment variables, with the names of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_from_env: Option<BTreeMap<String, String>>,
    /// Free-form labels of the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
}

/// What a static backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StaticBackendKind {
    /// A remote server that the gateway connects to directly.
    #[serde(rename = "entry")]
    Entry,
    /// A Service of the cluster.
    #[serde(rename = "")]
    Service,
    /// The Service of an MCPRemoteProxy: as any Service, but checked at intervals on request alone.
    #[serde(rename = "remote-proxy")]
    RemoteProxy,
}

/// How a server speaks MCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// HTTP with server-sent events, of revision 2024-11-05.
    Sse,
    /// Streamable HTTP.
    StreamableHttp,
}
