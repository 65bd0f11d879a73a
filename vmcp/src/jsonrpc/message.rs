//! The envelope: which kind of message it is, its id, its method, and raw JSON for the rest.

use super::limits::check_depth;
use super::{Object, ParseError, code, raw};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// How error messages call the envelope.
pub(super) const ENVELOPE: &str = "the message";

const OWNED: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// One JSON-RPC 2.0 message.
#[derive(Debug, Clone)]
pub enum Message<'a> {
    /// A call that wants an answer.
    Request(Request<'a>),
    /// A call that wants none.
    Notification(Notification<'a>),
    /// An answer.
    Response(Response<'a>),
}

/// A call that wants an answer.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The sender's id, echoed byte for byte.
    pub id: Id,
    /// The method, e.g. `tools/call`.
    pub method: Cow<'a, str>,
    /// The params: an object, as MCP has no positional ones.
    pub params: Option<&'a RawValue>,
}

/// A call that wants no answer.
#[derive(Debug, Clone)]
pub struct Notification<'a> {
    /// The method, e.g. `notifications/initialized`.
    pub method: Cow<'a, str>,
    /// The params.
    pub params: Option<&'a RawValue>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response<'a> {
    /// The id of the request; an error about an unreadable request has none.
    pub id: Option<Id>,
    /// What came of it.
    pub outcome: Outcome<'a>,
}

/// What came of a request.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// The `result` member.
    Result(&'a RawValue),
    /// The `error` member.
    Error(&'a RawValue),
}

impl<'a> Message<'a> {
    /// Reads one message from a whole HTTP body or SSE event.
    pub fn parse(text: &'a [u8]) -> Result<Self, ParseError> {
        check_depth(text)?;
        let text = std::str::from_utf8(text).map_err(|_| ParseError::NotJson)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let object = Object::parse_text(text, ENVELOPE, &OWNED).map_err(|error| match error {
            ParseError::NotAnObject(_) => not_an_object(text),
            other => other,
        })?;
        if object.string("jsonrpc")?.as_deref() != Some("2.0") {
            return Err(ParseError::Envelope("the member \"jsonrpc\" must be \"2.0\""));
        }
        let id = object.field("id");
        let method = object.borrowed("method").map(decode_method).transpose()?;
        let params = object.borrowed("params");
        let result = object.borrowed("result");
        let error = object.borrowed("error");
        match (method, result, error) {
            (Some(method), None, None) => {
                if params.is_some_and(|params| !params.get().starts_with('{')) {
                    return Err(ParseError::NotAnObject("params"));
                }
                Ok(match id {
                    Some(id) => Self::Request(Request { id: Id::parse(id)?, method, params }),
                    None => Self::Notification(Notification { method, params }),
                })
            }
            (None, Some(result), None) => {
                let id = id.ok_or(ParseError::Envelope("a result needs an id"))?;
                Ok(Self::Response(Response { id: Some(Id::parse(id)?), outcome: Outcome::Result(result) }))
            }
            (None, None, Some(error)) => {
                let id = id.filter(|id| id.get() != "null").map(Id::parse).transpose()?;
                Ok(Self::Response(Response { id, outcome: Outcome::Error(error) }))
            }
            _ => Err(ParseError::Envelope("it needs exactly one of \"method\", \"result\" and \"error\"")),
        }
    }
}

/// The id of a request of which the params alone are wrong: it can be read beside the `error`.
pub fn id_beside(text: &[u8], error: &ParseError) -> Option<Id> {
    if error.code() != code::INVALID_PARAMS {
        return None;
    }
    let object = Object::parse_text(std::str::from_utf8(text).ok()?, ENVELOPE, &OWNED).ok()?;
    object.field("id").and_then(|id| Id::parse(id).ok())
}

/// A member of the params of a notification; none when `text` is no notification, or it has no such member of that type.
pub fn told<T: DeserializeOwned>(text: &[u8], key: &'static str) -> Option<T> {
    let Ok(Message::Notification(notification)) = Message::parse(text) else { return None };
    let params = Object::parse(notification.params?, "params", &[key]).ok()?;
    serde_json::from_str(params.field(key)?.get()).ok()
}

/// The one revision that has batches: everybody must take them (MCP 2025-03-26, overview, batching).
pub const BATCHING: &str = "2025-03-26";

/// Whether a text is a batch, if it is anything.
pub fn is_batch(text: &[u8]) -> bool {
    text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// The messages of a batch, each as it came (JSON-RPC 2.0, section 6).
pub fn messages_of_batch(text: &[u8]) -> Result<Vec<&RawValue>, ParseError> {
    check_depth(text)?;
    let text = std::str::from_utf8(text).map_err(|_| ParseError::NotJson)?;
    serde_json::from_str(text).map_err(|_| ParseError::NotJson)
}

fn not_an_object(text: &str) -> ParseError {
    match serde_json::from_str::<&RawValue>(text) {
        Err(_) => ParseError::NotJson,
        Ok(value) if value.get().starts_with('[') => ParseError::Batch,
        Ok(_) => ParseError::Envelope("it is not an object"),
    }
}

fn decode_method(value: &RawValue) -> Result<Cow<'_, str>, ParseError> {
    let method: String = serde_json::from_str(value.get()).map_err(|_| ParseError::Type {
        place: ENVELOPE,
        key: "method".to_owned(),
        expected: "a string",
    })?;
    let plain = &value.get()[1..value.get().len() - 1];
    Ok(if plain == method { Cow::Borrowed(plain) } else { Cow::Owned(method) })
}

/// A request id: a string or an integer, kept as it was spelled.
///
/// Two ids are equal when their values are, whatever the spelling (`"a"` and `"\u0061"`).
#[derive(Clone)]
pub struct Id {
    raw: Box<RawValue>,
    value: IdValue,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum IdValue {
    Text(String),
    Integer(i128),
}

impl Id {
    /// Reads an id.
    pub fn parse(value: &RawValue) -> Result<Self, ParseError> {
        const WRONG: ParseError = ParseError::Envelope("an id must be a string or an integer");
        let text = value.get();
        let decoded = if text.starts_with('"') {
            IdValue::Text(serde_json::from_str(text).map_err(|_| WRONG)?)
        } else {
            IdValue::Integer(text.parse().map_err(|_| WRONG)?)
        };
        Ok(Self { raw: value.to_owned(), value: decoded })
    }

    /// The id as it was spelled.
    pub fn raw(&self) -> &RawValue {
        &self.raw
    }

    /// The value of an integer id that fits.
    pub fn as_u64(&self) -> Option<u64> {
        match self.value {
            IdValue::Integer(value) => u64::try_from(value).ok(),
            IdValue::Text(_) => None,
        }
    }
}

impl From<u64> for Id {
    fn from(value: u64) -> Self {
        Self { raw: raw(&value), value: IdValue::Integer(i128::from(value)) }
    }
}

impl std::fmt::Debug for Id {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.raw.get())
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Id {}

impl std::hash::Hash for Id {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}
