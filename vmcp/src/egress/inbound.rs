//! Messages that a backend sends while it works on a request: the answer, requests of its own, notifications.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{Cause, EgressError};
use super::peer::{Hearer, Question};
use super::session::Reply;
use crate::jsonrpc::{
    self, BATCHING, ErrorObject, Id, Message, Notification, Object, Outcome, ParseError, Request, code, is_batch,
    messages_of_batch,
};
use crate::offers::Kind;

/// What to do with a message of a backend.
#[derive(Debug)]
pub(super) enum Inbound {
    /// An answer to the request with this id; without id, to one that the backend could not read. A malformed one fails that
    /// request, and nothing else.
    Answer { id: Option<Id>, reply: Result<Reply, EgressError> },
    /// A request, and the gateway's answer to it.
    Respond(Bytes),
    /// A request with this id that the client of the session is asked.
    Ask(Id, Question),
    /// The backend does not want the answer to its request of this id any more.
    TakenBack(Id),
    /// A notification with this method for the client of the session, as it came.
    Notify(String, Bytes),
    /// Remember that a list has changed, as this notification says.
    ListChanged(String),
    /// A request or notification for the client whose session this is, as it came.
    Relay(Bytes),
    /// Nothing.
    Ignore,
}

/// The messages of a text of a backend: those of a batch where `revision` has batches, else the text itself.
pub(super) fn messages<'t>(
    text: &'t [u8],
    revision: Option<&str>,
) -> Result<impl Iterator<Item = &'t [u8]>, EgressError> {
    let (one, batch) = if revision == Some(BATCHING) && is_batch(text) {
        (None, messages_of_batch(text).map_err(|error| not_json_rpc(&error))?)
    } else {
        (Some(text), Vec::new())
    };
    Ok(one.into_iter().chain(batch.into_iter().map(|message| message.get().as_bytes())))
}

fn not_json_rpc(error: &ParseError) -> EgressError {
    EgressError::new(Cause::Protocol, format!("the backend sent something that is not JSON-RPC: {error}"))
}

/// Reads one message, which `hearer` hears.
///
/// Where that is the gateway itself, it offers a backend no capabilities, so that `ping` is the one request that it
/// answers with a result.
pub(super) fn read(text: &[u8], hearer: &Hearer) -> Result<Inbound, EgressError> {
    let relayed = matches!(hearer, Hearer::Inbox { .. });
    let has_client = matches!(hearer, Hearer::Client(_));
    Ok(match Message::parse(text).map_err(|error| not_json_rpc(&error))? {
        Message::Response(response) => Inbound::Answer { id: response.id, reply: judged(response.outcome) },
        Message::Request(_) | Message::Notification(_) if relayed => Inbound::Relay(Bytes::copy_from_slice(text)),
        Message::Request(request) if request.method == "ping" => {
            Inbound::Respond(jsonrpc::result_response(&request.id, &jsonrpc::raw(&serde_json::json!({}))))
        }
        Message::Request(Request { id, method, params }) if has_client => {
            Inbound::Ask(id, Question { method: method.into_owned(), params: params.map(ToOwned::to_owned) })
        }
        Message::Request(request) => {
            let error = ErrorObject::new(code::METHOD_NOT_FOUND, "the gateway does not take requests from backends");
            Inbound::Respond(jsonrpc::error_response(Some(&request.id), &jsonrpc::raw(&error)))
        }
        Message::Notification(notification) if notification.method == "notifications/cancelled" => {
            taken_back(&notification).map_or(Inbound::Ignore, Inbound::TakenBack)
        }
        Message::Notification(notification) if has_client => {
            Inbound::Notify(notification.method.into_owned(), Bytes::copy_from_slice(text))
        }
        Message::Notification(notification) if Kind::changed_by(&notification.method).next().is_some() => {
            Inbound::ListChanged(notification.method.into_owned())
        }
        Message::Notification(notification) => {
            tracing::trace!(method = %notification.method, "a notification of a backend");
            Inbound::Ignore
        }
    })
}

/// An answer that is what MCP asks for, as far as can be told without reading it: a result is an object, an error has an integer
/// as its code and a message (MCP 2025-11-25, overview, responses; JSON-RPC 2.0, section 5.1).
fn judged(outcome: Outcome<'_>) -> Result<Reply, EgressError> {
    let malformed = |why| Err(EgressError::malformed_answer(why));
    match outcome {
        Outcome::Result(result) if !result.get().starts_with('{') => malformed("its result is not an object"),
        Outcome::Error(error) if !is_error(error) => {
            malformed("its error is not an object with an integer code and a message")
        }
        outcome => Ok(Reply::from(outcome)),
    }
}

fn is_error(error: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Error<'a> {
        #[serde(rename = "code")]
        _code: i64,
        #[serde(borrow)]
        message: &'a RawValue,
    }
    serde_json::from_str::<Error<'_>>(error.get()).is_ok_and(|error| error.message.get().starts_with('"'))
}

/// Which of its requests a backend cancels.
fn taken_back(notification: &Notification<'_>) -> Option<Id> {
    let params = Object::parse(notification.params?, "params", &["requestId"]).ok()?;
    params.field("requestId").and_then(|id| Id::parse(id).ok())
}

/// What the body of a failed HTTP request says about the request `id`.
#[derive(Debug)]
pub(super) enum InFailure {
    /// The answer to the request.
    Answer(Reply),
    /// An error without id. It can only mean the one message of that HTTP request.
    Unattributed(Reply),
    /// Nothing.
    Nothing,
}

/// Reads the body of a failed HTTP request. What is malformed says nothing.
pub(super) fn read_failure(text: &[u8], id: u64) -> InFailure {
    let Ok(Message::Response(response)) = Message::parse(text) else { return InFailure::Nothing };
    match (response.id, judged(response.outcome)) {
        (Some(own), Ok(reply)) if own == Id::from(id) => InFailure::Answer(reply),
        (None, Ok(reply @ Reply::Error(_))) => InFailure::Unattributed(reply),
        _ => InFailure::Nothing,
    }
}
