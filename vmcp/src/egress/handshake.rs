//! The MCP handshake of the revisions with `initialize`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::behind::unreached;
use super::error::{Cause, EgressError};
use super::failure::Failure;
use super::news::Agreed;
use super::peer::Hearer;
use crate::jsonrpc;
use crate::offers::{Declared, Offers};

/// The revision that the gateway proposes.
const PROPOSED: &str = "2025-11-25";
/// The revisions that it can go on with.
pub(crate) const SPOKEN: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// How much of a revision that a backend made up is shown.
const LONGEST_SHOWN: usize = 40;

/// What is wrong with an answer that agrees to nothing.
const UNUSABLE: &str = "the answer to initialize has no usable protocolVersion and capabilities";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitializeParams<'a> {
    protocol_version: &'static str,
    capabilities: &'a RawValue,
    client_info: Value,
}

/// The params of `initialize`. A backend may use the capabilities of the client that the gateway speaks for; where there
/// is none, it may only answer.
pub(super) fn params(hearer: &Hearer) -> Box<RawValue> {
    let none = jsonrpc::raw(&json!({}));
    jsonrpc::raw(&InitializeParams {
        protocol_version: PROPOSED,
        capabilities: match hearer {
            Hearer::Client(client) => &client.capabilities,
            Hearer::Gateway | Hearer::Inbox { .. } => &none,
        },
        client_info: json!({"name": "vmcp", "version": env!("CARGO_PKG_VERSION")}),
    })
}

#[derive(Deserialize)]
struct InitializeResult<'a> {
    #[serde(rename = "protocolVersion")]
    protocol_version: String,
    #[serde(borrow, default)]
    capabilities: Declared<'a>,
    #[serde(borrow, default)]
    instructions: Option<&'a RawValue>,
}

/// What the backend picked in its `initialize` result, and told of itself.
pub(super) fn negotiated(result: &RawValue) -> Result<Agreed, EgressError> {
    let result: InitializeResult<'_> =
        serde_json::from_str(result.get()).map_err(|_| EgressError::new(Cause::Protocol, UNUSABLE))?;
    let revision = spoken(&result.protocol_version).ok_or_else(|| {
        let wanted = shown(&result.protocol_version);
        let message = format!("the backend wants to speak MCP {wanted:?}, the gateway speaks {}", SPOKEN.join(", "));
        EgressError::new(Cause::Protocol, message).answered()
    })?;
    let offers = Offers::of(&result.capabilities, revision);
    // Nobody loses a backend over a text that is none.
    let instructions = result.instructions.and_then(|text| serde_json::from_str(text.get()).ok());
    Ok(Agreed { revision, offers, instructions })
}

/// The revision of this name, if the gateway can go on with it.
pub(super) fn spoken(revision: &str) -> Option<&'static str> {
    SPOKEN.into_iter().find(|spoken| *spoken == revision)
}

/// What a backend made up, as far as it is shown.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(LONGEST_SHOWN).collect()
}

/// The failure of a client's message while its session with the backend is not open.
pub(super) fn missing() -> Failure {
    Failure::SessionLost(EgressError::new(Cause::Protocol, "the session with the backend is not open"))
}

/// The failure of an `initialize`. One whose answer is malformed shows no more than one without the result that it needs.
pub(super) fn failed(failure: Failure) -> EgressError {
    let error = failure.into_error();
    if error.is_malformed_answer() { EgressError::new(Cause::Protocol, UNUSABLE) } else { error }
}

/// The failure when a backend answers `initialize` with a JSON-RPC error.
pub(super) fn refused(error: &RawValue) -> EgressError {
    #[derive(Deserialize)]
    struct Error {
        code: i64,
    }
    if let Some(unreached) = unreached(error) {
        return unreached;
    }
    let code = serde_json::from_str::<Error>(error.get()).map_or_else(|_| String::new(), |e| format!(" ({})", e.code));
    EgressError::new(Cause::Protocol, format!("the backend refused to initialize a session{code}"))
        .answered()
        .unexecuted()
}
