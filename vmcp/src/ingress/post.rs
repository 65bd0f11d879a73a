//! POST: one JSON-RPC message from a client.

use super::answer::Refused;
use super::dispatch::{self, Outcome};
use super::session::{BusyError, InFlight, Session};
use super::upstream::{Call, Unanswered, Unopened};
use super::work::{Progress, Work};
use super::{Ingress, SESSION_HEADER, accept, answer, answering, batch, body, methods, modern, revision};
use crate::backend::Caller;
use crate::jsonrpc::{
    ErrorObject, Id, Message, Notification, Object, ParseError, Request as Asked, code, error_response, id_beside,
    is_batch, raw, result_response,
};
use crate::replicas::Handshake;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Messages of one request that wait to be written.
const MESSAGES: usize = 32;

/// Answers a POST to the MCP endpoint.
pub(super) async fn post(ingress: &Arc<Ingress>, request: Request) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let caller = ingress.authenticate(&headers).await?;
    check_content_type(&headers)?;
    check_accept(&headers)?;
    let body = body::read(body).await?;
    if is_batch(&body) {
        return batch::post(ingress, &headers, caller, &body).await;
    }
    let message = Message::parse(&body).map_err(|error| unreadable(&body, &error))?;
    match message {
        Message::Request(call) => answer_call(ingress, headers, caller, call).await,
        Message::Notification(notification) => {
            let notice =
                Notice::read(&headers, &notification).map_err(|error| bad_request(&ErrorObject::from(&error)))?;
            if matches!(notice, Notice::Stateless) {
                return Ok(answer::empty(StatusCode::ACCEPTED));
            }
            let session = ingress.session(&headers, &caller).await?;
            ingress.check_version(&headers)?;
            accepted(ingress, &session, notice.act(&session, &caller, body.clone()).await)
        }
        Message::Response(_) if revision::is_stateless(&headers) => {
            let message =
                "clients without a session are asked nothing: what a result asks for comes with the next request";
            Err(bad_request(&ErrorObject::new(code::INVALID_REQUEST, message)))
        }
        Message::Response(_) => {
            let session = ingress.session(&headers, &caller).await?;
            ingress.check_version(&headers)?;
            accepted(ingress, &session, take(&session, &caller, body.clone()).await)
        }
    }
}

pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Refused> {
    if accept::is_json(headers) {
        return Ok(());
    }
    let message = "the Content-Type of a POST request must be application/json";
    Err(answer::refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, code::INVALID_REQUEST, message))
}

fn check_accept(headers: &HeaderMap) -> Result<(), Refused> {
    let accepted = accept::accepted(headers);
    if accepted.json && accepted.events {
        return Ok(());
    }
    let message = "the Accept header of a POST request must include application/json and text/event-stream";
    Err(answer::refusal(StatusCode::NOT_ACCEPTABLE, code::INVALID_REQUEST, message))
}

pub(super) fn bad_request(error: &ErrorObject) -> Refused {
    answer::error(StatusCode::BAD_REQUEST, None, error).into()
}

/// Refuses a text that is no message.
pub(super) fn unreadable(text: &[u8], error: &ParseError) -> Refused {
    answer::error(StatusCode::BAD_REQUEST, id_beside(text, error).as_ref(), &ErrorObject::from(error)).into()
}

async fn answer_call(
    ingress: &Arc<Ingress>,
    headers: HeaderMap,
    caller: Caller,
    asked: Asked<'_>,
) -> Result<Response, Refused> {
    let refuse = |error: &ErrorObject| Refused::from(answer::error(StatusCode::BAD_REQUEST, Some(&asked.id), error));
    let params = match asked.params {
        Some(params) => Object::parse(params, "params", methods::owned_keys(&asked.method))
            .map_err(|error| refuse(&ErrorObject::from(&error)))?,
        None => Object::empty("params"),
    };
    let stateless = revision::names_stateless(&headers, &asked.method, Some(&params))
        .map_err(|error| refuse(&ErrorObject::from(&error)))?;
    if stateless {
        return modern::answer_call(ingress, &ingress.stateless, &headers, caller, &asked, &params).await;
    }
    if asked.method == "initialize" {
        return initialize(ingress, &caller, &asked).await;
    }
    let session = ingress.session(&headers, &caller).await?;
    ingress.check_version(&headers)?;
    let in_flight = begin(&session, &asked.id)?;
    let call = Call { method: asked.method.into_owned(), params: asked.params.map(ToOwned::to_owned) };
    let mut work = work(&session, caller, in_flight, call);
    let outcome = match tokio::time::timeout(ingress.patience.answer, work.next()).await {
        Ok(Progress::Done(outcome)) => outcome,
        // What comes before the answer makes it a stream.
        Ok(Progress::Said(message)) => {
            return Ok(answering::answer_later(&session, vec![message], vec![work], ingress.patience));
        }
        Err(_) => return Ok(answering::answer_later(&session, Vec::new(), vec![work], ingress.patience)),
    };
    match outcome {
        Outcome::Answered(answer) => Ok(answer::json(StatusCode::OK, answer)),
        Outcome::Overloaded(answer) => Err(answer::try_later(answer::json(StatusCode::SERVICE_UNAVAILABLE, answer), 1)),
        // There is no answer, and HTTP must have one.
        Outcome::Cancelled | Outcome::Panicked => Ok(answer::events(Body::empty())),
        Outcome::SessionLost(_) => Err(lost(ingress, &session)),
    }
}

/// Notes that a request is under way, or says why it may not be.
pub(super) fn begin(session: &Arc<Session>, id: &Id) -> Result<InFlight, Refused> {
    session.begin(id).map_err(|busy| {
        let answer = |status| answer::error(status, Some(id), &ErrorObject::new(busy.code(), busy.to_string()));
        match busy {
            BusyError::Ended => super::no_such_session(),
            BusyError::IdInUse => answer(StatusCode::BAD_REQUEST).into(),
            BusyError::TooMany => answer::try_later(answer(StatusCode::TOO_MANY_REQUESTS), 1),
        }
    })
}

/// The work on a request.
pub(super) fn work(session: &Arc<Session>, caller: Caller, in_flight: InFlight, call: Call) -> Work {
    let (sender, messages) = mpsc::channel(MESSAGES);
    Work::new(dispatch::answer(Arc::clone(session), caller, in_flight, call, sender), messages)
}

/// Ends a session that its backend has lost, and tells the client in the way of the protocol.
pub(super) fn lost(ingress: &Arc<Ingress>, session: &Arc<Session>) -> Refused {
    ingress.lose(session);
    answer::refusal(StatusCode::NOT_FOUND, code::INVALID_REQUEST, super::SESSION_LOST)
}

async fn initialize(ingress: &Arc<Ingress>, caller: &Caller, asked: &Asked<'_>) -> Result<Response, Refused> {
    let session = ingress.create_session(caller, Some(&asked.id))?;
    let params = asked.params.map_or_else(|| raw(&json!({})), ToOwned::to_owned);
    let handshake = params.clone();
    match open(ingress, &session, caller, params).await {
        Ok(result) => {
            let handshake = Handshake::of(session.revision().unwrap_or_default(), &handshake);
            ingress.note_session(&session, Some(handshake), Some(&asked.id)).await?;
            let mut response = answer::json(StatusCode::OK, result_response(&asked.id, &result));
            if let Ok(id) = HeaderValue::from_str(&session.id) {
                response.headers_mut().insert(SESSION_HEADER, id);
            }
            Ok(response)
        }
        Err(unopened) => {
            ingress.sessions.end(&session).await;
            let answer = answer::json(unopened.status, error_response(Some(&asked.id), &unopened.error));
            let later = unopened.status == StatusCode::SERVICE_UNAVAILABLE;
            Err(if later { answer::try_later(answer, 1) } else { answer.into() })
        }
    }
}

/// Opens what answers the client of `session`, and returns the result of its `initialize`. The work is a task of its
/// own: what a client that leaves has opened is found, and ended, with its session.
pub(super) async fn open(
    ingress: &Arc<Ingress>,
    session: &Arc<Session>,
    caller: &Caller,
    params: Box<RawValue>,
) -> Result<Box<RawValue>, Unopened> {
    let (upstream, session, caller) = (Arc::clone(&ingress.upstream), Arc::clone(session), caller.clone());
    let opening = tokio::spawn(async move {
        let opened = upstream.open(&caller, &params, Arc::clone(&session.outbox)).await?;
        if let Some(revision) = revision::agreed(&opened.result) {
            session.agree(&revision);
        }
        if let Err(second) = session.attach(Arc::clone(&opened.session)) {
            second.close().await;
            let message = "the session has been initialized already";
            return Err(Unopened::bad_request(&ErrorObject::new(code::INVALID_REQUEST, message)));
        }
        if session.ended.is_cancelled() {
            // It ended too early to find what has been opened.
            opened.session.close().await;
        }
        Ok(opened.result)
    });
    opening.await.unwrap_or_else(|_| {
        let error = ErrorObject::new(code::INTERNAL_ERROR, "the session could not be opened");
        Err(Unopened { status: StatusCode::INTERNAL_SERVER_ERROR, error: raw(&error) })
    })
}

/// What a client notifies of.
pub(super) enum Notice {
    /// It does not want the answer to a request any more; one without a readable id means nothing.
    Cancelled(Option<Id>),
    /// It belongs to no session, where no notification of a client means anything.
    Stateless,
    /// Anything else.
    Other,
}

impl Notice {
    /// Reads a notification.
    pub(super) fn read(headers: &HeaderMap, notification: &Notification<'_>) -> Result<Self, ParseError> {
        let keys = methods::owned_keys(&notification.method);
        let params = notification.params.map(|params| Object::parse(params, "params", keys)).transpose()?;
        if revision::names_stateless(headers, &notification.method, params.as_ref())? {
            return Ok(Self::Stateless);
        }
        if notification.method != "notifications/cancelled" {
            return Ok(Self::Other);
        }
        let id = params.as_ref().and_then(|params| params.field("requestId"));
        Ok(Self::Cancelled(id.and_then(|id| Id::parse(id).ok())))
    }

    /// Does what it asks for; `message` is the notification as it came.
    pub(super) async fn act(self, session: &Session, caller: &Caller, message: Bytes) -> Result<(), Unanswered> {
        match self {
            Self::Cancelled(id) => {
                if let Some(id) = id {
                    session.cancel(&id);
                }
                Ok(())
            }
            Self::Stateless => Ok(()),
            Self::Other => take(session, caller, message).await,
        }
    }
}

/// Hands a message without answer to what stands behind the session.
pub(super) async fn take(session: &Session, caller: &Caller, message: Bytes) -> Result<(), Unanswered> {
    let Some(upstream) = session.upstream() else { return Ok(()) };
    upstream.take(caller, message).await
}

/// The HTTP answer to a message without answer, or its refusal when it could not be taken.
pub(super) fn accepted(
    ingress: &Arc<Ingress>,
    session: &Arc<Session>,
    taken: Result<(), Unanswered>,
) -> Result<Response, Refused> {
    match taken {
        Ok(()) => Ok(answer::empty(StatusCode::ACCEPTED)),
        Err(Unanswered::SessionLost) => Err(lost(ingress, session)),
        Err(Unanswered::Error(error)) => Err(answer::error(StatusCode::BAD_GATEWAY, None, &error).into()),
    }
}
