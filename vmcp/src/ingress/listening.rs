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
        admission: Admission::of(&ingress.report.discovered, caller),
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
            // Before the messages, of which there may always be one more.
            () = self.stop.cancelled() => answer::event(&self.end.take()?),
            () = self.admission.over() => answer::event(&self.end.take()?),
            message = self.reader.next() => answer::event(&message?.1),
            () = self.over.cancelled() => return None,
            _ = self.keep_alive.tick() => KEEP_ALIVE,
        };
        Some((Ok(event), self))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Outbox;
    use super::super::requests::Requests;
    use super::*;
    use crate::backend::{Principal, SubjectToken};
    use crate::discovery::Snapshot;
    use futures::StreamExt;
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};
    use tokio::sync::watch;

    /// What `caller` is told by a server that everybody may read from, and that always has something to tell.
    async fn told(caller: &Caller, stop: &CancellationToken) -> Vec<Bytes> {
        let (outbox, discovered) = (Arc::<Outbox>::default(), watch::Sender::new(Snapshot::default()).subscribe());
        let listening = Listening {
            first: None,
            reader: outbox.reader(None),
            end: Some(Bytes::from_static(b"end")),
            over: CancellationToken::new(),
            stop: stop.clone(),
            admission: Admission::of(&discovered, caller),
            keep_alive: tokio::time::interval(Duration::from_mins(1)),
            _kept: (Box::new(()), Requests::new(1).begin(None).unwrap()),
        };
        let news = || outbox.push(Bytes::from_static(b"news"));
        news();
        let events = unfold(listening, Listening::next).inspect(|_| news());
        events.map(Result::unwrap).take(3).collect().await
    }

    #[tokio::test]
    async fn who_would_not_be_let_in_any_more_is_told_nothing_more() {
        let (stop, anybody) = (CancellationToken::new(), Caller::anonymous());
        assert_eq!(told(&anybody, &stop).await, vec![answer::event(b"news"); 3]);
        let principal = Principal { issuer: "i".to_owned(), subject: "alice".to_owned() };
        let token = SubjectToken::new("t".to_owned(), SystemTime::now() + Duration::from_hours(1));
        let of_another_policy = Caller::authenticated(principal, token);
        assert_eq!(told(&of_another_policy, &stop).await, [answer::event(b"end")]);
        stop.cancel();
        assert_eq!(told(&anybody, &stop).await, [answer::event(b"end")]);
    }
}
