//! Event streams: the one that a client opens by GET for messages outside of any request, and the one that answers
//! a call which takes its time.

use super::answer::{self, KEEP_ALIVE, Refused};
use super::dispatch::Outcome;
use super::outbox::Reader;
use super::session::Session;
use super::{Ingress, accept};
use crate::backend::Caller;
use crate::jsonrpc::code;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, StatusCode};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval};
use tokio_util::sync::CancellationToken;

/// Opens the stream of messages outside of any request.
pub(super) async fn open(ingress: &Ingress, headers: &HeaderMap) -> Result<Response, Refused> {
    let caller = ingress.authenticate(headers).await?;
    if !accept::accepted(headers).events {
        let message = "the Accept header of a GET request must include text/event-stream";
        return Err(answer::refusal(StatusCode::NOT_ACCEPTABLE, code::INVALID_REQUEST, message));
    }
    let session = ingress.session(headers, &caller)?;
    ingress.check_version(headers)?;
    let messages = Messages::of(ingress, session, &caller);
    Ok(answer::events(Body::from_stream(stream::unfold(messages, Messages::next))))
}

fn time_until(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::now()).unwrap_or_default()
}

/// Ticks at once, so that the client sees that the stream stands, and then at an interval.
fn every(interval: Duration) -> Interval {
    tokio::time::interval(interval)
}

/// The messages of a session, until it ends, the server ends, the caller's token expires, or the client opens
/// another stream.
pub(super) struct Messages {
    session: Arc<Session>,
    reader: Reader,
    stop: CancellationToken,
    expiry: Option<Instant>,
    keep_alive: Interval,
}

impl Messages {
    /// The messages of `session`, which `caller` reads from now on.
    pub(super) fn of(ingress: &Ingress, session: Arc<Session>, caller: &Caller) -> Self {
        let expires_in = caller.subject_token.as_ref().map(|token| time_until(token.expires_at()));
        Self {
            reader: session.outbox.reader(),
            session,
            stop: ingress.stop.clone(),
            expiry: expires_in.map(|left| Instant::now() + left),
            keep_alive: every(ingress.patience.keep_alive),
        }
    }

    /// The next piece of the stream, and the rest.
    pub(super) async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let expired = async {
            match self.expiry {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            () = self.stop.cancelled() => return None,
            () = self.session.ended.cancelled() => return None,
            () = expired => return None,
            message = self.reader.next() => answer::event(&message?),
            _ = self.keep_alive.tick() => KEEP_ALIVE,
        };
        self.session.touch();
        Some((Ok(event), self))
    }
}

/// A request that is being worked on, and what comes of it before its answer.
#[derive(Debug)]
pub(super) struct Work {
    /// The work.
    pub(super) task: JoinHandle<Outcome>,
    /// Messages that belong to the request.
    pub(super) messages: mpsc::Receiver<Bytes>,
}

/// Answers a request by a stream that begins with the message `first`, if there is one. The work goes on when the
/// client leaves: in the era with sessions that is no cancellation.
pub(super) fn answer_later(first: Option<Bytes>, work: Work, keep_alive: Duration) -> Response {
    let answering = Answering { first, work: Some(work), keep_alive: every(keep_alive) };
    answer::events(Body::from_stream(stream::unfold(answering, Answering::next)))
}

struct Answering {
    first: Option<Bytes>,
    work: Option<Work>,
    keep_alive: Interval,
}

impl Answering {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if let Some(message) = self.first.take() {
            return Some((Ok(answer::event(&message)), self));
        }
        let mut work = self.work.take()?;
        let event = tokio::select! {
            // What was said before the answer is told before it.
            biased;
            Some(message) = work.messages.recv() => {
                self.work = Some(work);
                answer::event(&message)
            }
            outcome = &mut work.task => {
                let (Outcome::Answered(answer) | Outcome::SessionLost(answer)) = outcome.ok()? else { return None };
                answer::event(&answer)
            }
            _ = self.keep_alive.tick() => {
                self.work = Some(work);
                KEEP_ALIVE
            }
        };
        Some((Ok(event), self))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http_body_util::BodyExt;

    async fn text(task: JoinHandle<Outcome>) -> String {
        let (_, messages) = mpsc::channel(1);
        let response = answer_later(None, Work { task, messages }, Duration::from_secs(15));
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_takes_its_time_comes_after_signs_of_life() {
        let work = tokio::spawn(async {
            tokio::time::sleep(Duration::from_secs(40)).await;
            Outcome::Answered(Bytes::from_static(b"{}"))
        });
        let alive = ": keep-alive\n\n";
        assert_eq!(text(work).await, format!("{alive}{alive}{alive}event: message\ndata: {{}}\n\n"));
    }

    #[tokio::test]
    async fn a_cancelled_request_ends_its_stream_without_an_answer() {
        let work = tokio::spawn(async {
            tokio::task::yield_now().await;
            Outcome::Cancelled
        });
        assert!(!text(work).await.contains("data"));
    }

    #[tokio::test]
    async fn what_comes_before_the_answer_is_told_before_it() {
        let (sender, messages) = mpsc::channel(8);
        let task = tokio::spawn(async move {
            for message in ["1", "2", "3"] {
                sender.send(Bytes::from(message)).await.unwrap();
            }
            Outcome::Answered(Bytes::from_static(b"{}"))
        });
        let response = answer_later(Some(Bytes::from("0")), Work { task, messages }, Duration::from_secs(15));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let told: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        assert_eq!(told, ["0", "1", "2", "3", "{}"]);
    }
}
