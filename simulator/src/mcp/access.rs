//! What a request must carry to be let in: an origin that may call, an access token, headers.

use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::jsonrpc::{MethodError, TRANSPORT_ERROR};
use super::quirks::Quirks;
use super::server::McpServer;
use crate::oauth::{find_issuer, scopes};
use crate::wire::{Outcome, Received, json_response};
use crate::world::{Accepts, Server};

/// Where the metadata of protected resources are (RFC 9728, 3.1).
const METADATA_ROOT: &str = "/.well-known/oauth-protected-resource";

/// Where the metadata of the protected resource are, as challenges name them.
fn metadata_path(server: &Server) -> String {
    format!("{METADATA_ROOT}{}", server.url.path().trim_end_matches('/'))
}

/// Whether the metadata of the protected resource are at `path`: at its own place, or at the root, where MCP clients look next.
pub(super) fn describes_resource(server: &Server, path: &str) -> bool {
    server.accepts.is_some() && (path == METADATA_ROOT || path == metadata_path(server))
}

/// A refusal of the transport with a JSON-RPC error as body, which the specification allows.
pub(super) fn refuse(status: StatusCode, code: i64, reason: impl Into<String>) -> Outcome {
    let error = MethodError::new(code, reason);
    Outcome::refused(json_response(status, &error.response(&Value::Null)), error.message)
}

impl McpServer {
    /// The subject of the token that lets the request in (`None` where no token is asked for), or the refusal.
    pub(super) fn admit(&self, server: &Server, received: &Received) -> Result<Option<String>, Box<Outcome>> {
        check_host(server, received)?;
        check_origin(server, received)?;
        let subject = match &server.accepts {
            Some(accepts) => Some(self.check_token(server, accepts, received)?),
            None => None,
        };
        check_headers(server, received)?;
        Ok(subject)
    }

    fn check_token(&self, server: &Server, accepts: &Accepts, received: &Received) -> Result<String, Box<Outcome>> {
        let challenge = |error: Option<(&str, &str)>| {
            let mut text = format!("Bearer resource_metadata=\"{}{}\"", server.url.origin(), metadata_path(server));
            if !accepts.scopes.is_empty() {
                text = format!("{text}, scope=\"{}\"", accepts.scopes.join(" "));
            }
            if let Some((code, description)) = error {
                let description = description.replace(['"', '\\'], "'");
                text = format!("{text}, error=\"{code}\", error_description=\"{description}\"");
            }
            text
        };
        let refuse_with = |status: StatusCode, reason: &str, challenge: String| {
            let mut outcome = refuse(status, TRANSPORT_ERROR, reason);
            if let (Some(response), Ok(value)) = (&mut outcome.response, HeaderValue::from_str(&challenge)) {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
            }
            Box::new(outcome)
        };
        if !received.headers.contains_key(header::AUTHORIZATION) {
            return Err(refuse_with(
                StatusCode::UNAUTHORIZED,
                "an access token is needed and none was sent",
                challenge(None),
            ));
        }
        let invalid =
            |reason: &str| refuse_with(StatusCode::UNAUTHORIZED, reason, challenge(Some(("invalid_token", reason))));
        let token = received
            .header(header::AUTHORIZATION.as_str())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| invalid("the Authorization header holds no bearer token"))?;
        let issuer = find_issuer(&self.issuers, &accepts.issuer)
            .ok_or_else(|| invalid("the world does not know the issuer whose tokens this server accepts"))?;
        let claims =
            issuer.verify(token, accepts.audience.as_deref()).map_err(|rejection| invalid(&rejection.to_string()))?;
        let granted = scopes(&claims);
        if let Some(missing) = accepts.scopes.iter().find(|scope| !granted.contains(scope)) {
            let reason = format!("the token lacks the scope `{missing}`");
            return Err(refuse_with(StatusCode::FORBIDDEN, &reason, challenge(Some(("insufficient_scope", &reason)))));
        }
        Ok(claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// The metadata of the protected resource (RFC 9728).
    pub(super) fn resource_metadata(&self, server: &Server) -> Outcome {
        let Some(accepts) = &server.accepts else {
            return Outcome::refused_with(StatusCode::NOT_FOUND, "this server asks for no token and has no metadata");
        };
        let issuer = find_issuer(&self.issuers, &accepts.issuer).map(|issuer| issuer.identifier().to_owned());
        let mut document = json!({
            "resource": accepts.audience.clone().unwrap_or_else(|| server.url.to_string()),
            "authorization_servers": [issuer],
            "bearer_methods_supported": ["header"],
        });
        if !accepts.scopes.is_empty() {
            document["scopes_supported"] = json!(accepts.scopes);
        }
        json_patch::merge(&mut document, &Value::Object(accepts.metadata.clone()));
        Outcome::answered(json_response(StatusCode::OK, &document))
    }
}

/// Names that lead here without being the server's own may be an attack from a browser (DNS rebinding).
fn check_host(server: &Server, received: &Received) -> Result<(), Box<Outcome>> {
    match Quirks::of(server).foreign_host {
        Some(refused) if !server.url.is_host(&received.host) => {
            Err(refused.because(format!("the server is not called `{}`", received.host)))
        }
        _ => Ok(()),
    }
}

/// Browsers send `Origin`; pages of other origins may not call (2025-11-25, transports, security warning).
fn check_origin(server: &Server, received: &Received) -> Result<(), Box<Outcome>> {
    let is_own = received.header(header::ORIGIN.as_str()).is_some_and(|origin| server.url.is_origin(origin));
    if is_own || !received.headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    Quirks::of(server)
        .foreign_origin
        .map_or(Ok(()), |refused| Err(refused.because("pages of this Origin may not call the server")))
}

/// Names the header in its refusal, never the value.
fn check_headers(server: &Server, received: &Received) -> Result<(), Box<Outcome>> {
    for (name, expected) in &server.requires.headers {
        if !received.headers.contains_key(name.as_str()) {
            return Err(Box::new(refuse(
                StatusCode::BAD_REQUEST,
                TRANSPORT_ERROR,
                format!("the header `{name}` is required and was not sent"),
            )));
        }
        if expected.as_ref().is_some_and(|expected| received.header(name) != Some(expected.reveal())) {
            return Err(Box::new(refuse(
                StatusCode::FORBIDDEN,
                TRANSPORT_ERROR,
                format!("the header `{name}` has another value than the server requires"),
            )));
        }
    }
    Ok(())
}
