//! The stream of `subscriptions/listen`: it stands until the client leaves or would not be let in any more, or the server
//! ends.

use super::Ingress;
use super::admission::Admission;
use super::answer::{self, KEEP_ALIVE};
use super::outbox::Reader;
use super::requests::Place;
use super::stateless::Subscription;
use crate::backend::Caller;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream::unfold;
use std::any::Any;
use std::convert::Infallible;
use tokio::time::Interval;
use tokio_util::sync::CancellationToken;

/// Tells `caller` what changes.
pub(super) fn stream(ingress: &Ingress, caller: &Caller, subscription: Subscription, place: Place) -> Response {
    let Subscription { acknowledgement, messages, end, over, kept } = subscription;
    let listening = Listening {
        first: Some(acknowledgement),
        reader: messages.reader(None),
        end: Some(end),
        over,
        stop: ingress.stop.clone(),
        admission: Admission::of(ingress, caller),
        keep_alive: tokio::time::interval(ingress.patience.keep_alive),
        _kept: (kept, place),
    };
    answer::events(Body::from_stream(unfold(listening, Listening::next)))
}

struct Listening {
    first: Option<Bytes>,
    reader: Reader,
    /// Nothing once it is said.
    end: Option<Bytes>,
    over: CancellationToken,
    stop: CancellationToken,
    admission: Admission,
    keep_alive: Interval,
    _kept: (Box<dyn Any + Send + Sync>, Place),
}

impl Listening {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        self.end.as_ref()?;
        if let Some(first) = self.first.take() {
            return Some((Ok(answer::event(&first)), self));
        }
        let event = tokio::select! {
            biased;
            message = self.reader.next() => answer::event(&message?.1),
            () = self.stop.cancelled() => answer::event(&self.end.take()?),
            () = self.admission.over() => answer::event(&self.end.take()?),
            () = self.over.cancelled() => return None,
            _ = self.keep_alive.tick() => KEEP_ALIVE,
        };
        Some((Ok(event), self))
    }
}
