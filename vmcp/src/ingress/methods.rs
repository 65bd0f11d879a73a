//! The params of methods, as far as the gateway reads them.

use super::revision;
use crate::catalog::{COMPLETE_KEYS, NAMED_KEYS, RESOURCE_KEYS};
use crate::jsonrpc::{Object, ParseError};
use serde_json::value::RawValue;

/// Checks that the params of `method` are an object in which no key that the gateway reads is there twice.
pub(super) fn check(method: &str, params: Option<&RawValue>) -> Result<(), ParseError> {
    let Some(params) = params else { return Ok(()) };
    let params = Object::parse(params, "params", owned_keys(method))?;
    revision::meta(&params).map(drop)
}

/// The keys of the params of `method` that the gateway acts on.
pub(crate) fn owned_keys(method: &str) -> &'static [&'static str] {
    match method {
        "initialize" => &["protocolVersion", "capabilities", "clientInfo", "_meta"],
        "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list" => &["cursor", "_meta"],
        "tools/call" | "prompts/get" => &NAMED_KEYS,
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => &RESOURCE_KEYS,
        "completion/complete" => &COMPLETE_KEYS,
        "subscriptions/listen" => &["notifications", "_meta"],
        "logging/setLevel" => &["level", "_meta"],
        "notifications/cancelled" => &["requestId", "_meta"],
        _ => &["_meta"],
    }
}
