//! The gateway's own errors about backends, with what a program needs to react.

use crate::egress::{Cause, EgressError};
use crate::jsonrpc::{ErrorObject, code};
use serde_json::json;

/// The error for a request to one backend that failed.
pub(crate) fn unavailable(backend: &str, error: &EgressError) -> ErrorObject {
    let message = match error.cause() {
        Cause::Unauthorized => format!("backend {backend:?} did not authorize the request: {error}"),
        _ => format!("backend {backend:?} is not available: {error}"),
    };
    ErrorObject::new(code::BACKEND_UNAVAILABLE, message)
        .with_data(json!({ "backend": backend, "cause": error.cause().as_str() }))
}

/// The error for a list that lacks the tools of some backends.
pub(super) fn incomplete(failed: &[(String, EgressError)]) -> ErrorObject {
    let names: Vec<_> = failed.iter().map(|(backend, _)| backend.as_str()).collect();
    let backends: Vec<_> =
        failed.iter().map(|(backend, error)| json!({ "backend": backend, "cause": error.cause().as_str() })).collect();
    ErrorObject::new(
        code::BACKEND_UNAVAILABLE,
        format!("the list is incomplete because backends are not available: {}", names.join(", ")),
    )
    .with_data(json!({ "backends": backends }))
}

/// The error for a tool that nobody has (MCP 2025-11-25, tools, error handling).
pub(crate) fn unknown_tool(name: &str) -> ErrorObject {
    ErrorObject::new(code::INVALID_PARAMS, format!("Unknown tool: {name}"))
}
