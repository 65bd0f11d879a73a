//! The configuration of a proxy: one MCP server, who may use it, and how it is called (`vmcp proxy --config`).
//!
//! The operator renders it for the pods of an MCPRemoteProxy and of an MCPServer. Secrets are named, never held: the
//! proxy reads them where it runs.

mod outgoing;
mod validate;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::LazyLock,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Audit, Authorization, ConfigError, Oidc, SessionStorage, Telemetry, ToolOverride, Transport, Violation,
    keys::schema_of,
    load::{Checked, Demand, check, located, read, served},
};

pub use outgoing::{
    BearerToken, HeaderInjection, ProxyOutgoing, ProxyOutgoingKind, SecretKey, SubjectTokenType, TokenExchange,
};

/// The schema of [`ProxyConfig`].
static SCHEMA: LazyLock<Value> = LazyLock::new(schema_of::<ProxyConfig>);

/// One MCP server, who may use it, and how it is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyConfig {
    /// Name of the proxy, for logs and for messages to clients.
    pub name: String,
    /// Where the server speaks MCP: an http:// or https:// URL with its path.
    pub url: String,
    /// How the server speaks MCP, and the proxy towards its clients.
    pub transport: Transport,
    /// What the server is, hence which addresses it may have.
    pub class: ProxyClass,
    /// Headers that every request to the server carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<ProxyHeaders>,
    /// Who may connect.
    pub incoming: ProxyIncoming,
    /// How the proxy authenticates to the server; not at all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outgoing: Option<ProxyOutgoing>,
    /// Which tools are shown, and under which names; all of them as they are when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<ProxyTools>,
    /// Whether X-Forwarded-Proto, -Host, -Port and -Prefix of requests decide how the proxy writes its own URLs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trust_proxy_headers: bool,
    /// Path that an ingress strips, put before the endpoint URLs of the HTTP+SSE transport.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_prefix: Option<String>,
    /// What an authenticated client may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authz: Option<Authorization>,
    /// The audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// Traces and metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<Telemetry>,
    /// Where sessions are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_storage: Option<SessionStorage>,
}

/// What the server behind a proxy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProxyClass {
    /// A remote server, which may be in a private network but never at an address that no server may have.
    Proxied,
    /// A Service of the cluster.
    Workload,
}

/// Headers that every request to the server carries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyHeaders {
    /// Values by name of the header.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub plain: BTreeMap<String, String>,
    /// Headers whose values are in Secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_secret: Vec<SecretHeader>,
}

/// A header whose value is in a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretHeader {
    /// Name of the header.
    pub header: String,
    /// Name of the Secret in the proxy's namespace.
    pub secret: String,
    /// Key in the Secret.
    pub key: String,
}

/// Who may connect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyIncoming {
    /// Everyone, or who presents a token.
    #[serde(rename = "type")]
    pub kind: ProxyIncomingKind,
    /// Which tokens are accepted; required for type oidc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,
}

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProxyIncomingKind {
    /// Everyone.
    Anonymous,
    /// Who presents a token of the issuer.
    Oidc,
}

/// Which tools are shown, and under which names (MCPToolConfig).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyTools {
    /// Names of the tools that are shown, after renaming; every tool is shown when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Vec<String>>,
    /// New names, descriptions and annotations, by the name that the server gives the tool.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, ToolOverride>,
}

impl Checked for ProxyConfig {
    fn schema() -> &'static Value {
        &SCHEMA
    }

    fn violations(&self) -> Vec<Violation> {
        self.problems()
    }

    fn unserved(&self) -> Vec<String> {
        self.unsupported()
    }

    fn files(&mut self) -> Vec<&mut String> {
        self.incoming.oidc.as_mut().and_then(|oidc| oidc.ca_bundle_path.as_mut()).into_iter().collect()
    }
}

impl ProxyConfig {
    /// Reads and checks the file at `path`, JSON or YAML.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        read(path.as_ref())
    }

    /// Checks `text`, which was read from the file at `path`: it must be right, and ask for nothing that this release does not
    /// serve.
    pub fn parse_file(text: &str, path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        located(text, path.as_ref(), Demand::Served)
    }

    /// Tells everything that keeps a proxy from serving the file at `path`.
    pub fn validate(path: impl AsRef<Path>) -> Result<(), ConfigError> {
        served::<Self>(path.as_ref())
    }

    /// Names of the Secrets that the proxy reads, all of its own namespace.
    pub fn secrets(&self) -> BTreeSet<String> {
        let headers = self.headers.iter().flat_map(|headers| &headers.from_secret).map(|header| &header.secret);
        let outgoing = self.outgoing.iter().flat_map(ProxyOutgoing::secret_keys).map(|reference| &reference.secret);
        headers.chain(outgoing).cloned().collect()
    }

    /// Reads and checks a text, JSON or YAML; `origin` names it in messages.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ConfigError> {
        check(text, origin, Demand::Correct)
    }
}
