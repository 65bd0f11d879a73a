//! Which requests the modern wire answers.

use http::Method;
use serde_json::Value;

use super::headers::PROTOCOL_VERSION_HEADER;
use super::metadata::{CLIENT_CAPABILITIES, PROTOCOL_VERSION};
use crate::wire::Received;
use crate::world::{ProtocolVersion, Server};

/// Whether the modern wire answers the request: all of a modern server's, and of a dual one those that say so.
///
/// The revision that `_meta` names decides, and else the one in `MCP-Protocol-Version`. `Mcp-Method` and `Mcp-Name` tell nothing:
/// legacy clients send them too.
pub(in crate::mcp) fn is_meant(server: &Server, received: &Received) -> bool {
    if !server.is_modern() {
        return false;
    }
    server.legacy_versions().is_empty() || (received.method == Method::POST && says_so(received))
}

fn says_so(received: &Received) -> bool {
    let message: Value = serde_json::from_slice(&received.body).unwrap_or(Value::Null);
    let metadata = &message["params"]["_meta"];
    let stated = match &metadata[PROTOCOL_VERSION] {
        Value::String(version) => Some(version.as_str()),
        _ => received.header(PROTOCOL_VERSION_HEADER),
    };
    match stated.map(ProtocolVersion::parse) {
        Some(Some(version)) => version.is_modern(),
        // A revision that nobody knows, or none: only modern requests describe themselves.
        _ => [PROTOCOL_VERSION, CLIENT_CAPABILITIES].iter().any(|key| !metadata[*key].is_null()),
    }
}
