//! URLs that a user has to open before a request can be answered. A backend with sessions says so by an error (2025-11-25,
//! elicitation, URL elicitation required), one without by the result that asks for inputs: the one is the other here. There is nothing
//! to carry to the next round, which sends the request as it was.

use crate::jsonrpc::{Object, raw};
use crate::stateless::errors::{URL_ELICITATION_REQUIRED, code_of};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The result that asks for what such an error asks for; nothing for any other error.
pub(super) fn asking(error: &RawValue) -> Option<Box<RawValue>> {
    if code_of(error) != URL_ELICITATION_REQUIRED {
        return None;
    }
    let error = Object::parse(error, "error", &["code", "data"]).ok()?;
    let data = Object::parse(error.borrowed("data")?, "error.data", &["elicitations"]).ok()?;
    let elicitations: Vec<&RawValue> = serde_json::from_str(data.borrowed("elicitations")?.get()).ok()?;
    let requests: Option<BTreeMap<_, _>> = elicitations.into_iter().map(request).collect();
    let requests = requests.filter(|requests| !requests.is_empty())?;
    Some(raw(&json!({ "resultType": "input_required", "inputRequests": requests })))
}

/// One of the URLs as a request to the client, under the id that it has. Revisions without sessions have no other place for it.
fn request(elicitation: &RawValue) -> Option<(String, serde_json::Value)> {
    let params = Object::parse(elicitation, "elicitation", &["mode", "elicitationId", "url", "message"]).ok()?;
    if params.string("mode").ok()?? != "url" {
        return None;
    }
    let id = params.string("elicitationId").ok()??;
    Some((id, json!({ "method": "elicitation/create", "params": params.without("elicitationId") })))
}

/// Whether somebody has not agreed to what was asked.
pub(super) fn is_refusal(responses: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Response {
        action: String,
    }
    let responses: Result<BTreeMap<String, Response>, _> = serde_json::from_str(responses.get());
    responses.is_ok_and(|responses| responses.values().any(|response| response.action != "accept"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::Value;

    #[test]
    fn an_error_that_wants_urls_opened_asks_for_them() {
        let url =
            json!({"mode": "url", "elicitationId": "e1", "url": "https://x.example/connect", "message": "Connect."});
        let error = json!({"code": -32042, "message": "first", "data": {"elicitations": [url]}});
        let asked: Value = serde_json::from_str(asking(&raw(&error)).unwrap().get()).unwrap();
        let params = json!({"mode": "url", "url": "https://x.example/connect", "message": "Connect."});
        let requests = json!({"e1": {"method": "elicitation/create", "params": params}});
        assert_eq!(asked, json!({"resultType": "input_required", "inputRequests": requests}));
        for other in [
            json!({"code": -32041, "message": "first", "data": {"elicitations": [url]}}),
            json!({"code": -32042, "message": "first"}),
            json!({"code": -32042, "message": "first", "data": {"elicitations": []}}),
            json!({"code": -32042, "message": "first", "data": {"elicitations": [{"mode": "form", "elicitationId": "e"}]}}),
            json!({"code": -32042, "message": "first", "data": {"elicitations": [{"mode": "url"}]}}),
        ] {
            assert!(asking(&raw(&other)).is_none(), "{other}");
        }
    }

    #[test]
    fn whoever_does_not_accept_refuses() {
        for (responses, expected) in [
            (json!({"a": {"action": "accept"}}), false),
            (json!({"a": {"action": "accept"}, "b": {"action": "decline"}}), true),
            (json!({"a": {"action": "cancel"}}), true),
            (json!({}), false),
            (json!([]), false),
        ] {
            assert_eq!(is_refusal(&raw(&responses)), expected, "{responses}");
        }
    }
}
