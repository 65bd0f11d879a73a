//! MCP servers as a world file describes them.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::content::{Prompt, Resource, ResourceTemplate, Step};
use super::{Cache, Certificate, Fault, Profile, Secret, ServerUrl, Tls};

/// One MCP server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Server {
    /// Where clients find it, e.g. `https://mcp.partner.example.com/mcp`.
    pub url: ServerUrl,
    /// Which transport it speaks, and no other.
    #[serde(default)]
    pub transport: Transport,
    /// The certificate of its host. Servers that share a host share it.
    #[serde(default)]
    pub certificate: Option<Certificate>,
    /// How its host speaks TLS. Servers that share a host share it.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Which access token a request must carry. Absent: none is needed, and one that is sent is not looked at.
    #[serde(default)]
    pub accepts: Option<Accepts>,
    /// What else a request must carry.
    #[serde(default)]
    pub requires: Requires,
    /// The tools, in the order in which they are listed.
    #[serde(default)]
    pub tools: Vec<Tool>,
    /// The prompts, in the order in which they are listed.
    #[serde(default)]
    pub prompts: Vec<Prompt>,
    /// The resources, in the order in which they are listed.
    #[serde(default)]
    pub resources: Vec<Resource>,
    /// The templates of resources. A resource of its own goes before a template that would fit.
    #[serde(default)]
    pub resource_templates: Vec<ResourceTemplate>,
    /// What models are told about the server at the handshake.
    #[serde(default)]
    pub instructions: Option<String>,
    /// `serverInfo.name`; the host when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// How many items one page of a list holds. Absent: all of them.
    #[serde(default)]
    pub page_size: Option<NonZeroUsize>,
    /// How requests are answered over Streamable HTTP.
    #[serde(default)]
    pub replies: Replies,
    /// The protocol revisions it supports. Absent: all with the `initialize` handshake.
    #[serde(default)]
    pub protocol_versions: Option<Vec<ProtocolVersion>>,
    /// How long and for whom clients may keep what it lists and reads (2026-07-28).
    #[serde(default)]
    pub cache: Cache,
    /// Whether a Streamable HTTP server keeps sessions. Absent: it does, unless it behaves like one that does not.
    #[serde(default)]
    pub sessions: Option<bool>,
    /// The implementation that it behaves like. Absent: it is as strict as the specification allows.
    #[serde(default)]
    pub behaves_like: Option<Profile>,
    /// Whether streams of Streamable HTTP can be resumed: their events have ids, and the newest are kept.
    #[serde(default)]
    pub resumable: bool,
    /// Where an SSE server takes messages. Absent: the URL's path with a final `/sse` replaced by `/messages`.
    #[serde(default)]
    pub messages_path: Option<String>,
    /// What it does wrong.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

impl Server {
    /// A Streamable HTTP server without tools, tokens and requirements.
    #[must_use]
    pub fn new(url: ServerUrl) -> Self {
        Self {
            url,
            transport: Transport::default(),
            certificate: None,
            tls: None,
            accepts: None,
            requires: Requires::default(),
            tools: Vec::new(),
            prompts: Vec::new(),
            resources: Vec::new(),
            resource_templates: Vec::new(),
            instructions: None,
            name: None,
            page_size: None,
            replies: Replies::default(),
            protocol_versions: None,
            cache: Cache::default(),
            sessions: None,
            behaves_like: None,
            resumable: false,
            messages_path: None,
            faults: Vec::new(),
        }
    }

    /// The path to which clients of the legacy SSE transport post.
    #[must_use]
    pub fn messages_path(&self) -> String {
        self.messages_path.clone().unwrap_or_else(|| {
            let path = self.url.path();
            let base = path.strip_suffix("/sse").unwrap_or(path);
            format!("{}/messages", base.trim_end_matches('/'))
        })
    }

    /// The supported revisions, oldest first, never empty after validation.
    #[must_use]
    pub fn versions(&self) -> Vec<ProtocolVersion> {
        let mut versions = self
            .protocol_versions
            .clone()
            .unwrap_or_else(|| self.behaves_like.map_or_else(|| ProtocolVersion::LEGACY.to_vec(), Profile::versions));
        versions.sort_unstable();
        versions.dedup();
        versions
    }

    /// The supported revisions with the `initialize` handshake, oldest first.
    #[must_use]
    pub fn legacy_versions(&self) -> Vec<ProtocolVersion> {
        let mut versions = self.versions();
        versions.retain(|version| !version.is_modern());
        versions
    }

    /// Whether it supports a revision without handshake.
    #[must_use]
    pub fn is_modern(&self) -> bool {
        self.versions().iter().any(|version| version.is_modern())
    }

    /// Whether it keeps sessions with legacy clients.
    #[must_use]
    pub fn keeps_sessions(&self) -> bool {
        self.sessions.unwrap_or_else(|| self.behaves_like.is_none_or(Profile::keeps_sessions))
    }
}

/// The transports of the protocol's legacy revisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// One endpoint for POST, GET and DELETE, with sessions (2025-03-26 and later).
    #[default]
    StreamableHttp,
    /// An event stream and a second endpoint for messages (2024-11-05).
    Sse,
}

/// How a Streamable HTTP server answers a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Replies {
    /// One JSON object.
    #[default]
    Json,
    /// An event stream that ends after the response.
    EventStream,
}

/// A protocol revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
pub enum ProtocolVersion {
    /// The first revision: HTTP with SSE.
    #[serde(rename = "2024-11-05")]
    V20241105,
    /// Streamable HTTP, JSON-RPC batches.
    #[serde(rename = "2025-03-26")]
    V20250326,
    /// `MCP-Protocol-Version` on every request, no batches.
    #[serde(rename = "2025-06-18")]
    V20250618,
    /// The last revision with sessions.
    #[serde(rename = "2025-11-25")]
    V20251125,
    /// No handshake and no sessions: each request says all that is needed to answer it.
    #[serde(rename = "2026-07-28")]
    V20260728,
}

impl ProtocolVersion {
    /// All of them, oldest first.
    pub const ALL: [Self; 5] = [Self::V20241105, Self::V20250326, Self::V20250618, Self::V20251125, Self::V20260728];

    /// Those with the `initialize` handshake, oldest first.
    pub const LEGACY: [Self; 4] = [Self::V20241105, Self::V20250326, Self::V20250618, Self::V20251125];

    /// The date that names the revision.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V20241105 => "2024-11-05",
            Self::V20250326 => "2025-03-26",
            Self::V20250618 => "2025-06-18",
            Self::V20251125 => "2025-11-25",
            Self::V20260728 => "2026-07-28",
        }
    }

    /// Whether requests of the revision stand for themselves, without handshake and session.
    #[must_use]
    pub fn is_modern(self) -> bool {
        self >= Self::V20260728
    }

    /// The revision of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == name)
    }
}

/// Which access tokens a server takes: signed by a key of the issuer, unexpired, for the audience, with all the scopes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Accepts {
    /// An authorization server of this world, by host or issuer identifier.
    pub issuer: String,
    /// What the token's `aud` must contain. Absent: any audience.
    #[serde(default)]
    pub audience: Option<String>,
    /// Scopes that the token must all have.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Changes of the metadata of the protected resource (RFC 9728), by a merge patch (RFC 7396): null removes a member.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// What a request must carry besides a token.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requires {
    /// Header names with the value that each must have; null accepts any value. A missing header is answered with 400, a wrong
    /// value with 403.
    #[serde(default)]
    pub headers: BTreeMap<String, Option<Secret>>,
}

/// A tool.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its display name.
    #[serde(default)]
    pub title: Option<String>,
    /// What models read about it.
    #[serde(default)]
    pub description: Option<String>,
    /// JSON Schema of its arguments. Absent: an object with a string `text` for a tool that echoes, any object for a scripted one.
    #[serde(default)]
    pub input_schema: Option<Map<String, Value>>,
    /// JSON Schema of its structured content.
    #[serde(default)]
    pub output_schema: Option<Map<String, Value>>,
    /// Hints such as `readOnlyHint`.
    #[serde(default)]
    pub annotations: Option<Map<String, Value>>,
    /// Further members of the tool as it is listed, e.g. `icons` or fields that no revision knows.
    #[serde(default)]
    pub extra: Map<String, Value>,
    /// What happens before the answer.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// What a call answers. Absent: the argument `text` as text content.
    #[serde(default)]
    pub answer: Option<Answer>,
}

impl Tool {
    /// A tool that echoes.
    #[must_use]
    pub fn echo(name: &str) -> Self {
        Self {
            name: name.into(),
            title: None,
            description: None,
            input_schema: None,
            output_schema: None,
            annotations: None,
            extra: Map::new(),
            steps: Vec::new(),
            answer: None,
        }
    }
}

/// A scripted answer to `tools/call`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Answer {
    /// One text content.
    Text(String),
    /// One text content with `isError: true`.
    IsError(String),
    /// The whole `result` member as it is sent.
    Result(Map<String, Value>),
    /// A JSON-RPC error instead of a result.
    Error(RpcError),
}

/// The `error` member of a JSON-RPC response.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RpcError {
    /// The code, e.g. -32000.
    pub code: i64,
    /// The sentence.
    pub message: String,
    /// More, in any form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}
