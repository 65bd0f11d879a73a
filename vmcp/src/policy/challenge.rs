//! What a client is told that may not pass: `WWW-Authenticate` (RFC 6750) and the metadata of the protected
//! resource (RFC 9728), from which it learns where to get a token.

use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use url::Url;

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No token at all.
    #[error("this server needs an access token")]
    Missing,
    /// The request is not what RFC 6750 describes.
    #[error("{0}")]
    Malformed(&'static str),
    /// The token is not good, for the reason given.
    #[error("{0}")]
    Invalid(&'static str),
    /// Nobody can tell at the moment, for the reason given.
    #[error("{0}")]
    Unavailable(&'static str),
}

impl Refusal {
    /// The status that answers the request.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Missing | Self::Invalid(_) => StatusCode::UNAUTHORIZED,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The error code of RFC 6750, section 3.1; a request without a token has none.
    pub fn error(&self) -> Option<&'static str> {
        match self {
            Self::Missing => None,
            Self::Malformed(_) => Some("invalid_request"),
            Self::Invalid(_) => Some("invalid_token"),
            Self::Unavailable(_) => Some("temporarily_unavailable"),
        }
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        json!({ "error": self.error().unwrap_or("unauthorized"), "error_description": self.to_string() })
    }
}

/// What this resource server publishes about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedResource {
    resource: Option<Url>,
    issuer: String,
    scopes: Vec<String>,
}

/// The path of the metadata of a resource without path (RFC 9728, section 3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

impl ProtectedResource {
    /// `resource` is the identifier of this server; without it no metadata is published.
    pub fn new(resource: Option<Url>, issuer: String, scopes: Vec<String>) -> Self {
        Self { resource, issuer, scopes }
    }

    /// The identifier of this server.
    pub fn identifier(&self) -> Option<&Url> {
        self.resource.as_ref()
    }

    /// The metadata document at `path`, if there is one.
    pub fn metadata(&self, path: &str) -> Option<Value> {
        let resource = self.resource.as_ref()?;
        let suffix = path.strip_prefix(WELL_KNOWN)?;
        if !["", "/mcp", own_path(resource)].contains(&suffix) {
            return None;
        }
        let mut metadata = json!({
            "resource": identifier(resource),
            "authorization_servers": [self.issuer],
            "bearer_methods_supported": ["header"],
        });
        if !self.scopes.is_empty() {
            metadata["scopes_supported"] = json!(self.scopes);
        }
        Some(metadata)
    }

    /// The `WWW-Authenticate` header that goes with a refusal.
    pub fn challenge(&self, refusal: &Refusal) -> HeaderValue {
        let mut parameters = Vec::new();
        if let Some(resource) = &self.resource {
            let mut url = resource.clone();
            url.set_query(None);
            url.set_fragment(None);
            url.set_path(&format!("{WELL_KNOWN}{}", own_path(resource)));
            parameters.push(format!("resource_metadata={}", quoted(url.as_str())));
        }
        if !self.scopes.is_empty() {
            parameters.push(format!("scope={}", quoted(&self.scopes.join(" "))));
        }
        if let Some(error) = refusal.error() {
            parameters.push(format!("error={}", quoted(error)));
            parameters.push(format!("error_description={}", quoted(&refusal.to_string())));
        }
        let separator = if parameters.is_empty() { "" } else { " " };
        HeaderValue::try_from(format!("Bearer{separator}{}", parameters.join(", ")))
            .unwrap_or(HeaderValue::from_static("Bearer"))
    }
}

fn own_path(resource: &Url) -> &str {
    resource.path().trim_end_matches('/')
}

/// The identifier as MCP wants it: without fragment and without a trailing slash.
fn identifier(resource: &Url) -> String {
    let mut url = resource.clone();
    url.set_fragment(None);
    let text = String::from(url);
    if resource.query().is_some() { text } else { text.trim_end_matches('/').to_owned() }
}

/// A quoted-string (RFC 9110, section 5.6.4); what cannot stand in a header is left out.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars().filter(|character| matches!(character, ' '..='~')) {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn resource(url: &str) -> ProtectedResource {
        let scopes = vec!["openid".to_owned(), "tools".to_owned()];
        ProtectedResource::new(Url::parse(url).ok(), "https://idp.example.com".to_owned(), scopes)
    }

    #[test]
    fn the_challenge_names_the_metadata_the_scopes_and_the_error() {
        let challenge = resource("https://gw.example.com/mcp").challenge(&Refusal::Invalid("the token has expired"));
        assert_eq!(
            challenge,
            "Bearer resource_metadata=\"https://gw.example.com/.well-known/oauth-protected-resource/mcp\", \
             scope=\"openid tools\", error=\"invalid_token\", error_description=\"the token has expired\""
        );
        let challenge = resource("http://gw.ns.svc:4483").challenge(&Refusal::Missing);
        assert_eq!(
            challenge,
            "Bearer resource_metadata=\"http://gw.ns.svc:4483/.well-known/oauth-protected-resource\", \
             scope=\"openid tools\""
        );
        let bare = ProtectedResource::new(None, String::new(), Vec::new());
        assert_eq!(bare.challenge(&Refusal::Missing), "Bearer");
    }

    #[test]
    fn metadata_is_served_at_the_root_and_at_the_paths_of_the_endpoint() {
        let published = resource("http://gw.ns.svc:4483/");
        for path in [WELL_KNOWN.to_owned(), format!("{WELL_KNOWN}/mcp")] {
            let metadata = published.metadata(&path).unwrap();
            assert_eq!(metadata["resource"], "http://gw.ns.svc:4483");
            assert_eq!(metadata["authorization_servers"], json!(["https://idp.example.com"]));
        }
        assert_eq!(published.metadata(&format!("{WELL_KNOWN}/other")), None);
        let published = resource("https://gw.example.com/team/mcp");
        assert!(published.metadata(&format!("{WELL_KNOWN}/team/mcp")).is_some());
        assert_eq!(ProtectedResource::new(None, String::new(), Vec::new()).metadata(WELL_KNOWN), None);
    }
}
