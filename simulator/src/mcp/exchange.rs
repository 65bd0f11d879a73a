//! What the wires share of HTTP: how a message is posted, and what carries an answer.

use http::{Response, StatusCode};
use serde_json::Value;
use tokio::sync::mpsc;

use super::access::refuse;
use super::jsonrpc::{Reply, TRANSPORT_ERROR};
use super::quirks::Quirks;
use crate::wire::{Body, Outcome, Received, event_stream, json_response, server_sent_event};
use crate::world::{Replies, Server};

const JSON: &str = "application/json";
pub(super) const EVENT_STREAM: &str = "text/event-stream";

/// Either a value or the refusal to send instead.
pub(super) type Checked<T> = Result<T, Box<Outcome>>;

/// The body of a POST that says it is JSON and takes both forms of answers.
pub(super) fn posted_json(server: &Server, received: &Received) -> Checked<Value> {
    let quirks = Quirks::of(server);
    if received.media_type().as_deref() != Some(JSON) {
        return Err(quirks.wrong_content_type.because("Content-Type must be application/json"));
    }
    let takes_both = received.accepts(JSON) && received.accepts(EVENT_STREAM);
    if !(takes_both || quirks.takes_wildcards && received.accepts("*/*")) {
        let reason = "Accept must list both application/json and text/event-stream";
        return Err(Box::new(refuse(StatusCode::NOT_ACCEPTABLE, TRANSPORT_ERROR, reason)));
    }
    serde_json::from_slice(&received.body)
        .map_err(|error| quirks.no_json.because(format!("the body is not JSON: {error}")))
}

/// The verdict on a request that is answered with a JSON-RPC error; one that the world scripted is an answer like another.
pub(super) fn refusal(reply: &Reply) -> Option<String> {
    reply
        .as_ref()
        .err()
        .filter(|error| !error.scripted)
        .map(|error| format!("JSON-RPC error {}: {}", error.code, error.message))
}

/// What carries `message`, as the faults that act on the request leave it. Only a stream carries other than one message.
pub(super) fn answer(server: &Server, received: &Received, message: Value) -> Outcome {
    let messages = received.edits.messages(message);
    Outcome::answered(match (server.replies, messages.as_slice()) {
        (Replies::Json, [message]) => json_response(StatusCode::OK, message),
        _ => stream_of(&messages),
    })
}

/// A stream that ends after its messages.
fn stream_of(messages: &[Value]) -> Response<Body> {
    let (sender, receiver) = mpsc::channel(messages.len().max(1));
    for message in messages {
        // The channel is new and has room for all.
        let _sent = sender.try_send(server_sent_event("message", &message.to_string()));
    }
    event_stream(receiver, ())
}
