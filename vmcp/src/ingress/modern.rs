//! Requests of the revisions without sessions (MCP 2026-07-28): judged by what they say of themselves, answered each by
//! itself, and cancelled when the client leaves.
//!
//! A request is worked on by whoever answers it, for as long as there is nothing but one document to answer with. Once the answer is
//! a stream, it has a task of its own: nobody polls the body of an answer whose client does not read, and the time of
//! the request must run out all the same.

use super::answer::{self, KEEP_ALIVE, Refused};
use super::requests::Crowded;
use super::stateless::{Asked, StatelessEndpoint};
use super::{Ingress, Patience, listening, mirror, revision};
use crate::backend::Caller;
use crate::egress::Reply;
use crate::jsonrpc::{ErrorObject, Id, Object, Request, code, error_response, raw, result_response};
use crate::stateless::{self, errors, header, meta::RequestMeta};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, stream};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Interval;
use tokio_util::task::AbortOnDropHandle;

/// Messages of one request that wait to be written.
const MESSAGES: usize = 32;
/// After how many seconds a client may try again what was too much at once.
const RETRY_AFTER: u16 = 1;

/// Answers a request with these params.
pub(super) async fn answer_call(
    ingress: &Arc<Ingress>,
    endpoint: &StatelessEndpoint,
    headers: &HeaderMap,
    caller: Caller,
    asked: &Request<'_>,
    params: &Object<'_>,
) -> Result<Response, Refused> {
    let refuse = |error| answer::error(StatusCode::BAD_REQUEST, Some(&asked.id), &errors::of_gateway(error));
    let asked = judge(endpoint.gateway.revisions(), headers, asked, params).map_err(refuse)?;
    let place = endpoint.requests.begin(caller.principal.as_ref()).map_err(|crowded| {
        let error = ErrorObject::new(code::OVERLOADED, crowded.to_string());
        let response = |status| answer::error(status, Some(&asked.id), &errors::of_gateway(error));
        match crowded {
            Crowded::User => answer::try_later(response(StatusCode::TOO_MANY_REQUESTS), RETRY_AFTER),
            Crowded::All => answer::try_later(response(StatusCode::SERVICE_UNAVAILABLE), RETRY_AFTER),
        }
    })?;
    if asked.method == "subscriptions/listen" {
        let subscription = endpoint.gateway.listen(&caller, &asked).await.map_err(|error| refusal(&asked.id, error))?;
        return Ok(listening::stream(ingress, &caller, subscription, place));
    }
    let (gateway, (sender, messages)) = (Arc::clone(&endpoint.gateway), mpsc::channel(MESSAGES));
    let answer = async move {
        let _place = place;
        let reply = gateway.answer(&caller, &asked, sender).await;
        Answer::of(&asked.id, reply)
    };
    Ok(Work { answer: answer.boxed(), messages }.respond(ingress.patience).await)
}

/// What a request says of itself, if it says what it must. Clients may start with these `revisions`.
fn judge(
    revisions: &[&'static str],
    headers: &HeaderMap,
    asked: &Request<'_>,
    params: &Object<'_>,
) -> Result<Asked, ErrorObject> {
    let header = mirror::version(headers)?;
    let meta = revision::meta(params).map_err(|error| ErrorObject::from(&error))?;
    let (version, meta) = RequestMeta::read(meta.as_ref())?;
    mirror::check_version(&header, &version)?;
    if !stateless::SPOKEN.contains(&version.as_str()) {
        return Err(revision::unsupported(&version, revisions));
    }
    mirror::check(headers, &asked.method, params)?;
    let params = asked.params.map_or_else(|| raw(&json!({})), ToOwned::to_owned);
    let arguments = header::of_arguments(headers);
    Ok(Asked { id: asked.id.clone(), method: asked.method.clone().into_owned(), params, meta, arguments })
}

fn refusal(id: &Id, error: ErrorObject) -> Refused {
    let Answer { status, body } = Answer::of(id, Err(error));
    respond(status, body).into()
}

fn respond(status: StatusCode, body: Bytes) -> Response {
    let response = answer::json(status, body);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return *answer::try_later(response, RETRY_AFTER).0;
    }
    response
}

/// A response, and the status that goes with it when nothing else has been said.
struct Answer {
    status: StatusCode,
    body: Bytes,
}

impl Answer {
    fn of(id: &Id, reply: Result<Reply, ErrorObject>) -> Self {
        let error = match reply {
            Ok(Reply::Result(result)) => {
                return Self { status: StatusCode::OK, body: result_response(id, &result) };
            }
            Ok(Reply::Error(error)) => errors::of_backend(error),
            Err(error) => {
                let status = errors::status(error.code);
                return Self { status, body: error_response(Some(id), &raw(&errors::of_gateway(error))) };
            }
        };
        Self { status: errors::status(errors::code_of(&error)), body: error_response(Some(id), &error) }
    }
}

/// A request that is being worked on. Dropping it cancels the request.
struct Work {
    answer: BoxFuture<'static, Answer>,
    messages: mpsc::Receiver<Bytes>,
}

impl Work {
    /// One document, or a stream where there is something to say before the answer, or where that takes its time.
    async fn respond(mut self, patience: Patience) -> Response {
        let first = tokio::select! {
            biased;
            Some(message) = self.messages.recv() => Some(message),
            Answer { status, body } = &mut self.answer => {
                let Ok(message) = self.messages.try_recv() else { return respond(status, body) };
                // What was said before the answer is told before it.
                let said = [message].into_iter().chain(std::iter::from_fn(|| self.messages.try_recv().ok()));
                let events: Vec<_> = said.chain([body]).map(|message| answer::event(&message)).collect();
                return answer::events(Body::from(events.concat()));
            }
            () = tokio::time::sleep(patience.answer) => None,
        };
        let writing = Writing {
            answer: Some(AbortOnDropHandle::new(tokio::spawn(self.answer))),
            messages: self.messages,
            ready: first.into_iter().collect(),
            keep_alive: tokio::time::interval(patience.keep_alive),
        };
        answer::events(Body::from_stream(stream::unfold(writing, Writing::next)))
    }
}

/// The stream of an answer. Dropping it cancels the request.
struct Writing {
    /// The task that works on it. Nothing once it is answered.
    answer: Option<AbortOnDropHandle<Answer>>,
    messages: mpsc::Receiver<Bytes>,
    ready: VecDeque<Bytes>,
    keep_alive: Interval,
}

impl Writing {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if let Some(message) = self.ready.pop_front() {
            return Some((Ok(answer::event(&message)), self));
        }
        let answering = self.answer.as_mut()?;
        let event = tokio::select! {
            biased;
            Some(message) = self.messages.recv() => answer::event(&message),
            answered = answering => {
                // A task that has failed has no answer, and its stream ends without one.
                let body = answered.ok().map(|Answer { body, .. }| body);
                self.ready.extend(std::iter::from_fn(|| self.messages.try_recv().ok()).chain(body));
                self.answer = None;
                answer::event(&self.ready.pop_front()?)
            }
            _ = self.keep_alive.tick() => KEEP_ALIVE,
        };
        Some((Ok(event), self))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::stateless::meta;
    use futures::poll;
    use http::{HeaderName, HeaderValue};
    use http_body_util::BodyExt;
    use std::time::Duration;
    use tokio::sync::oneshot;

    #[test]
    fn what_is_noted_of_a_request_tells_no_token() {
        let meta = json!({ meta::PROTOCOL_VERSION: stateless::VERSION, meta::CLIENT_CAPABILITIES: {} });
        let params = raw(&json!({ "name": "t", "_meta": meta }));
        let request = Request { id: Id::from(1), method: "tools/call".into(), params: Some(&params) };
        let headers = [
            ("authorization", "Bearer secret"),
            ("mcp-protocol-version", stateless::VERSION),
            ("mcp-method", "tools/call"),
            ("mcp-name", "t"),
            ("mcp-param-region", "north"),
        ];
        let headers = headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let params = Object::parse(&params, "params", &["name", "_meta"]).unwrap();
        let asked = judge(&[], &HeaderMap::from_iter(headers), &request, &params).unwrap();
        let noted = format!("{asked:?}");
        assert!(noted.contains("north") && !noted.contains("secret"), "{noted}");
    }

    /// A request that talks for a minute, and whether it had to wait at its end; nothing if it is cancelled.
    fn talkative() -> (Work, oneshot::Receiver<bool>) {
        let (sender, messages) = mpsc::channel(MESSAGES);
        let (ended, has_ended) = oneshot::channel();
        let answer = async move {
            let talking = async { while sender.send(Bytes::from_static(b"1")).await.is_ok() {} };
            let has_talked = tokio::time::timeout(Duration::from_mins(1), talking).await;
            ended.send(has_talked.is_err()).unwrap();
            Answer { status: StatusCode::OK, body: Bytes::from_static(b"2") }
        };
        (Work { answer: answer.boxed(), messages }, has_ended)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_ends_in_its_time_though_nobody_reads_its_stream() {
        let (work, ended) = talkative();
        let unread = work.respond(Patience::default()).await;
        let had_to_wait = tokio::time::timeout(Duration::from_mins(2), ended).await;
        assert!(had_to_wait.expect("nobody watches the clock of the request").unwrap());
        let told = unread.into_body().collect().await.unwrap().to_bytes();
        let told = String::from_utf8(told.to_vec()).unwrap();
        let told: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        assert_eq!((told.len(), told.last()), (MESSAGES + 2, Some(&"2")), "what waits to be read is bounded");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_cancelled_when_its_client_leaves() {
        let (work, mut ended) = talkative();
        let unread = work.respond(Patience::default()).await;
        assert!(poll!(&mut ended).is_pending());
        drop(unread);
        assert!(ended.await.is_err(), "it goes on");
    }
}
