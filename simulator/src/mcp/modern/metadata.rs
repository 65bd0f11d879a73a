//! What a request says about itself in `_meta`.

use serde_json::{Map, Value};

use super::refusal::Refusal;

/// Key of the revision that the request speaks.
pub(super) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Key of the capabilities that the client offers for the request.
pub(super) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Key of the client's name and version.
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";

/// The `_meta` of a request, complete and of the right form.
#[derive(Debug, PartialEq)]
pub(super) struct RequestMetadata {
    /// The revision, as the client wrote it.
    pub(super) version: String,
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
        if !metadata.get(CLIENT_CAPABILITIES).is_some_and(Value::is_object) {
            return Err(missing(&format!("an object `{CLIENT_CAPABILITIES}` in `_meta`")));
        }
        if let Some(client) = metadata.get(CLIENT_INFO)
            && !["name", "version"].iter().all(|key| client[*key].is_string())
        {
            let reason = format!("`{CLIENT_INFO}` in `_meta` needs `name` and `version` as text, or may be left out");
            return Err(Refusal::invalid_metadata(reason));
        }
        Ok(Self { version: version.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    fn read(metadata: &Value) -> Result<RequestMetadata, Refusal> {
        RequestMetadata::read(json!({ "_meta": metadata }).as_object().unwrap())
    }

    #[test]
    fn revision_and_capabilities_are_required_and_the_client_may_stay_unnamed() {
        let version = "io.modelcontextprotocol/protocolVersion";
        let capabilities = "io.modelcontextprotocol/clientCapabilities";
        let client = "io.modelcontextprotocol/clientInfo";
        assert_eq!(read(&json!({version: "2026-07-28", capabilities: {}})).unwrap().version, "2026-07-28");
        assert!(read(&json!({version: "x", capabilities: {}, client: {"name": "a", "version": "1"}})).is_ok());
        for wrong in [
            json!(null),
            json!({}),
            json!({version: "2026-07-28"}),
            json!({capabilities: {}}),
            json!({version: 20_260_728, capabilities: {}}),
            json!({version: "2026-07-28", capabilities: []}),
            json!({version: "2026-07-28", capabilities: {}, client: {"name": "a"}}),
        ] {
            assert_eq!(read(&wrong).unwrap_err().error.code, -32602, "{wrong}");
        }
    }
}
