//! Exchanged tokens, kept for as long as they may be used again.
//!
//! An entry belongs to one token exchange configuration and one subject token. It lives until the earliest of the
//! issued expiry less a margin, the subject token's expiry, and the longest time that the administrator allows, which
//! is the delay with which a revocation takes effect. Only a request that brings a live subject token renews it. The
//! exchange is a task of its own, one per key: a caller who leaves fails nobody.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tokio::sync::watch;
use tokio::time::Instant;

use super::OutgoingAuth;
use super::token_exchange::TokenExchange;
use crate::backend::SubjectToken;
use crate::egress::{Cause, EgressError};

/// How long a token is used at most, unless the administrator says otherwise.
pub const DEFAULT_LONGEST_USE: Duration = Duration::from_mins(5);
/// How long before its expiry a token is renewed, at most a quarter of its lifetime.
const MARGIN: Duration = Duration::from_secs(30);
/// How long the first failure is remembered; it doubles with each further one.
const FIRST_FAILURE: Duration = Duration::from_secs(1);
/// How long a failure is remembered at most.
const LONGEST_FAILURE: Duration = Duration::from_secs(30);
/// How many tokens are kept.
const CAPACITY: usize = 10_000;

/// A token as the token endpoint issued it.
pub struct ExchangedToken {
    bearer: HeaderValue,
    lifetime: Option<Duration>,
}

impl ExchangedToken {
    /// A token that is valid for `lifetime`; `None` when it does not fit into a header.
    pub fn new(text: &str, lifetime: Option<Duration>) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let mut bearer = HeaderValue::from_str(&format!("Bearer {text}")).ok()?;
        bearer.set_sensitive(true);
        Some(Self { bearer, lifetime })
    }
}

impl fmt::Debug for ExchangedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ExchangedToken").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// A token in the cache.
#[derive(Debug)]
pub struct CachedToken {
    token: ExchangedToken,
    expires_at: Instant,
}

impl CachedToken {
    /// The token with its scheme, for `Authorization`.
    pub fn bearer(&self) -> &HeaderValue {
        &self.token.bearer
    }
}

/// Which token it is: the configuration, and the hash of the subject token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey {
    configuration: u64,
    subject: [u8; 32],
}

impl CacheKey {
    /// The key of the token that `exchange` gives for `subject`.
    pub fn new(exchange: &Arc<TokenExchange>, subject: &SubjectToken) -> Self {
        Self { configuration: OutgoingAuth::TokenExchange(Arc::clone(exchange)).identity(), subject: *subject.digest() }
    }
}

type Outcome = Result<Arc<CachedToken>, EgressError>;

enum Slot {
    Pending { number: u64, outcome: watch::Receiver<Option<Outcome>>, failures: u32 },
    Ready(Arc<CachedToken>),
    Failed { error: EgressError, until: Instant, failures: u32 },
}

/// The cache. Cheap to clone.
#[derive(Clone)]
pub struct TokenCache(Arc<Shared>);

struct Shared {
    longest_use: Duration,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    by_key: HashMap<CacheKey, Slot>,
    started: u64,
}

impl TokenCache {
    /// A cache that uses no token for longer than `longest_use`.
    pub fn new(longest_use: Duration) -> Self {
        Self(Arc::new(Shared { longest_use, slots: Mutex::default() }))
    }

    /// The token of `key`: from the cache, from an exchange that runs already, or from a new one.
    ///
    /// `subject_expires_at` bounds the use of a new token.
    pub async fn get<F, Fut>(&self, key: &CacheKey, subject_expires_at: SystemTime, exchange: F) -> Outcome
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<ExchangedToken, EgressError>> + Send + 'static,
    {
        let Ok(subject_lifetime) = subject_expires_at.duration_since(SystemTime::now()) else {
            return Err(EgressError::new(Cause::Unauthorized, "the caller's token has expired"));
        };
        let mut outcome = match self.0.find(key) {
            Found::Outcome(outcome) => return outcome,
            Found::Pending(outcome) => outcome,
            Found::Nothing { failures } => self.start(key.clone(), failures, subject_lifetime, exchange()),
        };
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(abandoned())),
            Err(_) => Err(abandoned()),
        }
    }

    /// Forgets `token`, unless a newer one has taken its place.
    pub fn evict(&self, key: &CacheKey, token: &Arc<CachedToken>) {
        let mut slots = self.0.lock();
        if matches!(slots.by_key.get(key), Some(Slot::Ready(current)) if Arc::ptr_eq(current, token)) {
            slots.by_key.remove(key);
        }
    }

    /// Forgets the tokens of all configurations but those with these identities.
    pub fn retain_configurations(&self, identities: &[u64]) {
        self.0.lock().by_key.retain(|key, _| identities.contains(&key.configuration));
    }

    fn start<Fut>(
        &self,
        key: CacheKey,
        failures: u32,
        subject_lifetime: Duration,
        exchange: Fut,
    ) -> watch::Receiver<Option<Outcome>>
    where
        Fut: Future<Output = Result<ExchangedToken, EgressError>> + Send + 'static,
    {
        let (sender, receiver) = watch::channel(None);
        let number = {
            let mut slots = self.0.lock();
            // Somebody else may have been faster since the look-up.
            if let Some(Slot::Pending { outcome, .. }) = slots.by_key.get(&key) {
                return outcome.clone();
            }
            slots.make_room();
            slots.started += 1;
            let number = slots.started;
            slots.by_key.insert(key.clone(), Slot::Pending { number, outcome: receiver.clone(), failures });
            number
        };
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let subject_ends = Instant::now() + subject_lifetime;
            let outcome = exchange.await.map(|token| {
                let expires_at = shared.expiry(&token, subject_ends);
                Arc::new(CachedToken { token, expires_at })
            });
            shared.finish(&key, number, &outcome);
            // Nobody may be waiting any more.
            let _ = sender.send(Some(outcome));
        });
        receiver
    }
}

enum Found {
    Outcome(Outcome),
    Pending(watch::Receiver<Option<Outcome>>),
    Nothing { failures: u32 },
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock()
    }

    fn find(&self, key: &CacheKey) -> Found {
        let now = Instant::now();
        match self.lock().by_key.get(key) {
            Some(Slot::Ready(token)) if token.expires_at > now => Found::Outcome(Ok(Arc::clone(token))),
            Some(Slot::Failed { error, until, .. }) if *until > now => Found::Outcome(Err(error.clone())),
            Some(Slot::Pending { outcome, .. }) => Found::Pending(outcome.clone()),
            Some(Slot::Failed { failures, .. }) => Found::Nothing { failures: *failures },
            Some(Slot::Ready(_)) | None => Found::Nothing { failures: 0 },
        }
    }

    fn expiry(&self, token: &ExchangedToken, subject_ends: Instant) -> Instant {
        let now = Instant::now();
        let issued =
            token.lifetime.map_or(self.longest_use, |lifetime| lifetime.saturating_sub(MARGIN.min(lifetime / 4)));
        (now + issued.min(self.longest_use)).min(subject_ends)
    }

    fn finish(&self, key: &CacheKey, number: u64, outcome: &Outcome) {
        let mut slots = self.lock();
        // A slot that was evicted meanwhile stays evicted.
        let Some(slot) = slots.by_key.get_mut(key) else { return };
        let Slot::Pending { number: own, failures, .. } = slot else { return };
        if *own != number {
            return;
        }
        *slot = match outcome {
            Ok(token) => Slot::Ready(Arc::clone(token)),
            // Nothing was asked: the circuit breaker says itself when it may be.
            Err(error) if error.cause() == Cause::CircuitOpen => {
                slots.by_key.remove(key);
                return;
            }
            Err(error) => {
                let delay = FIRST_FAILURE.saturating_mul(1 << (*failures).min(5)).min(LONGEST_FAILURE);
                Slot::Failed {
                    error: error.clone(),
                    until: Instant::now() + delay,
                    failures: failures.saturating_add(1),
                }
            }
        };
    }
}

impl Slots {
    /// Keeps the number of slots bounded: what has expired goes, then what expires first.
    fn make_room(&mut self) {
        if self.by_key.len() < CAPACITY {
            return;
        }
        let now = Instant::now();
        self.by_key.retain(|_, slot| slot.ends().is_none_or(|ends| ends > now));
        if self.by_key.len() < CAPACITY {
            return;
        }
        let mut ends: Vec<Instant> = self.by_key.values().filter_map(Slot::ends).collect();
        ends.sort_unstable();
        if let Some(limit) = ends.get(CAPACITY / 10).copied() {
            self.by_key.retain(|_, slot| slot.ends().is_none_or(|ends| ends > limit));
        }
    }
}

impl Slot {
    fn ends(&self) -> Option<Instant> {
        match self {
            Self::Pending { .. } => None,
            Self::Ready(token) => Some(token.expires_at),
            Self::Failed { until, .. } => Some(*until),
        }
    }
}

fn abandoned() -> EgressError {
    EgressError::new(Cause::Protocol, "the token exchange ended without an outcome").at_token_endpoint()
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TokenCache").field("longest_use", &self.0.longest_use).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
