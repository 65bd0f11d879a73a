//! One request as the journal remembers it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use http::{HeaderMap, Version};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{CertificateFacts, DnsFacts, RecordedBody, TelemetryFacts};
use crate::oauth::decode_claims;

/// One request that arrived, with all that was decoded from it and what was answered.
///
/// Serialized, its keys are in camel case, as assertions write them. It holds secrets, such as tokens; `Debug` shows
/// it [redacted](JournalEntry::redacted).
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JournalEntry {
    /// Position in the journal, counted from zero.
    pub sequence: u64,
    /// When the request had arrived.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The URL without its query, as the client knows it.
    pub url: String,
    /// The server or issuer of the world that answered, by its URL; null when there is none.
    pub server: Option<String>,
    /// The host name in lower case.
    pub host: String,
    /// The path.
    pub path: String,
    /// The query without its question mark; null when there is none.
    pub query: Option<String>,
    /// Method and version; null when the connection failed before a request.
    pub http: Option<HttpFacts>,
    /// Header names in lower case; values of repeated headers are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// The body, decoded on demand: as text (`body`), as JSON (`message`), its JSON-RPC parameters (`params`), and as a form (`form`).
    #[serde(flatten)]
    pub body: RecordedBody,
    /// The JSON-RPC method, e.g. `tools/call`.
    pub method: Option<String>,
    /// The bearer token, decoded without judging it; null when there is none or it is no JWT.
    pub token: Option<TokenFacts>,
    /// The TLS connection; null for plain HTTP.
    pub tls: Option<TlsFacts>,
    /// The query to the name server; null for all else.
    pub dns: Option<DnsFacts>,
    /// What a collector of telemetry took; null for all else.
    pub telemetry: Option<Box<TelemetryFacts>>,
    /// Address and port of the client.
    pub peer: String,
    /// The `Mcp-Session-Id` that the client sent, or the session of its SSE endpoint.
    pub session: Option<String>,
    /// What was answered; null when the connection was dropped instead.
    pub response: Option<ResponseFacts>,
    /// Why the request was refused; null when it was not.
    pub verdict: Option<String>,
    /// The names of the faults that acted on it, in their order.
    pub faults: Vec<String>,
    /// The entry of the request that the client has cancelled by leaving before the end of its answer; null for all entries
    /// that are about a request of their own.
    pub cancels: Option<u64>,
    /// The entry of the request that has failed since its answer began; null for all entries that are about a request of their
    /// own.
    #[serde(default)]
    pub fails: Option<u64>,
}

/// How the request was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpFacts {
    /// The HTTP method.
    pub method: String,
    /// `1.0`, `1.1` or `2`.
    pub version: String,
}

/// What is known of the TLS connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsFacts {
    /// The name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// `1.2` or `1.3`.
    pub version: Option<String>,
    /// The application protocol agreed on, e.g. `h2`.
    pub application_protocol: Option<String>,
    /// The certificate that the client showed and that was accepted; null when it showed none.
    pub client_certificate: Option<CertificateFacts>,
}

/// The claims of a bearer token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenFacts {
    /// `sub`.
    pub subject: Option<String>,
    /// `aud`: a string, or a list when there are several.
    pub audience: Option<Value>,
    /// `iss`.
    pub issuer: Option<String>,
    /// All claims.
    pub claims: Map<String, Value>,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponseFacts {
    /// The HTTP status.
    pub status: u16,
}

impl JournalEntry {
    /// An entry of which nothing but the place is known: a connection that failed before its request.
    pub(crate) fn connection(at: Timestamp, host: &str, url: String, peer: SocketAddr) -> Self {
        Self {
            sequence: 0,
            at,
            url,
            server: None,
            host: host.to_owned(),
            path: String::new(),
            query: None,
            http: None,
            headers: BTreeMap::new(),
            body: RecordedBody::default(),
            faults: Vec::new(),
            method: None,
            token: None,
            tls: None,
            dns: None,
            telemetry: None,
            peer: peer.to_string(),
            session: None,
            response: None,
            verdict: None,
            cancels: None,
            fails: None,
        }
    }

    /// Fills in headers, body and all that follows from them.
    pub(crate) fn decode(&mut self, headers: &HeaderMap, body: &[u8]) {
        for name in headers.keys() {
            let values: Vec<String> = headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect();
            self.headers.insert(name.as_str().to_owned(), values.join(", "));
        }
        let media_type =
            self.headers.get("content-type").map_or("", |value| value.split(';').next().unwrap_or_default().trim());
        self.body = RecordedBody::new(body, media_type);
        self.method = self.body.message().and_then(|message| Some(message.get("method")?.as_str()?.to_owned()));
        self.token = self.headers.get("authorization").and_then(|value| TokenFacts::decode(value));
        self.session = self.headers.get("mcp-session-id").cloned();
    }
}

impl TokenFacts {
    fn decode(authorization: &str) -> Option<Self> {
        let (scheme, token) = authorization.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let claims = decode_claims(token.trim())?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let audience = match claims.get("aud") {
            Some(Value::Array(several)) if several.len() == 1 => several.first().cloned(),
            other => other.cloned(),
        };
        Some(Self { subject: text("sub"), audience, issuer: text("iss"), claims })
    }
}

/// The version as the journal spells it.
pub(crate) fn version_text(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}
