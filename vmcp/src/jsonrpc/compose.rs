//! Messages that the gateway writes.

use super::Id;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

/// JSON text of a value that is known to be representable: strings, numbers, raw values and objects of them.
pub fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[derive(Serialize)]
struct Envelope<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RawValue>,
}

const EMPTY: Envelope<'static> =
    Envelope { jsonrpc: "2.0", id: None, method: None, params: None, result: None, error: None };

fn text(envelope: &Envelope<'_>) -> Bytes {
    Bytes::from(serde_json::to_vec(envelope).unwrap_or_default())
}

/// A request.
pub fn request(id: &Id, method: &str, params: Option<&RawValue>) -> Bytes {
    text(&Envelope { id: Some(id.raw()), method: Some(method), params, ..EMPTY })
}

/// A notification.
pub fn notification(method: &str, params: Option<&RawValue>) -> Bytes {
    text(&Envelope { method: Some(method), params, ..EMPTY })
}

/// A response with a result.
pub fn result_response(id: &Id, result: &RawValue) -> Bytes {
    text(&Envelope { id: Some(id.raw()), result: Some(result), ..EMPTY })
}

/// A response with an error; without id when the request's could not be read.
pub fn error_response(id: Option<&Id>, error: &RawValue) -> Bytes {
    text(&Envelope { id: id.map(Id::raw), error: Some(error), ..EMPTY })
}
