//! Event streams: the one that a client opens by GET for messages outside of any request, and the one that answers
//! a call which takes its time.

use super::answer::{self, KEEP_ALIVE, Refused};
use super::outbox::Reader;
use super::session::Session;
use super::{Ingress, accept, check_version};
use crate::jsonrpc::code;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, StatusCode};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
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
    check_version(headers)?;
    let expires_in = caller.subject_token.map(|token| time_until(token.expires_at()));
    let messages = Messages {
        reader: session.outbox.reader(),
        session,
        stop: ingress.stop.clone(),
        expiry: expires_in.map(|left| Instant::now() + left),
        keep_alive: every(ingress.patience.keep_alive),
    };
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
struct Messages {
    session: Arc<Session>,
    reader: Reader,
    stop: CancellationToken,
    expiry: Option<Instant>,
    keep_alive: Interval,
}

impl Messages {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
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

/// Answers a request whose answer is still being worked on. The work goes on when the client leaves: in the era with
/// sessions that is no cancellation.
pub(super) fn answer_later(work: JoinHandle<Option<Bytes>>, keep_alive: Duration) -> Response {
    let events = stream::unfold((Some(work), every(keep_alive)), |(work, mut keep_alive)| async move {
        let mut work = work?;
        tokio::select! {
            answer = &mut work => {
                let answer = answer.ok().flatten()?;
                Some((Ok::<_, Infallible>(answer::event(&answer)), (None, keep_alive)))
            }
            _ = keep_alive.tick() => Some((Ok(KEEP_ALIVE), (Some(work), keep_alive))),
        }
    });
    answer::events(Body::from_stream(events))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http_body_util::BodyExt;

    async fn text(work: JoinHandle<Option<Bytes>>) -> String {
        let response = answer_later(work, Duration::from_secs(15));
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_takes_its_time_comes_after_signs_of_life() {
        let work = tokio::spawn(async {
            tokio::time::sleep(Duration::from_secs(40)).await;
            Some(Bytes::from_static(b"{}"))
        });
        let alive = ": keep-alive\n\n";
        assert_eq!(text(work).await, format!("{alive}{alive}{alive}event: message\ndata: {{}}\n\n"));
    }

    #[tokio::test]
    async fn a_cancelled_request_ends_its_stream_without_an_answer() {
        let work = tokio::spawn(async {
            tokio::task::yield_now().await;
            None
        });
        assert!(!text(work).await.contains("data"));
    }
}
