//! What every result of the modern wire says besides the method's own answer.

use serde_json::{Map, Value, json};

use crate::mcp::content::server_info;
use crate::world::Server;

/// Key of the server's name and version.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// The complete `result` of `method`. What the world scripted stays as it is.
pub(super) fn complete(server: &Server, method: &str, result: Value) -> Value {
    let Value::Object(mut result) = result else { return result };
    result.entry("resultType").or_insert_with(|| json!("complete"));
    if is_cacheable(method) {
        let ttl = u64::try_from(server.cache.ttl.as_millis()).unwrap_or(u64::MAX);
        result.entry("ttlMs").or_insert_with(|| json!(ttl));
        result.entry("cacheScope").or_insert_with(|| json!(server.cache.scope));
    }
    identified(server, result)
}

/// The result that asks the client for inputs.
pub(super) fn input_required(server: &Server, input_requests: Value, request_state: String) -> Value {
    let members = [
        ("resultType", json!("input_required")),
        ("inputRequests", input_requests),
        ("requestState", request_state.into()),
    ];
    identified(server, members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// `result` with the server's name and version in its `_meta`.
fn identified(server: &Server, mut result: Map<String, Value>) -> Value {
    if let Value::Object(metadata) = result.entry("_meta").or_insert_with(|| json!({})) {
        metadata.entry(SERVER_INFO).or_insert_with(|| server_info(server));
    }
    Value::Object(result)
}

/// Whether results of the method carry caching hints (2026-07-28, caching).
fn is_cacheable(method: &str) -> bool {
    matches!(
        method,
        "server/discover"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
    )
}
