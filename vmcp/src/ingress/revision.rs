//! Protocol revisions: which ones a request may name, and how a request of the stateless era is told.

use crate::jsonrpc::{ErrorObject, Object, ParseError, code};
use crate::stateless::{SPOKEN as STATELESS, meta};
use http::HeaderMap;
use serde_json::json;
use serde_json::value::RawValue;

/// The header in which a client names the revision it speaks.
pub(super) const VERSION_HEADER: &str = "mcp-protocol-version";

/// The keys of `params._meta` that the gateway acts on.
const META_KEYS: [&str; 5] =
    [meta::PROTOCOL_VERSION, meta::CLIENT_CAPABILITIES, meta::CLIENT_INFO, meta::LOG_LEVEL, meta::PROGRESS_TOKEN];

/// Why the version header of a request is not acceptable: the message for the client.
pub(super) fn check_header(headers: &HeaderMap, served: &[&str]) -> Result<(), String> {
    let mut values = headers.get_all(VERSION_HEADER).iter();
    let Some(value) = values.next() else { return Ok(()) };
    if values.next().is_some() {
        return Err("the MCP-Protocol-Version header is sent more than once".to_owned());
    }
    if served.iter().any(|served| value.as_bytes() == served.as_bytes()) {
        return Ok(());
    }
    Err(format!("the MCP-Protocol-Version header must be one of {}", served.join(", ")))
}

/// The `_meta` of params, in which no key that the protocol knows is there twice.
pub(super) fn meta<'a>(params: &'a Object<'_>) -> Result<Option<Object<'a>>, ParseError> {
    params.field("_meta").map(|meta| Object::parse(meta, "params._meta", &META_KEYS)).transpose()
}

/// Whether a request is of the era without sessions.
///
/// The era is told from the version header and the body, never from `Mcp-Method`: there are clients that send that
/// header with `initialize`, too.
pub(super) fn names_stateless(
    headers: &HeaderMap,
    method: &str,
    params: Option<&Object<'_>>,
) -> Result<bool, ParseError> {
    if let Some(meta) = params.map(self::meta).transpose()?.flatten()
        && (meta.string(meta::PROTOCOL_VERSION)?.is_some() || meta.field(meta::CLIENT_CAPABILITIES).is_some())
    {
        return Ok(true);
    }
    let is_new = matches!(method, "server/discover" | "subscriptions/listen");
    Ok(method != "initialize" && (is_new || is_stateless(headers)))
}

/// Whether the header names a revision without sessions.
pub(super) fn is_stateless(headers: &HeaderMap) -> bool {
    let header = headers.get(VERSION_HEADER).and_then(|value| value.to_str().ok());
    header.is_some_and(|version| STATELESS.contains(&version.trim()))
}

/// The revision that a result of `initialize` agrees to.
pub(super) fn agreed(result: &RawValue) -> Option<String> {
    let result = Object::parse(result, "result", &["protocolVersion"]).ok()?;
    result.string("protocolVersion").ok().flatten()
}

/// The refusal of a request without a session that names a revision which is not served so. Its data lists all revisions, those
/// with sessions too, as `server/discover` does.
pub(super) fn unsupported(requested: &str, served: &[&str]) -> ErrorObject {
    let message = if served.contains(&requested) {
        format!("protocol version {requested} is served in sessions alone, begin one with \"initialize\"")
    } else {
        format!("protocol version {requested} is not served, expected one of {}", served.join(", "))
    };
    let data = json!({ "supported": served, "requested": requested });
    ErrorObject::new(code::UNSUPPORTED_PROTOCOL_VERSION, message).with_data(data)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::egress::SPOKEN;

    fn headers(version: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(VERSION_HEADER), version.parse().unwrap())])
    }

    #[test]
    fn the_header_may_be_absent_but_not_wrong() {
        assert!(check_header(&HeaderMap::new(), &SPOKEN).is_ok());
        assert!(check_header(&headers("2025-06-18"), &SPOKEN).is_ok());
        assert!(check_header(&headers("2025-06-19"), &SPOKEN).unwrap_err().contains("2025-11-25"));
    }

    #[test]
    fn the_stateless_era_is_told_from_header_and_body() {
        let era = |headers: &HeaderMap, method: &str, params: &str| {
            let params = RawValue::from_string(params.to_owned()).unwrap();
            let object = Object::parse(&params, "params", &["_meta"]).unwrap();
            names_stateless(headers, method, Some(&object)).unwrap()
        };
        let none = HeaderMap::new();
        assert!(!era(&none, "tools/list", "{}"));
        assert!(!era(&none, "tools/list", r#"{"_meta":{"progressToken":1}}"#));
        assert!(!era(&headers("2025-11-25"), "tools/list", "{}"));
        assert!(!era(&headers("2026-07-28"), "initialize", "{}"));
        let removed = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#;
        assert!(era(&none, "initialize", removed));
        assert!(era(&none, "subscriptions/listen", "{}"));
        assert!(era(&headers("2026-07-28"), "tools/list", "{}"));
        assert!(era(&none, "server/discover", "{}"));
        let meta = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2027-01-01"}}"#;
        assert!(era(&none, "tools/call", meta));
        let meta = r#"{"_meta":{"io.modelcontextprotocol/clientCapabilities":{}}}"#;
        assert!(era(&none, "tools/call", meta));
    }
}
