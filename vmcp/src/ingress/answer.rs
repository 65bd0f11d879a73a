//! HTTP answers that carry JSON-RPC, as one document or as an event stream.

use crate::jsonrpc::{ErrorObject, Id, error_response, raw};
use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderValue, StatusCode, header};
use std::time::Duration;

/// The content type of an event stream.
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
/// What keeps an idle stream open through proxies.
pub(super) const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// An answer that ends a request early. Boxed, because answers are large and refusals are rare.
#[derive(Debug)]
pub(super) struct Refused(pub(super) Box<Response>);

impl From<Response> for Refused {
    fn from(answer: Response) -> Self {
        Self(Box::new(answer))
    }
}

/// One JSON document.
pub(super) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A JSON-RPC error.
pub(super) fn error(status: StatusCode, id: Option<&Id>, error: &ErrorObject) -> Response {
    json(status, error_response(id, &raw(error)))
}

/// A refusal on the level of HTTP, with a JSON-RPC error without id as its body.
pub(super) fn refusal(status: StatusCode, code: i64, message: impl Into<String>) -> Refused {
    error(status, None, &ErrorObject::new(code, message)).into()
}

/// A refusal for now: the client may try again after some seconds.
pub(super) fn try_later(mut response: Response, seconds: u16) -> Refused {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response.into()
}

/// An answer without body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An event stream of this body.
pub(super) fn events(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, EVENT_STREAM);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A message as a server-sent event. A line break in the JSON text becomes a line of its own, as the format has it.
pub(super) fn event(message: &[u8]) -> Bytes {
    event_with("", message)
}

/// The same with an id: the message `number` of `stream`.
pub(super) fn numbered_event(stream: u64, number: u64, message: &[u8]) -> Bytes {
    event_with(&format!("id: {stream}-{number}\n"), message)
}

/// An event without message, from which on a client can come back for the rest of `stream` (MCP 2025-11-25, transports,
/// sending messages to the server).
pub(super) fn priming_event(stream: u64, retry: Duration) -> Bytes {
    Bytes::from(format!("id: {stream}-\nretry: {}\ndata: \n\n", retry.as_millis()))
}

/// The stream and the message of an event id, and where to read on: after the message, or at the first one.
pub(super) fn after_event(id: &str) -> Option<(u64, u64)> {
    let (stream, number) = id.split_once('-')?;
    let from = if number.is_empty() { 0 } else { number.parse::<u64>().ok()?.checked_add(1)? };
    Some((stream.parse().ok()?, from))
}

fn event_with(fields: &str, message: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(message.len() + fields.len() + 32);
    event.put_slice(b"event: message\n");
    event.put_slice(fields.as_bytes());
    let mut rest = message;
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        event.put_slice(b"data: ");
        event.put_slice(&rest[..end]);
        event.put_u8(b'\n');
        rest = match &rest[end..] {
            [] => break,
            [b'\r', b'\n', after @ ..] | [_, after @ ..] => after,
        };
    }
    event.put_u8(b'\n');
    event.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_says_where_to_read_on() {
        assert_eq!(numbered_event(3, 7, b"{}"), "event: message\nid: 3-7\ndata: {}\n\n");
        assert_eq!(after_event("3-7"), Some((3, 8)));
        assert_eq!(after_event("3-"), Some((3, 0)));
        for id in ["", "3", "-", "-1", "a-1", "3-x", "3-18446744073709551615", "3--1"] {
            assert_eq!(after_event(id), None, "{id}");
        }
    }

    #[test]
    fn a_message_is_one_event_whatever_its_line_breaks() {
        assert_eq!(event(b"{}"), "event: message\ndata: {}\n\n");
        assert_eq!(event(b"{\n\"a\":1\r\n}"), "event: message\ndata: {\ndata: \"a\":1\ndata: }\n\n");
        assert_eq!(event(b"1\r2\n"), "event: message\ndata: 1\ndata: 2\ndata: \n\n");
    }
}
