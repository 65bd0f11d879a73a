//! The MCP handshake of the revisions with `initialize`.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::error::{Cause, EgressError};
use super::failure::Failure;
use crate::jsonrpc;
use crate::offers::{Declared, Offers};

/// The revision that the gateway proposes.
const PROPOSED: &str = "2025-11-25";
/// The revisions that it can go on with.
pub(crate) const SPOKEN: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// The params of `initialize`. The gateway offers no capabilities: a backend may only answer.
pub(super) fn params() -> Box<RawValue> {
    jsonrpc::raw(&json!({
        "protocolVersion": PROPOSED,
        "capabilities": {},
        "clientInfo": {"name": "vmcp", "version": env!("CARGO_PKG_VERSION")},
    }))
}

#[derive(Deserialize)]
struct InitializeResult<'a> {
    #[serde(rename = "protocolVersion")]
    protocol_version: String,
    #[serde(borrow, default)]
    capabilities: Declared<'a>,
}

/// The revision that the backend picked in its `initialize` result, and what it offers.
pub(super) fn negotiated(result: &RawValue) -> Result<(&'static str, Offers), EgressError> {
    let wrong = |message: String| EgressError::new(Cause::Protocol, message);
    let result: InitializeResult<'_> = serde_json::from_str(result.get())
        .map_err(|_| wrong("the answer to initialize has no usable protocolVersion and capabilities".to_owned()))?;
    let revision = SPOKEN.into_iter().find(|spoken| *spoken == result.protocol_version).ok_or_else(|| {
        wrong(format!(
            "the backend wants to speak MCP {:?}, the gateway speaks {}",
            result.protocol_version,
            SPOKEN.join(", ")
        ))
        .answered()
    })?;
    Ok((revision, Offers::of(&result.capabilities, revision)))
}

/// The failure of a client's message while its session with the backend is not open.
pub(super) fn missing() -> Failure {
    Failure::SessionLost(EgressError::new(Cause::Protocol, "the session with the backend is not open"))
}

/// The failure when a backend answers `initialize` with a JSON-RPC error.
pub(super) fn refused(error: &RawValue) -> EgressError {
    #[derive(Deserialize)]
    struct Error {
        code: i64,
    }
    let code = serde_json::from_str::<Error>(error.get()).map_or_else(|_| String::new(), |e| format!(" ({})", e.code));
    EgressError::new(Cause::Protocol, format!("the backend refused to initialize a session{code}")).answered()
}
