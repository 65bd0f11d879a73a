//! The event stream that a client opens by GET: for messages outside of any request, or for the rest of a stream that it
//! has lost.

use super::admission::Admission;
use super::answer::{self, KEEP_ALIVE, Refused};
use super::outbox::Reader;
use super::session::Session;
use super::{Ingress, accept, answering};
use crate::backend::Caller;
use crate::jsonrpc::code;
use crate::replicas::OUTBOX;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, StatusCode};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Interval;
use tokio_util::sync::CancellationToken;

/// Names the event after which a client reads on.
const LAST_EVENT_ID: &str = "last-event-id";

/// Opens the stream of messages outside of any request, or another one again.
pub(super) async fn open(ingress: &Arc<Ingress>, headers: &HeaderMap) -> Result<Response, Refused> {
    let caller = ingress.authenticate(headers).await?;
    if !accept::accepted(headers).events {
        let message = "the Accept header of a GET request must include text/event-stream";
        return Err(answer::refusal(StatusCode::NOT_ACCEPTABLE, code::INVALID_REQUEST, message));
    }
    let session = ingress.session(headers, &caller).await?;
    ingress.check_version(headers)?;
    let mut read_on = None;
    if let Some(id) = headers.get(LAST_EVENT_ID) {
        let lost = || {
            let message = "the stream of the Last-Event-ID is not kept, or not any more";
            answer::refusal(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, message)
        };
        let (stream, from) = id.to_str().ok().and_then(answer::after_event).ok_or_else(lost)?;
        if stream != OUTBOX {
            return answering::read_on(&session, stream, from, ingress.patience).await.ok_or_else(lost);
        }
        read_on = Some(from);
    }
    let mut messages = Messages::of(ingress, session, &caller, read_on);
    messages.are_numbered = true;
    Ok(answer::events(Body::from_stream(stream::unfold(messages, Messages::next))))
}

/// Ticks at once, so that the client sees that the stream stands, and then at an interval.
fn every(interval: Duration) -> Interval {
    tokio::time::interval(interval)
}

/// The messages of a session, until it ends, the server ends, the caller would not be let in any more, or the client opens
/// another stream.
pub(super) struct Messages {
    session: Arc<Session>,
    reader: Reader,
    stop: CancellationToken,
    admission: Admission,
    keep_alive: Interval,
    /// Whether events have ids after which the client can read on.
    are_numbered: bool,
}

impl Messages {
    /// The messages of `session` that `caller` reads from now on: those from number `from` on, or those that were not read.
    pub(super) fn of(ingress: &Ingress, session: Arc<Session>, caller: &Caller, from: Option<u64>) -> Self {
        Self {
            reader: session.outbox.reader(from),
            session,
            stop: ingress.stop.clone(),
            admission: Admission::of(&ingress.report.discovered, caller),
            keep_alive: every(ingress.patience.keep_alive),
            are_numbered: false,
        }
    }

    /// The next piece of the stream, and the rest.
    pub(super) async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let event = tokio::select! {
            () = self.stop.cancelled() => return None,
            () = self.session.ended.cancelled() => return None,
            () = self.admission.over() => return None,
            message = self.reader.next() => {
                let (number, message) = message?;
                if self.are_numbered { answer::numbered_event(OUTBOX, number, &message) } else { answer::event(&message) }
            }
            _ = self.keep_alive.tick() => KEEP_ALIVE,
        };
        self.session.touch();
        Some((Ok(event), self))
    }
}
