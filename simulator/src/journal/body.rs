//! The body of a request as the journal keeps it: text, which is decoded whenever somebody asks.
//!
//! Most entries are never looked at, and a decoded body takes ten times the room of its text.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// The body of a request. Its JSON form has the text and all that is decoded from it.
#[derive(Clone, Default)]
pub struct RecordedBody {
    text: String,
    form: Form,
}

/// As what the text is read.
#[derive(Clone, Copy, Default)]
enum Form {
    /// As nothing but text.
    #[default]
    Text,
    /// As JSON, if it is.
    Json,
    /// As a form.
    UrlEncoded,
}

/// What the journal shows of a body.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Shown<'a> {
    /// The body as text.
    body: Cow<'a, str>,
    /// The body as JSON; null when it is none.
    message: Option<Value>,
    /// The JSON-RPC parameters.
    params: Option<Value>,
    /// The body as a form; a repeated field is a list.
    form: Option<Map<String, Value>>,
}

impl RecordedBody {
    /// A body of this media type.
    pub(super) fn new(bytes: &[u8], media_type: &str) -> Self {
        let form = if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Form::UrlEncoded
        } else if std::str::from_utf8(bytes).is_ok() {
            Form::Json
        } else {
            Form::Text
        };
        Self { text: String::from_utf8_lossy(bytes).into_owned(), form }
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The body as JSON; `None` when it is none.
    #[must_use]
    pub fn message(&self) -> Option<Value> {
        match self.form {
            Form::Json => serde_json::from_str(&self.text).ok(),
            Form::Text | Form::UrlEncoded => None,
        }
    }

    /// The JSON-RPC parameters.
    #[must_use]
    pub fn params(&self) -> Option<Value> {
        self.message()?.get_mut("params").map(Value::take)
    }

    /// The body as a form; a repeated field is a list.
    #[must_use]
    pub fn form(&self) -> Option<Map<String, Value>> {
        match self.form {
            Form::UrlEncoded => Some(decode_form(self.text.as_bytes())),
            Form::Text | Form::Json => None,
        }
    }

    /// The same body with another text of the same form.
    pub(super) fn with_text(&self, text: String) -> Self {
        Self { text, form: self.form }
    }

    /// Bytes that it holds beside itself.
    pub(super) fn held(&self) -> usize {
        super::weight::text(&self.text)
    }
}

impl Serialize for RecordedBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = self.message();
        let params = message.as_ref().and_then(|message| message.get("params")).cloned();
        Shown { body: Cow::Borrowed(&self.text), message, params, form: self.form() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RecordedBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Shown { body, message, form, .. } = Shown::deserialize(deserializer)?;
        let form = match (message, form) {
            (Some(_), _) => Form::Json,
            (None, Some(_)) => Form::UrlEncoded,
            (None, None) => Form::Text,
        };
        Ok(Self { text: body.into_owned(), form })
    }
}

impl JsonSchema for RecordedBody {
    fn schema_name() -> Cow<'static, str> {
        "RecordedBody".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Shown::json_schema(generator)
    }
}

fn decode_form(body: &[u8]) -> Map<String, Value> {
    let mut form = Map::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        let value = Value::String(value.into_owned());
        match form.get_mut(name.as_ref()) {
            None => {
                form.insert(name.into_owned(), value);
            }
            Some(Value::Array(several)) => several.push(value),
            Some(single) => *single = Value::Array(vec![single.take(), value]),
        }
    }
    form
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_decoded_by_its_media_type_and_stays_so_on_its_way_to_another_journal() {
        let call = r#"{"jsonrpc":"2.0","method":"ping","params":{"a":[1]}}"#;
        for (bytes, media_type, message, params, form) in [
            (call.as_bytes(), "application/json", serde_json::from_str(call).unwrap(), json!({"a": [1]}), json!(null)),
            (b"[1]", "", json!([1]), json!(null), json!(null)),
            (
                b"a=1&b=2&a=3",
                "application/x-www-form-urlencoded",
                json!(null),
                json!(null),
                json!({"a": ["1", "3"], "b": "2"}),
            ),
            (b"{", "application/json", json!(null), json!(null), json!(null)),
            (b"\"\xff\"", "application/json", json!(null), json!(null), json!(null)),
            (b"", "", json!(null), json!(null), json!(null)),
        ] {
            let body = RecordedBody::new(bytes, media_type);
            let expected =
                json!({"body": String::from_utf8_lossy(bytes), "message": message, "params": params, "form": form});
            let shown = serde_json::to_value(&body).unwrap();
            assert_eq!(shown, expected);
            assert_eq!((json!(body.message()), json!(body.params()), json!(body.form())), (message, params, form));
            let arrived: RecordedBody = serde_json::from_value(shown).unwrap();
            assert_eq!(serde_json::to_value(&arrived).unwrap(), expected);
        }
    }
}
