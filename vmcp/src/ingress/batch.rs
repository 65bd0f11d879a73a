//! Batches of messages, which revision 2025-03-26 alone has.

use super::answer::Refused;
use super::post::{self, Notice};
use super::session::Session;
use super::upstream::{Call, Unanswered};
use super::{Ingress, answer, answering, methods};
use crate::backend::Caller;
use crate::jsonrpc::{
    BATCHING, ErrorObject, Message, ParseError, Request, code, error_response, id_beside, messages_of_batch, raw,
};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::sync::Arc;

/// How many messages one batch may have.
const MAX_MESSAGES: usize = 100;

/// Answers a batch: requests by one stream that carries each response, everything else by nothing.
pub(super) async fn post(
    ingress: &Arc<Ingress>,
    headers: &HeaderMap,
    caller: Caller,
    body: &[u8],
) -> Result<Response, Refused> {
    let refuse = |error: &ParseError| post::bad_request(&ErrorObject::from(error));
    let session = ingress.session(headers, &caller).await.map_err(|refused| match Message::parse(body) {
        // A batch cannot start a session, whatever the revision.
        Err(error) if !headers.contains_key(super::SESSION_HEADER) => refuse(&error),
        _ => refused,
    })?;
    ingress.check_version(headers)?;
    if session.revision() != Some(BATCHING) {
        return Err(refuse(&ParseError::Batch));
    }
    let messages = messages_of_batch(body).map_err(|error| refuse(&error))?;
    if messages.is_empty() || messages.len() > MAX_MESSAGES {
        let message = format!("a batch must have 1 to {MAX_MESSAGES} messages");
        return Err(post::bad_request(&ErrorObject::new(code::INVALID_REQUEST, message)));
    }
    let (mut errors, mut works) = (Vec::new(), Vec::new());
    for text in messages {
        let bytes = Bytes::copy_from_slice(text.get().as_bytes());
        match Message::parse(&bytes) {
            Err(error) => {
                let id = id_beside(&bytes, &error);
                errors.push(error_response(id.as_ref(), &raw(&ErrorObject::from(&error))));
            }
            Ok(Message::Request(request)) => match begin(&session, &request) {
                Ok((in_flight, call)) => works.push(post::work(&session, caller.clone(), in_flight, call)),
                Err(error) => errors.push(error_response(Some(&request.id), &raw(&error))),
            },
            Ok(Message::Notification(notification)) => {
                let taken = match Notice::read(headers, &notification) {
                    Ok(notice) => notice.act(&session, &caller, bytes.clone()).await,
                    Err(error) => Err(ErrorObject::from(&error).into()),
                };
                errors.extend(error_of(ingress, &session, taken)?);
            }
            Ok(Message::Response(_)) => {
                let taken = post::take(&session, &caller, bytes.clone()).await;
                errors.extend(error_of(ingress, &session, taken)?);
            }
        }
    }
    if errors.is_empty() && works.is_empty() {
        return Ok(answer::empty(StatusCode::ACCEPTED));
    }
    Ok(answering::answer_later(&session, errors, works, ingress.patience))
}

/// The error that tells of a message without answer which could not be taken. The other messages are answered all the same, unless
/// there is no session any more.
fn error_of(
    ingress: &Arc<Ingress>,
    session: &Arc<Session>,
    taken: Result<(), Unanswered>,
) -> Result<Option<Bytes>, Refused> {
    match taken {
        Ok(()) => Ok(None),
        Err(Unanswered::Error(error)) => Ok(Some(error_response(None, &raw(&error)))),
        Err(Unanswered::SessionLost) => Err(post::lost(ingress, session)),
    }
}

fn begin(session: &Arc<Session>, request: &Request<'_>) -> Result<(super::session::InFlight, Call), ErrorObject> {
    if request.method == "initialize" {
        return Err(ErrorObject::new(code::INVALID_REQUEST, "\"initialize\" cannot be part of a batch"));
    }
    methods::check(&request.method, request.params).map_err(|error| ErrorObject::from(&error))?;
    let in_flight = session.begin(&request.id).map_err(|busy| ErrorObject::new(busy.code(), busy.to_string()))?;
    let call = Call { method: request.method.clone().into_owned(), params: request.params.map(ToOwned::to_owned) };
    Ok((in_flight, call))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::sessions::{SessionLimits, Sessions};
    use super::*;
    use crate::jsonrpc::Id;

    #[test]
    fn too_many_requests_at_once_may_be_sent_later() {
        let session = Sessions::new(SessionLimits::default()).create(&Caller::anonymous()).unwrap();
        let ping = r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#;
        let Message::Request(ping) = Message::parse(ping.as_bytes()).unwrap() else { panic!("a request") };
        let (first, _) = begin(&session, &ping).unwrap();
        assert_eq!(begin(&session, &ping).unwrap_err().code, code::INVALID_REQUEST, "its id is in use");
        drop(first);
        let mut id = 0;
        let all: Vec<_> = std::iter::from_fn(|| {
            id += 1;
            session.begin(&Id::from(id)).ok()
        })
        .collect();
        assert_eq!(begin(&session, &ping).unwrap_err().code, code::OVERLOADED);
        drop(all);
        assert!(begin(&session, &ping).is_ok());
    }
}
