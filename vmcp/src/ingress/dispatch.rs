//! Answering one request of a session, to the end or until it is cancelled.

use super::session::{InFlight, Session};
use super::upstream::{Call, Unanswered};
use crate::backend::Caller;
use crate::egress::Reply;
use crate::jsonrpc::{ErrorObject, code, error_response, raw, result_response};
use bytes::Bytes;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What became of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The response.
    Answered(Bytes),
    /// The response when a limit is reached: the client may try again.
    Overloaded(Bytes),
    /// The client wants none any more.
    Cancelled,
    /// The gateway has failed, and has no response.
    Panicked,
    /// The backend has lost the session. The response is for a client that cannot be told so by HTTP.
    SessionLost(Bytes),
}

/// Answers a request. Messages that come before the answer go to `messages`.
pub(super) async fn answer(
    session: Arc<Session>,
    caller: Caller,
    in_flight: InFlight,
    call: Call,
    messages: mpsc::Sender<Bytes>,
) -> Outcome {
    let Some(upstream) = session.upstream() else {
        // Pings alone may come before the handshake (MCP 2024-11-05, lifecycle).
        if call.method == "ping" {
            return Outcome::Answered(result_response(in_flight.id(), &raw(&json!({}))));
        }
        let error = ErrorObject::new(code::INVALID_REQUEST, "the first request of a session must be \"initialize\"");
        return Outcome::Answered(error_response(Some(in_flight.id()), &raw(&error)));
    };
    let reply = tokio::select! {
        () = in_flight.cancelled.cancelled() => return Outcome::Cancelled,
        reply = upstream.answer(&caller, &call, messages) => reply,
    };
    match reply {
        Ok(Reply::Result(result)) => Outcome::Answered(result_response(in_flight.id(), &result)),
        Ok(Reply::Error(error)) => Outcome::Answered(error_response(Some(in_flight.id()), &error)),
        Err(Unanswered::Error(error)) => {
            let response = error_response(Some(in_flight.id()), &raw(&error));
            if error.code == code::OVERLOADED { Outcome::Overloaded(response) } else { Outcome::Answered(response) }
        }
        Err(Unanswered::SessionLost) => {
            let error = ErrorObject::new(code::INVALID_REQUEST, super::SESSION_LOST);
            Outcome::SessionLost(error_response(Some(in_flight.id()), &raw(&error)))
        }
    }
}
