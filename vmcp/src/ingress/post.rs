//! POST: one JSON-RPC message from a client.

use super::answer::Refused;
use super::session::{BusyError, Session};
use super::{Ingress, SESSION_HEADER, accept, answer, body, check_version, dispatch, methods, revision, stream};
use crate::backend::Caller;
use crate::jsonrpc::{ErrorObject, Message, Notification, Object, Request as Call, code};
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode};
use std::sync::Arc;

/// Answers a POST to the MCP endpoint.
pub(super) async fn post(ingress: &Arc<Ingress>, request: Request) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let caller = ingress.authenticate(&headers).await?;
    check_media_types(&headers)?;
    let body = body::read(body).await?;
    let message = Message::parse(&body).map_err(|error| bad_request(&ErrorObject::from(&error)))?;
    match message {
        Message::Request(call) => answer_call(ingress, &headers, caller, call).await,
        Message::Notification(notification) => take_notification(ingress, &headers, &caller, &notification),
        Message::Response(_) => {
            ingress.session(&headers, &caller)?;
            check_version(&headers)?;
            // The gateway asks its clients nothing, so this answers nothing; the protocol has 202 for it all the same.
            Ok(answer::empty(StatusCode::ACCEPTED))
        }
    }
}

fn check_media_types(headers: &HeaderMap) -> Result<(), Refused> {
    if !accept::is_json(headers) {
        let message = "the Content-Type of a POST request must be application/json";
        return Err(answer::refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, code::INVALID_REQUEST, message));
    }
    let accepted = accept::accepted(headers);
    if !(accepted.json && accepted.events) {
        let message = "the Accept header of a POST request must include application/json and text/event-stream";
        return Err(answer::refusal(StatusCode::NOT_ACCEPTABLE, code::INVALID_REQUEST, message));
    }
    Ok(())
}

fn bad_request(error: &ErrorObject) -> Refused {
    answer::error(StatusCode::BAD_REQUEST, None, error).into()
}

async fn answer_call(
    ingress: &Arc<Ingress>,
    headers: &HeaderMap,
    caller: Caller,
    call: Call<'_>,
) -> Result<Response, Refused> {
    let refuse = |error: &ErrorObject| Refused::from(answer::error(StatusCode::BAD_REQUEST, Some(&call.id), error));
    let params = match call.params {
        Some(params) => Object::parse(params, "params", methods::owned_keys(&call.method))
            .map_err(|error| refuse(&ErrorObject::from(&error)))?,
        None => Object::empty("params"),
    };
    let stateless = revision::stateless(headers, &call.method, Some(&params))
        .map_err(|error| refuse(&ErrorObject::from(&error)))?;
    if let Some(requested) = stateless {
        return Err(refuse(&revision::unsupported(&requested)));
    }
    if call.method == "initialize" {
        return initialize(ingress, &caller, &call, &params);
    }
    let session = ingress.session(headers, &caller)?;
    check_version(headers)?;
    let in_flight = session.begin(&call.id).map_err(|busy| match busy {
        BusyError::Ended => super::no_such_session(),
        BusyError::IdInUse => refuse(&ErrorObject::new(code::INVALID_REQUEST, busy.to_string())),
        BusyError::TooMany => {
            let error = ErrorObject::new(code::OVERLOADED, busy.to_string());
            answer::try_later(answer::error(StatusCode::TOO_MANY_REQUESTS, Some(&call.id), &error), 1)
        }
    })?;
    let method = methods::Method::parse(&call.method, &params);
    let mut work = tokio::spawn(dispatch::answer(Arc::clone(ingress), session, caller, in_flight, method));
    tokio::select! {
        answer = &mut work => Ok(match answer.ok().flatten() {
            Some(answer) => answer::json(StatusCode::OK, answer),
            // The client cancelled this request: it wants no answer, and HTTP must have one.
            None => answer::events(Body::empty()),
        }),
        () = tokio::time::sleep(ingress.patience.answer) => {
            Ok(stream::answer_later(work, ingress.patience.keep_alive))
        }
    }
}

fn initialize(ingress: &Ingress, caller: &Caller, call: &Call<'_>, params: &Object<'_>) -> Result<Response, Refused> {
    let answer = methods::initialize(&ingress.name, params)
        .map_err(|error| answer::error(StatusCode::BAD_REQUEST, Some(&call.id), &error))?;
    let session = ingress.sessions.create(caller).map_err(|full| {
        let error = ErrorObject::new(code::OVERLOADED, full.to_string());
        answer::try_later(answer::error(StatusCode::SERVICE_UNAVAILABLE, Some(&call.id), &error), 5)
    })?;
    let mut response = answer::json(StatusCode::OK, crate::jsonrpc::result_response(&call.id, &answer));
    if let Ok(id) = HeaderValue::from_str(&session.id) {
        response.headers_mut().insert(SESSION_HEADER, id);
    }
    Ok(response)
}

fn take_notification(
    ingress: &Ingress,
    headers: &HeaderMap,
    caller: &Caller,
    notification: &Notification<'_>,
) -> Result<Response, Refused> {
    let params = notification
        .params
        .map(|params| Object::parse(params, "params", methods::owned_keys(&notification.method)))
        .transpose()
        .map_err(|error| bad_request(&ErrorObject::from(&error)))?;
    let stateless = revision::stateless(headers, &notification.method, params.as_ref())
        .map_err(|error| bad_request(&ErrorObject::from(&error)))?;
    if let Some(requested) = stateless {
        return Err(bad_request(&revision::unsupported(&requested)));
    }
    let session: Arc<Session> = ingress.session(headers, caller)?;
    check_version(headers)?;
    if notification.method == "notifications/cancelled"
        && let Some(id) = params.as_ref().and_then(|params| params.field("requestId"))
        && let Ok(id) = crate::jsonrpc::Id::parse(id)
    {
        session.cancel(&id);
    }
    Ok(answer::empty(StatusCode::ACCEPTED))
}
