//! Whether the headers of a request without a session say what its body does (2026-07-28, streamable HTTP, server
//! validation).

use super::revision::VERSION_HEADER;
use crate::jsonrpc::{ErrorObject, Object, code};
use crate::stateless::header::{self, METHOD, NAME, named_by};
use http::{HeaderMap, HeaderName};

/// The revision that the header names.
pub(super) fn version(headers: &HeaderMap) -> Result<String, ErrorObject> {
    required(headers, &HeaderName::from_static(VERSION_HEADER), "MCP-Protocol-Version")
}

/// Checks that the header names the revision that the body does.
pub(super) fn check_version(header: &str, body: &str) -> Result<(), ErrorObject> {
    check_same("MCP-Protocol-Version", header, body)
}

/// Checks `Mcp-Method`, and `Mcp-Name` where the method has one.
pub(super) fn check(headers: &HeaderMap, method: &str, params: &Object<'_>) -> Result<(), ErrorObject> {
    check_same("Mcp-Method", &required(headers, &METHOD, "Mcp-Method")?, method)?;
    let Some(member) = named_by(method) else { return Ok(()) };
    // Without a name there is nothing to repeat: the method itself refuses that.
    let Ok(Some(name)) = params.string(member) else { return Ok(()) };
    let value = single(headers, &NAME, "Mcp-Name")?.ok_or_else(|| missing("Mcp-Name"))?;
    let value =
        header::decode(value).map_err(|error| mismatch(format!("the Mcp-Name header is malformed: {error}")))?;
    check_same("Mcp-Name", &value, &name)
}

/// The one value of a header; none without it.
pub(crate) fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    shown: &str,
) -> Result<Option<&'a http::HeaderValue>, ErrorObject> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(mismatch(format!("the {shown} header is sent more than once"))),
    }
}

/// The error for headers that do not say what the body does.
pub(crate) fn mismatch(message: impl Into<String>) -> ErrorObject {
    ErrorObject::new(code::HEADER_MISMATCH, message)
}

fn required(headers: &HeaderMap, name: &HeaderName, shown: &str) -> Result<String, ErrorObject> {
    let value = single(headers, name, shown)?.ok_or_else(|| missing(shown))?;
    let text = value.to_str().map_err(|_| mismatch(format!("the {shown} header is not ASCII text")))?;
    Ok(text.trim_matches([' ', '\t']).to_owned())
}

fn missing(shown: &str) -> ErrorObject {
    mismatch(format!("the request needs the {shown} header"))
}

fn check_same(shown: &str, header: &str, body: &str) -> Result<(), ErrorObject> {
    if header == body {
        return Ok(());
    }
    Err(mismatch(format!("the {shown} header says {header:?}, but the body says {body:?}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn judged(pairs: &[(&str, &str)], method: &str, params: &serde_json::Value) -> Result<(), i64> {
        let params = crate::jsonrpc::raw(params);
        let params = Object::parse(&params, "params", &["name", "uri", "taskId"]).unwrap();
        check(&headers(pairs), method, &params).map_err(|error| error.code)
    }

    #[test]
    fn headers_repeat_method_and_name() {
        let (none, tool, resource) = (json!({}), json!({"name": "ü"}), json!({"uri": "x:y"}));
        let task = json!({"taskId": "t"});
        let call = ("mcp-method", "tools/call");
        for (pairs, method, params, fine) in [
            (vec![("mcp-method", "tools/list")], "tools/list", &none, true),
            (vec![("MCP-METHOD", " tools/list\t")], "tools/list", &none, true),
            (vec![], "tools/list", &none, false),
            (vec![("mcp-method", "tools/List")], "tools/list", &none, false),
            (vec![("mcp-method", "tools/list"), ("mcp-method", "tools/list")], "tools/list", &none, false),
            (vec![call, ("mcp-name", "=?base64?w7w=?=")], "tools/call", &tool, true),
            (vec![call, ("mcp-name", "=?base64?w7w?=")], "tools/call", &tool, false),
            (vec![call, ("mcp-name", "u")], "tools/call", &tool, false),
            (vec![call, ("mcp-name", "=?base64?w7w=?="), ("mcp-name", "u")], "tools/call", &tool, false),
            (vec![call], "tools/call", &tool, false),
            (vec![call], "tools/call", &none, true),
            (vec![("mcp-method", "resources/read"), ("mcp-name", "x:y")], "resources/read", &resource, true),
            (vec![("mcp-method", "resources/read"), ("mcp-name", "X:y")], "resources/read", &resource, false),
            (vec![("mcp-method", "tasks/get"), ("mcp-name", "t")], "tasks/get", &task, true),
            (vec![("mcp-method", "tasks/cancel"), ("mcp-name", "u")], "tasks/cancel", &task, false),
            (vec![("mcp-method", "tasks/update")], "tasks/update", &task, false),
            // Other methods have no name.
            (vec![("mcp-method", "completion/complete"), ("mcp-name", "z")], "completion/complete", &none, true),
        ] {
            let expected = if fine { Ok(()) } else { Err(code::HEADER_MISMATCH) };
            assert_eq!(judged(&pairs, method, params), expected, "{pairs:?} {method}");
        }
    }

    #[test]
    fn the_revision_is_named_once() {
        assert_eq!(version(&headers(&[("mcp-protocol-version", " 2026-07-28 ")])).unwrap(), "2026-07-28");
        for pairs in [vec![], vec![("mcp-protocol-version", "a"), ("mcp-protocol-version", "a")]] {
            assert_eq!(version(&headers(&pairs)).unwrap_err().code, code::HEADER_MISMATCH);
        }
        assert!(check_version("a", "b").is_err());
    }

    proptest! {
        #[test]
        fn the_header_that_an_encoder_writes_is_taken_and_no_other(name in ".{1,20}", other in ".{0,20}") {
            let params = crate::jsonrpc::raw(&json!({ "name": name }));
            let params = Object::parse(&params, "params", &["name"]).unwrap();
            let sent = |text: &str| {
                let mut headers = headers(&[("mcp-method", "prompts/get")]);
                headers.insert(NAME, header::encode(text));
                headers
            };
            prop_assert!(check(&sent(&name), "prompts/get", &params).is_ok());
            if other != name {
                prop_assert!(check(&sent(&other), "prompts/get", &params).is_err());
            }
        }
    }
}
