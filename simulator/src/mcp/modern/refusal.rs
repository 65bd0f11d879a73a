//! What the wire refuses before anything happens.

use http::StatusCode;
use serde_json::{Value, json};

use crate::mcp::content::Capability;
use crate::mcp::jsonrpc::{
    HEADER_MISMATCH, INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_CLIENT_CAPABILITY, MethodError,
    UNSUPPORTED_PROTOCOL_VERSION,
};
use crate::wire::{Outcome, json_response};
use crate::world::{ProtocolVersion, Server};

/// A refusal: an HTTP status, and a JSON-RPC error that carries the request's id.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    pub(super) error: MethodError,
}

impl Refusal {
    fn bad_request(code: i64, reason: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: MethodError::new(code, reason) }
    }

    /// A header is missing, malformed, or says other than the body.
    pub(super) fn header_mismatch(reason: impl Into<String>) -> Self {
        Self::bad_request(HEADER_MISMATCH, reason)
    }

    /// The request does not say about itself what it must.
    pub(super) fn invalid_metadata(reason: impl Into<String>) -> Self {
        Self::bad_request(INVALID_PARAMS, reason)
    }

    /// The client must be asked for something, and has not declared that it can be.
    pub(super) fn missing_capabilities(missing: &[Capability]) -> Self {
        let names: Vec<&str> = missing.iter().map(|capability| capability.name()).collect();
        let reason = format!("the request needs what the client has not declared: {}", names.join(", "));
        let mut refusal = Self::bad_request(MISSING_CLIENT_CAPABILITY, reason);
        let mut required = json!({});
        for capability in missing {
            json_patch::merge(&mut required, &capability.declaration());
        }
        refusal.error.data = Some(json!({ "requiredCapabilities": required }));
        refusal
    }

    /// The server does not speak the revision.
    pub(super) fn unsupported_version(server: &Server, requested: &str) -> Self {
        let supported = supported_versions(server);
        let reason = format!("the revision `{requested}` is not supported: expected one of {}", supported.join(", "));
        let mut refusal = Self::bad_request(UNSUPPORTED_PROTOCOL_VERSION, reason);
        refusal.error.data = Some(json!({"supported": supported, "requested": requested}));
        refusal
    }

    /// The server does not have the method.
    pub(super) fn method_not_found(reason: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, error: MethodError::new(METHOD_NOT_FOUND, reason) }
    }

    /// The refusal of the request `id`.
    pub(super) fn outcome(&self, id: &Value) -> Outcome {
        let MethodError { code, message, .. } = &self.error;
        let verdict = format!("JSON-RPC error {code}: {message}");
        Outcome::refused(json_response(self.status, &self.error.response(id)), verdict)
    }
}

impl From<MethodError> for Refusal {
    /// The method's own error: HTTP has done its part.
    fn from(error: MethodError) -> Self {
        Self { status: StatusCode::OK, error }
    }
}

/// The revisions that the server names when it is asked, newest first.
pub(super) fn supported_versions(server: &Server) -> Vec<&'static str> {
    server.versions().into_iter().rev().map(ProtocolVersion::as_str).collect()
}
