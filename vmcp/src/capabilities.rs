//! What a client declared that it can be asked, in `initialize` or with each request.

use crate::egress::Question;
use crate::jsonrpc::{ErrorObject, Object, code, raw};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;

/// The capabilities that backends may use.
const PASSED_ON: [&str; 3] = ["roots", "sampling", "elicitation"];

/// The capabilities of one client.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol declares each capability by itself")]
pub(crate) struct Capabilities {
    passed_on: Arc<RawValue>,
    roots: bool,
    sampling: bool,
    form: bool,
    url: bool,
}

impl Capabilities {
    /// Reads the params of `initialize`.
    pub(crate) fn read(params: &Object<'_>) -> Result<Self, ErrorObject> {
        let none = raw(&Object::empty("params.capabilities"));
        Self::declared(params.field("capabilities").unwrap_or(&none))
    }

    /// Reads what a client declares.
    pub(crate) fn declared(declared: &RawValue) -> Result<Self, ErrorObject> {
        let malformed = |error| ErrorObject::from(&error);
        let declared = Object::parse(declared, "params.capabilities", &PASSED_ON).map_err(malformed)?;
        let elicitation = declared
            .field("elicitation")
            .map(|elicitation| Object::parse(elicitation, "params.capabilities.elicitation", &["form", "url"]))
            .transpose()
            .map_err(malformed)?;
        let has = |mode: &str| elicitation.as_ref().is_some_and(|modes| modes.field(mode).is_some());
        let mut passed_on = Object::empty("capabilities");
        for key in PASSED_ON {
            if let Some(value) = declared.field(key) {
                passed_on = passed_on.with(key, value.to_owned());
            }
        }
        Ok(Self {
            passed_on: Arc::from(passed_on.to_raw()),
            roots: declared.field("roots").is_some(),
            sampling: declared.field("sampling").is_some(),
            // Before there were modes, and where none is named, forms are meant.
            form: has("form") || (elicitation.is_some() && !has("url")),
            url: has("url"),
        })
    }

    /// What backends are told.
    pub(crate) fn passed_on(&self) -> Arc<RawValue> {
        Arc::clone(&self.passed_on)
    }

    /// Whether the client can be asked this, or the error that answers in its place.
    pub(crate) fn check(&self, question: &Question) -> Result<(), ErrorObject> {
        let (offered, what, code) = match question.method.as_str() {
            "roots/list" => (self.roots, "roots", code::METHOD_NOT_FOUND),
            "sampling/createMessage" => (self.sampling, "sampling", code::METHOD_NOT_FOUND),
            "elicitation/create" if !self.form && !self.url => (false, "elicitation", code::METHOD_NOT_FOUND),
            "elicitation/create" if is_by_url(question)? => (self.url, "elicitation by URL", code::INVALID_PARAMS),
            "elicitation/create" => (self.form, "elicitation by form", code::INVALID_PARAMS),
            other => {
                let message = format!("the gateway does not pass the request {other:?} on to clients");
                return Err(ErrorObject::new(code::METHOD_NOT_FOUND, message));
            }
        };
        if offered { Ok(()) } else { Err(ErrorObject::new(code, format!("the client does not offer {what}"))) }
    }
}

/// The capabilities that a client must declare to be asked this, as it would declare them.
pub(crate) fn required_by(question: &Question) -> Value {
    match question.method.as_str() {
        "roots/list" => json!({ "roots": {} }),
        "sampling/createMessage" => json!({ "sampling": {} }),
        _ if is_by_url(question).unwrap_or_default() => json!({ "elicitation": { "url": {} } }),
        _ => json!({ "elicitation": {} }),
    }
}

/// Whether a request is one that clients can be asked at all.
pub(crate) fn is_question(method: &str) -> bool {
    matches!(method, "roots/list" | "sampling/createMessage" | "elicitation/create")
}

fn is_by_url(question: &Question) -> Result<bool, ErrorObject> {
    let Some(params) = &question.params else { return Ok(false) };
    let mode = Object::parse(params, "params", &["mode"]).and_then(|params| params.string("mode"));
    Ok(mode.map_err(|error| ErrorObject::from(&error))?.as_deref() == Some("url"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn read(params: &str) -> Result<Capabilities, ErrorObject> {
        let params = RawValue::from_string(params.to_owned()).unwrap();
        Capabilities::read(&Object::parse(&params, "params", &["capabilities"]).unwrap())
    }

    fn check(capabilities: &Value, method: &str, params: &Value) -> Result<(), i64> {
        let capabilities = read(&json!({ "capabilities": capabilities }).to_string()).unwrap();
        let question = Question { method: method.to_owned(), params: Some(raw(params)) };
        capabilities.check(&question).map_err(|error| error.code)
    }

    #[test]
    fn backends_are_told_what_they_may_use_and_nothing_else() {
        let told = |params: &str| read(params).unwrap().passed_on().get().to_owned();
        let declared =
            r#"{"capabilities":{"experimental":{},"sampling":{"tools":{"x": 1.0}},"roots":{"listChanged":true}}}"#;
        assert_eq!(told(declared), r#"{"roots":{"listChanged":true},"sampling":{"tools":{"x": 1.0}}}"#);
        assert_eq!(told("{}"), "{}");
    }

    #[test]
    fn a_client_is_asked_what_it_offers() {
        let (form, url) = (json!({"message": "?"}), json!({"mode": "url", "url": "https://x.example"}));
        for (capabilities, method, params, expected) in [
            (json!({}), "roots/list", &form, Err(-32601)),
            (json!({"roots": {}}), "roots/list", &form, Ok(())),
            (json!({}), "sampling/createMessage", &form, Err(-32601)),
            (json!({"sampling": {}}), "sampling/createMessage", &form, Ok(())),
            (json!({}), "elicitation/create", &form, Err(-32601)),
            (json!({"elicitation": {}}), "elicitation/create", &form, Ok(())),
            (json!({"elicitation": {}}), "elicitation/create", &url, Err(-32602)),
            (json!({"elicitation": {"url": {}}}), "elicitation/create", &form, Err(-32602)),
            (json!({"elicitation": {"url": {}, "form": {}}}), "elicitation/create", &url, Ok(())),
            (json!({"roots": {}}), "other/method", &form, Err(-32601)),
        ] {
            assert_eq!(check(&capabilities, method, params), expected, "{capabilities} {method} {params}");
        }
    }

    #[test]
    fn no_capability_is_taken_twice() {
        for params in [
            r#"{"capabilities":{"roots":{},"roots":{}}}"#,
            r#"{"capabilities":{"roots":{},"Roots":{}}}"#,
            r#"{"capabilities":{"elicitation":{"url":{},"URL":{}}}}"#,
            r#"{"capabilities":[]}"#,
        ] {
            assert_eq!(read(params).unwrap_err().code, code::INVALID_PARAMS, "{params}");
        }
    }
}
