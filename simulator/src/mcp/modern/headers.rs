//! The headers that repeat what the body says, so that intermediaries need not read it (2026-07-28, streamable-http, request
//! metadata).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::refusal::Refusal;
use crate::wire::Received;

/// Name of the header with the revision.
pub(super) const PROTOCOL_VERSION_HEADER: &str = "mcp-protocol-version";
const METHOD_HEADER: &str = "mcp-method";
const NAME_HEADER: &str = "mcp-name";

/// Before and after a value that is Base64 of UTF-8.
const ENCODED: (&str, &str) = ("=?base64?", "?=");

/// Whether `MCP-Protocol-Version` says what the body does.
pub(super) fn check_version(received: &Received, version: &str) -> Result<(), Refusal> {
    check_same("MCP-Protocol-Version", &required(received, PROTOCOL_VERSION_HEADER, "MCP-Protocol-Version")?, version)
}

/// Whether the request names its revision in a header at all.
pub(super) fn require_version(received: &Received) -> Result<(), Refusal> {
    required(received, PROTOCOL_VERSION_HEADER, "MCP-Protocol-Version").map(drop)
}

/// Whether `Mcp-Method` says what the body does.
pub(super) fn check_method(received: &Received, method: &str) -> Result<(), Refusal> {
    check_same("Mcp-Method", &required(received, METHOD_HEADER, "Mcp-Method")?, method)
}

/// Whether `Mcp-Name` says what the body does, where the method has one.
pub(super) fn check_name(received: &Received, method: &str, params: &Map<String, Value>) -> Result<(), Refusal> {
    let member = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return Ok(()),
    };
    // Without the member the method itself refuses the request.
    let Some(name) = params.get(member).and_then(Value::as_str) else { return Ok(()) };
    let value = required(received, NAME_HEADER, "Mcp-Name")?;
    check_same("Mcp-Name", &decoded("Mcp-Name", &value)?, name)
}

fn check_same(name: &str, header: &str, body: &str) -> Result<(), Refusal> {
    if header == body {
        return Ok(());
    }
    Err(Refusal::header_mismatch(format!("{name} is `{header}`, but the body says `{body}`")))
}

fn required(received: &Received, name: &str, shown: &str) -> Result<String, Refusal> {
    single(received, name, shown)?
        .ok_or_else(|| Refusal::header_mismatch(format!("the header {shown} is required and was not sent")))
}

/// The value of a header that may be sent once, without the whitespace around it (RFC 9110, 5.5).
pub(super) fn single(received: &Received, name: &str, shown: &str) -> Result<Option<String>, Refusal> {
    if !received.headers.contains_key(name) {
        return Ok(None);
    }
    let value = received.header(name).ok_or_else(|| {
        Refusal::header_mismatch(format!("the header {shown} is sent more than once or is not ASCII text"))
    })?;
    Ok(Some(value.trim_matches([' ', '\t']).to_owned()))
}

/// The text that the value of `Mcp-Name` or `Mcp-Param-*` stands for.
pub(super) fn decoded(shown: &str, value: &str) -> Result<String, Refusal> {
    let Some(encoded) = value.strip_prefix(ENCODED.0).and_then(|rest| rest.strip_suffix(ENCODED.1)) else {
        return Ok(value.to_owned());
    };
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|error| Refusal::header_mismatch(format!("the header {shown} is not Base64: {error}")))?;
    String::from_utf8(bytes)
        .map_err(|_| Refusal::header_mismatch(format!("the header {shown} is Base64 of other than UTF-8 text")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn values_between_the_marks_are_base64_and_others_stand_for_themselves() {
        for (value, text) in [
            ("us-west1", "us-west1"),
            ("=?base64?SGVsbG8sIOS4lueVjA==?=", "Hello, 世界"),
            ("=?base64?IHBhZGRlZCA=?=", " padded "),
            ("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", "=?base64?literal?="),
            ("=?base64??=", ""),
            ("=?base64?SGVsbG8=", "=?base64?SGVsbG8="),
            ("=?BASE64?SGVsbG8=?=", "=?BASE64?SGVsbG8=?="),
            ("=?base64?=", "=?base64?="),
        ] {
            assert_eq!(decoded("Mcp-Name", value).unwrap(), text, "{value}");
        }
        for wrong in ["=?base64?SGVsbG8?=", "=?base64?SGVs!!!bG8=?=", "=?base64?/w==?="] {
            assert_eq!(decoded("Mcp-Name", wrong).unwrap_err().error.code, -32020, "{wrong}");
        }
    }
}
