//! Which revisions the servers of the backends speak: those with sessions or those without. It is a property of the server, so
//! that all sessions with one endpoint share what one of them has found out (2026-07-28, versioning).

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;
use url::Url;

use super::discover::Discovered;
use super::error::{Cause, EgressError};
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
    known: Mutex<Option<Era>>,
    /// The id of the last request without session.
    last_id: AtomicU64,
    /// The last attempt to find it out. Whoever holds it makes the next one.
    last: tokio::sync::Mutex<Option<Attempt>>,
}

#[derive(Debug)]
struct Attempt {
    ended: Instant,
    outcome: Result<Discovered, EgressError>,
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
        *self.lock()
    }

    /// The server has shown that it is of this era.
    pub(super) fn is(&self, era: Era) {
        *self.lock() = Some(era);
    }

    /// The server has shown that it may not be of this era any more.
    pub(super) fn doubt(&self, era: Era) {
        self.lock().take_if(|known| *known == era);
    }

    /// The era: the one that is known, else what `discover` finds out. Whoever has waited for the attempt of another takes its
    /// outcome, unless it failed for a reason of that other's own.
    pub(super) async fn learn(
        &self,
        discover: impl Future<Output = Result<Discovered, EgressError>>,
    ) -> Result<Learned, EgressError> {
        if let Some(era) = self.known() {
            return Ok(Learned::Before(era));
        }
        let arrived = Instant::now();
        let mut last = self.last.lock().await;
        if let Some(era) = self.known() {
            return Ok(Learned::Before(era));
        }
        let shared = last.as_ref().filter(|attempt| attempt.ended >= arrived).map(|attempt| &attempt.outcome);
        if let Some(outcome) = shared.filter(|outcome| is_everyones(outcome)) {
            return outcome.clone().map(Learned::JustNow);
        }
        let outcome = discover.await;
        match &outcome {
            Ok(Discovered::Stateless(_)) => self.is(Era::Stateless),
            Ok(Discovered::Sessions) => self.is(Era::Sessions),
            Ok(Discovered::Unclear) | Err(_) => {}
        }
        *last = Some(Attempt { ended: Instant::now(), outcome: outcome.clone() });
        outcome.map(Learned::JustNow)
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Option<Era>> {
        self.known.lock()
    }
}

/// Whether others would have had the same outcome: credentials are each one's own.
fn is_everyones(outcome: &Result<Discovered, EgressError>) -> bool {
    outcome.as_ref().err().is_none_or(|error| error.cause() != Cause::Unauthorized && !error.is_at_token_endpoint())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    async fn all_of(count: usize, outcome: Result<Discovered, EgressError>) -> (usize, Vec<Result<Era, EgressError>>) {
        let (endpoint, asked) = (Endpoint::default(), AtomicUsize::new(0));
        let learn = || async {
            let discover = async {
                asked.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                outcome.clone()
            };
            endpoint.learn(discover).await.map(|learned| learned.era())
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

    #[tokio::test]
    async fn what_is_not_certain_is_asked_again_and_what_is_known_is_not() {
        let endpoint = Endpoint::default();
        assert_eq!(endpoint.learn(async { Ok(Discovered::Unclear) }).await.unwrap().era(), Era::Sessions);
        assert_eq!(endpoint.known(), None);
        assert_eq!(endpoint.learn(async { Ok(Discovered::Sessions) }).await.unwrap().era(), Era::Sessions);
        let known = endpoint.learn(async { Ok(Discovered::Stateless(None)) }).await.unwrap();
        assert_eq!(known.era(), Era::Sessions, "nobody asks what is known");
        endpoint.doubt(Era::Stateless);
        assert_eq!(endpoint.known(), Some(Era::Sessions));
        endpoint.doubt(Era::Sessions);
        assert_eq!(endpoint.known(), None);
    }
}
