//! Which revisions the servers of the backends speak: those with sessions or those without. It is a property of the server, so
//! that all sessions with one endpoint share what one of them has found out (2026-07-28, versioning).

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use url::Url;

use super::discover::Discovered;
use super::error::EgressError;
use super::single_flight::SingleFlight;
use crate::backend::Backends;

/// The two ways to speak MCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// Revisions up to 2025-11-25: a handshake opens a session.
    Sessions,
    /// Revision 2026-07-28: each request says all that is needed to answer it.
    Stateless,
}

/// What is known of all endpoints. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Eras(Arc<Mutex<HashMap<Url, Arc<Endpoint>>>>);

impl Eras {
    /// What is known of the endpoint of this URL.
    pub(super) fn of(&self, url: &Url) -> Arc<Endpoint> {
        Arc::clone(self.lock().entry(url.clone()).or_default())
    }

    /// Forgets the endpoints that no backend has.
    pub(super) fn retain(&self, backends: &Backends) {
        self.lock().retain(|url, _| backends.values().any(|backend| backend.url == *url));
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, HashMap<Url, Arc<Endpoint>>> {
        self.0.lock()
    }
}

/// One endpoint.
#[derive(Debug, Default)]
pub(super) struct Endpoint {
    /// What the server has shown of itself.
    shown: SingleFlight<Discovered>,
    /// The id of the last request without session.
    last_id: AtomicU64,
}

/// The era of an endpoint.
#[derive(Debug)]
pub(super) enum Learned {
    /// As an earlier request has found out.
    Before(Era),
    /// As the server has just said.
    JustNow(Discovered),
}

impl Learned {
    pub(super) fn era(&self) -> Era {
        match self {
            Self::Before(era) => *era,
            Self::JustNow(discovered) => discovered.era(),
        }
    }
}

impl Endpoint {
    /// The id of another request without session. A server may get those of all clients over one connection, and a request
    /// that is sent again needs an id of its own.
    pub(super) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The era, as far as it is known.
    pub(super) fn known(&self) -> Option<Era> {
        self.shown.look(|shown| shown.and_then(Discovered::proven))
    }

    /// The server has shown that it is of this era.
    pub(super) fn is(&self, era: Era) {
        self.shown.put(match era {
            Era::Sessions => Discovered::Sessions,
            Era::Stateless => Discovered::Stateless(None),
        });
    }

    /// The server has shown that it may not be of this era any more.
    pub(super) fn doubt(&self, era: Era) {
        self.shown.discard(|shown| shown.proven() == Some(era));
    }

    /// The era: the one that is known, else what `discover` finds out, once for all who ask meanwhile.
    pub(super) async fn learn<F>(&self, discover: impl Fn() -> F) -> Result<Learned, EgressError>
    where
        F: Future<Output = Result<Discovered, EgressError>> + Send + 'static,
    {
        match self.known() {
            Some(era) => Ok(Learned::Before(era)),
            None => self.shown.get(|shown| shown.proven().is_some(), discover).await.map(Learned::JustNow),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::egress::error::Cause;

    /// A second that brings this outcome.
    fn takes_a_second(
        asked: &Arc<AtomicUsize>,
        outcome: &Result<Discovered, EgressError>,
    ) -> impl Future<Output = Result<Discovered, EgressError>> + use<> {
        let (asked, outcome) = (Arc::clone(asked), outcome.clone());
        async move {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(1)).await;
            outcome
        }
    }

    async fn all_of(count: usize, outcome: Result<Discovered, EgressError>) -> (usize, Vec<Result<Era, EgressError>>) {
        let (endpoint, asked) = (Endpoint::default(), Arc::default());
        let learn = || async {
            let learned = endpoint.learn(|| takes_a_second(&asked, &outcome)).await;
            learned.map(|learned| learned.era())
        };
        let eras = futures::future::join_all((0..count).map(|_| learn())).await;
        (asked.load(Ordering::SeqCst), eras)
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_many_asks_and_the_others_share_what_comes_of_it() {
        let refused = EgressError::new(Cause::Refused, "nobody listens");
        for (outcome, expected) in [
            (Ok(Discovered::Stateless(None)), Ok(Era::Stateless)),
            (Ok(Discovered::Sessions), Ok(Era::Sessions)),
            (Ok(Discovered::Unclear), Ok(Era::Sessions)),
            (Err(refused.clone()), Err(refused)),
        ] {
            assert_eq!(all_of(5, outcome).await, (1, vec![expected; 5]));
        }
        let unauthorized = EgressError::new(Cause::Unauthorized, "401");
        assert_eq!(all_of(5, Err(unauthorized)).await.0, 5, "each has credentials of its own");
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_impatient_have_asked_for_is_found_out_nevertheless() {
        let (endpoint, asked) = (Endpoint::default(), Arc::default());
        let outcome = Ok(Discovered::Stateless(None));
        for _ in 0..3 {
            let learned = endpoint.learn(|| takes_a_second(&asked, &outcome));
            assert!(tokio::time::timeout(Duration::from_millis(300), learned).await.is_err());
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!((endpoint.known(), asked.load(Ordering::SeqCst)), (Some(Era::Stateless), 1));
    }

    #[tokio::test]
    async fn what_is_not_certain_is_asked_again_and_what_is_known_is_not() {
        let endpoint = Endpoint::default();
        let learn = async |outcome: Discovered| {
            let learned = endpoint.learn(|| std::future::ready(Ok(outcome.clone()))).await;
            learned.unwrap().era()
        };
        assert_eq!(learn(Discovered::Unclear).await, Era::Sessions);
        assert_eq!(endpoint.known(), None);
        assert_eq!(learn(Discovered::Sessions).await, Era::Sessions);
        assert_eq!(learn(Discovered::Stateless(None)).await, Era::Sessions, "nobody asks what is known");
        endpoint.doubt(Era::Stateless);
        assert_eq!(endpoint.known(), Some(Era::Sessions));
        endpoint.doubt(Era::Sessions);
        assert_eq!(endpoint.known(), None);
    }
}
