//! What a request says about itself in `_meta`.

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::refusal::Refusal;
use crate::world::LogLevel;

/// Key of the revision that the request speaks.
pub(super) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Key of the capabilities that the client offers for the request.
pub(super) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Key of the client's name and version.
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// Key of the least level of log messages that the client wants.
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Key of what names the request in notifications of progress.
const PROGRESS_TOKEN: &str = "progressToken";

/// The `_meta` of a request, complete and of the right form.
#[derive(Debug, PartialEq)]
pub(super) struct RequestMetadata {
    /// The revision, as the client wrote it.
    pub(super) version: String,
    /// What the client can be asked.
    pub(super) capabilities: Map<String, Value>,
    /// `None`: the client wants no log messages.
    log_level: Option<LogLevel>,
    /// `None`: the client wants no notifications of progress.
    pub(super) progress_token: Option<Value>,
}

impl RequestMetadata {
    /// Reads the metadata of a request with these parameters.
    pub(super) fn read(params: &Map<String, Value>) -> Result<Self, Refusal> {
        let missing = |what: &str| Refusal::invalid_metadata(format!("every request needs {what}"));
        let metadata = params.get("_meta").and_then(Value::as_object).ok_or_else(|| missing("an object `_meta`"))?;
        let version = metadata
            .get(PROTOCOL_VERSION)
            .and_then(Value::as_str)
            .ok_or_else(|| missing(&format!("the revision as text `{PROTOCOL_VERSION}` in `_meta`")))?;
        let capabilities = metadata
            .get(CLIENT_CAPABILITIES)
            .and_then(Value::as_object)
            .ok_or_else(|| missing(&format!("an object `{CLIENT_CAPABILITIES}` in `_meta`")))?;
        if let Some(client) = metadata.get(CLIENT_INFO)
            && !["name", "version"].iter().all(|key| client[*key].is_string())
        {
            let reason = format!("`{CLIENT_INFO}` in `_meta` needs `name` and `version` as text, or may be left out");
            return Err(Refusal::invalid_metadata(reason));
        }
        let log_level = metadata.get(LOG_LEVEL).map(LogLevel::deserialize).transpose();
        let log_level = log_level
            .map_err(|_| Refusal::invalid_metadata(format!("`{LOG_LEVEL}` in `_meta` is not a level of RFC 5424")))?;
        let progress_token = metadata.get(PROGRESS_TOKEN).cloned();
        if progress_token.as_ref().is_some_and(|token| !(token.is_string() || token.is_i64() || token.is_u64())) {
            let reason = format!("`{PROGRESS_TOKEN}` in `_meta` is neither a string nor an integer");
            return Err(Refusal::invalid_metadata(reason));
        }
        Ok(Self { version: version.to_owned(), capabilities: capabilities.clone(), log_level, progress_token })
    }

    /// Whether the client wants log messages of this level for the request.
    pub(super) fn wants(&self, level: LogLevel) -> bool {
        self.log_level.is_some_and(|least| level >= least)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

    fn read(metadata: &Value) -> Result<RequestMetadata, Refusal> {
        RequestMetadata::read(json!({ "_meta": metadata }).as_object().unwrap())
    }

    #[test]
    fn revision_and_capabilities_are_required_and_the_client_may_stay_unnamed() {
        let client = "io.modelcontextprotocol/clientInfo";
        assert_eq!(read(&json!({VERSION: "2026-07-28", CAPABILITIES: {}})).unwrap().version, "2026-07-28");
        assert!(read(&json!({VERSION: "x", CAPABILITIES: {}, client: {"name": "a", "version": "1"}})).is_ok());
        for wrong in [
            json!(null),
            json!({}),
            json!({VERSION: "2026-07-28"}),
            json!({CAPABILITIES: {}}),
            json!({VERSION: 20_260_728, CAPABILITIES: {}}),
            json!({VERSION: "2026-07-28", CAPABILITIES: []}),
            json!({VERSION: "2026-07-28", CAPABILITIES: {}, client: {"name": "a"}}),
            json!({VERSION: "2026-07-28", CAPABILITIES: {}, "io.modelcontextprotocol/logLevel": "loud"}),
            json!({VERSION: "2026-07-28", CAPABILITIES: {}, "progressToken": 1.5}),
        ] {
            assert_eq!(read(&wrong).unwrap_err().error.code, -32602, "{wrong}");
        }
    }

    #[test]
    fn log_messages_are_wanted_from_the_level_on_that_is_named() {
        let silent = read(&json!({VERSION: "2026-07-28", CAPABILITIES: {}})).unwrap();
        assert!(!silent.wants(LogLevel::Emergency));
        let level = "io.modelcontextprotocol/logLevel";
        let metadata = read(&json!({VERSION: "2026-07-28", CAPABILITIES: {}, level: "warning"})).unwrap();
        assert!(
            metadata.wants(LogLevel::Warning) && metadata.wants(LogLevel::Alert) && !metadata.wants(LogLevel::Info)
        );
    }
}
