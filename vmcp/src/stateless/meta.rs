//! The keys of `_meta` that the protocol gives a meaning to (2026-07-28, base protocol, `_meta`), and what a request says
//! of itself by them.

use crate::catalog::Level;
use crate::jsonrpc::{ErrorObject, Id, Object, ParseError, code, raw};
use serde_json::value::RawValue;
use std::sync::Arc;

/// The revision that a request speaks.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client of a request can be asked.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// What the client calls itself.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// The lowest level of log messages that the client wants to hear during a request.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// What the server of a result calls itself.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// The id of the request that opened the stream on which a message comes.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// Whether the server of a `server/discover` result keeps sessions, and what answers bridges that: whoever can speak with it in a
/// session has more of it. It is this program's own.
pub const KEEPS_SESSIONS: &str = "vmcp/keeps-sessions";
/// What the client calls the progress of a request.
pub const PROGRESS_TOKEN: &str = "progressToken";

/// The keys that say something of the one request.
pub const OF_REQUEST: [&str; 4] = [PROTOCOL_VERSION, CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL];

/// What a request says of itself, beside the revision.
#[derive(Debug, Clone)]
pub struct RequestMeta {
    /// What the client can be asked.
    pub capabilities: Arc<RawValue>,
    /// What the client calls itself.
    pub client_info: Option<Arc<RawValue>>,
    /// The lowest level of log messages that the client wants; none without.
    pub log_level: Option<Level>,
    /// What the client calls the progress of the request, if it wants to hear of it.
    pub progress_token: Option<Id>,
}

impl RequestMeta {
    /// Reads the revision and the rest from the `_meta` of a request. The error is that of params that are not valid.
    pub fn read(meta: Option<&Object<'_>>) -> Result<(String, Self), ErrorObject> {
        let missing = |what: &str| ErrorObject::new(code::INVALID_PARAMS, format!("every request needs {what}"));
        let malformed = |error| ErrorObject::from(&error);
        let meta = meta.ok_or_else(|| missing("an object params._meta"))?;
        let version = meta.string(PROTOCOL_VERSION).map_err(malformed)?;
        let version = version.ok_or_else(|| missing(&format!("the revision as params._meta[{PROTOCOL_VERSION:?}]")))?;
        let object = |key: &str| match meta.field(key) {
            Some(value) if !value.get().starts_with('{') => {
                Err(ErrorObject::new(code::INVALID_PARAMS, format!("params._meta[{key:?}] must be an object")))
            }
            value => Ok(value.map(|value| Arc::from(value.to_owned()))),
        };
        let capabilities =
            object(CLIENT_CAPABILITIES)?.ok_or_else(|| missing(&format!("params._meta[{CLIENT_CAPABILITIES:?}]")))?;
        let log_level = meta.typed(LOG_LEVEL, Level::EXPECTED).map_err(malformed)?;
        let progress_token = meta.field(PROGRESS_TOKEN).map(Id::parse).transpose().map_err(|_| {
            ErrorObject::new(code::INVALID_PARAMS, "params._meta.progressToken must be a string or an integer")
        })?;
        Ok((version, Self { capabilities, client_info: object(CLIENT_INFO)?, log_level, progress_token }))
    }
}

/// The params or the result of a message with the name of the stream that it comes on: the `id` of the request that opened it.
pub fn of_subscription<'a>(members: Object<'a>, id: &Id) -> Result<Object<'a>, ParseError> {
    let none = raw(&Object::empty("_meta"));
    let meta = members.field("_meta").unwrap_or(&none).to_owned();
    let meta = Object::parse(&meta, "_meta", &[SUBSCRIPTION_ID])?.with(SUBSCRIPTION_ID, id.raw().to_owned()).to_raw();
    Ok(members.with("_meta", meta))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(meta: &str) -> Result<(String, RequestMeta), ErrorObject> {
        let meta = RawValue::from_string(meta.to_owned()).unwrap();
        RequestMeta::read(Some(&Object::parse(&meta, "params._meta", &OF_REQUEST).unwrap()))
    }

    #[test]
    fn revision_and_capabilities_are_required_and_everything_has_its_type() {
        let both =
            r#""io.modelcontextprotocol/protocolVersion":"x","io.modelcontextprotocol/clientCapabilities":{"a":1.0}"#;
        let (version, meta) = read(&format!("{{{both}}}")).unwrap();
        assert_eq!((version.as_str(), meta.capabilities.get()), ("x", r#"{"a":1.0}"#));
        assert!(meta.client_info.is_none() && meta.log_level.is_none() && meta.progress_token.is_none());
        let level = r#""io.modelcontextprotocol/logLevel":"warning","progressToken":"t""#;
        let (_, meta) = read(&format!("{{{both},{level}}}")).unwrap();
        assert_eq!((meta.log_level, meta.progress_token.unwrap().raw().get()), (Some(Level::Warning), r#""t""#));
        for wrong in [
            "{}".to_owned(),
            r#"{"io.modelcontextprotocol/protocolVersion":"x"}"#.to_owned(),
            r#"{"io.modelcontextprotocol/clientCapabilities":{}}"#.to_owned(),
            both.replace("\"x\"", "1"),
            both.replace(r#"{"a":1.0}"#, "[]"),
            format!(r#"{both},"io.modelcontextprotocol/clientInfo":"me""#),
            format!(r#"{both},"io.modelcontextprotocol/logLevel":"loud""#),
            format!(r#"{both},"progressToken":1.5"#),
        ] {
            let wrong = if wrong.starts_with('{') { wrong } else { format!("{{{wrong}}}") };
            assert_eq!(read(&wrong).unwrap_err().code, code::INVALID_PARAMS, "{wrong}");
        }
        assert_eq!(RequestMeta::read(None).unwrap_err().code, code::INVALID_PARAMS);
    }
}
