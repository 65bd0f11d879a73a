//! The params of methods, as far as the gateway reads them.

use crate::catalog::{COMPLETE_KEYS, NAMED_KEYS, RESOURCE_KEYS};

/// The keys of the params of `method` that the gateway acts on.
pub(crate) fn owned_keys(method: &str) -> &'static [&'static str] {
    match method {
        "initialize" => &["protocolVersion", "capabilities", "clientInfo", "_meta"],
        "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list" => &["cursor", "_meta"],
        "tools/call" | "prompts/get" => &NAMED_KEYS,
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => &RESOURCE_KEYS,
        "completion/complete" => &COMPLETE_KEYS,
        "logging/setLevel" => &["level", "_meta"],
        "notifications/cancelled" => &["requestId", "_meta"],
        _ => &["_meta"],
    }
}
