//! The methods that are served, and their params.

use super::revision;
use crate::catalog::CALL_KEYS;
use crate::jsonrpc::{ErrorObject, Object, code, raw};
use serde_json::json;
use serde_json::value::RawValue;

/// A request within a session.
#[derive(Debug)]
pub(super) enum Method {
    /// `ping`.
    Ping,
    /// `tools/list`; lists have one page, so there is no cursor to continue from.
    ListTools,
    /// `tools/call`.
    CallTool,
}

/// The keys of the params of `method` that the gateway acts on.
pub(super) fn owned_keys(method: &str) -> &'static [&'static str] {
    match method {
        "initialize" => &["protocolVersion", "capabilities", "clientInfo", "_meta"],
        "tools/list" => &["cursor", "_meta"],
        "tools/call" => &CALL_KEYS,
        "notifications/cancelled" => &["requestId", "_meta"],
        _ => &["_meta"],
    }
}

impl Method {
    /// What a request within a session asks for, or the error that answers it.
    pub(super) fn parse(method: &str, params: &Object<'_>) -> Result<Self, ErrorObject> {
        match method {
            "ping" => Ok(Self::Ping),
            "tools/list" => {
                let cursor = params.typed::<Option<String>>("cursor", "a string").map(Option::flatten);
                if cursor.map_err(|error| ErrorObject::from(&error))?.is_some() {
                    let message = "params.cursor is not one of this server: its list has one page";
                    return Err(ErrorObject::new(code::INVALID_PARAMS, message));
                }
                Ok(Self::ListTools)
            }
            "tools/call" => Ok(Self::CallTool),
            other => {
                let message = format!("the method {other:?} is not served");
                Err(ErrorObject::new(code::METHOD_NOT_FOUND, message))
            }
        }
    }
}

/// The result of `initialize`.
pub(super) fn initialize(name: &str, params: &Object<'_>) -> Result<Box<RawValue>, ErrorObject> {
    let requested = params.string("protocolVersion").map_err(|error| ErrorObject::from(&error))?.ok_or_else(|| {
        ErrorObject::new(code::INVALID_PARAMS, "params.protocolVersion must name the revision that the client speaks")
    })?;
    Ok(raw(&json!({
        "protocolVersion": revision::negotiate(&requested),
        "capabilities": { "tools": { "listChanged": true } },
        "serverInfo": { "name": name, "version": env!("CARGO_PKG_VERSION") },
    })))
}
