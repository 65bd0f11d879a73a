//! What a backend's authentication puts on a request, obtained when the request is sent.

use std::fmt;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

use super::OutgoingAuth;
use super::token_cache::{CacheKey, CachedToken, TokenCache};
use super::token_circuits::TokenCircuits;
use super::token_exchange::TokenExchange;
use crate::backend::{Backend, Backends, Caller, Purpose};
use crate::circuit::CircuitSettings;
use crate::egress::{Cause, EgressError, HttpClient};

/// Obtains credentials; keeps exchanged tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Credentials {
    http: HttpClient,
    cache: TokenCache,
    circuits: TokenCircuits,
}

/// A header that authenticates a request.
#[derive(Clone)]
pub struct Credential {
    name: HeaderName,
    value: HeaderValue,
    exchanged: Option<(CacheKey, Arc<CachedToken>)>,
}

impl Credential {
    /// Name of the header.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Value of the header, marked sensitive.
    pub fn value(&self) -> &HeaderValue {
        &self.value
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credential").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Credentials whose token endpoints are reached through `http`, and whose tokens live as `cache` says.
    pub fn new(http: HttpClient, cache: TokenCache) -> Self {
        Self { http, cache, circuits: TokenCircuits::default() }
    }

    /// From now on there are circuit breakers of these settings before token endpoints, if any.
    pub fn set_circuits(&self, settings: Option<CircuitSettings>) {
        self.circuits.configure(settings);
    }

    /// The credential for a request of `caller` to `backend`; none when the backend wants none.
    pub async fn obtain(&self, backend: &Backend, caller: &Caller) -> Result<Option<Credential>, EgressError> {
        match &backend.auth {
            OutgoingAuth::Unauthenticated => Ok(None),
            OutgoingAuth::HeaderInjection { name, value } => {
                Ok(Some(Credential { name: name.clone(), value: value.clone(), exchanged: None }))
            }
            // Credentials of users are not at hand for a probe; a 401 shows that the backend is there.
            OutgoingAuth::TokenExchange(_) if caller.purpose == Purpose::Probe => Ok(None),
            OutgoingAuth::TokenExchange(exchange) => self.exchange(exchange, caller).await.map(Some),
        }
    }

    /// Forgets a credential that the backend did not accept. Returns whether asking again can give another one.
    pub fn reject(&self, credential: &Credential) -> bool {
        match &credential.exchanged {
            Some((key, token)) => {
                self.cache.evict(key, token);
                true
            }
            None => false,
        }
    }

    /// Forgets the tokens of configurations that no backend has any more.
    pub fn retain(&self, backends: &Backends) {
        let used: Vec<u64> = backends.values().map(|backend| backend.auth.identity()).collect();
        self.cache.retain_configurations(&used);
        let token_urls: Vec<_> = backends.values().filter_map(|backend| backend.auth.token_url()).collect();
        self.circuits.retain(&token_urls);
    }

    async fn exchange(&self, exchange: &Arc<TokenExchange>, caller: &Caller) -> Result<Credential, EgressError> {
        let Some(subject) = &caller.subject_token else {
            return Err(EgressError::new(
                Cause::Unauthorized,
                "the backend wants a token exchanged for the caller's, but the caller is anonymous: \
                 clients must authenticate (incomingAuth type oidc)",
            ));
        };
        let key = CacheKey::new(exchange, subject);
        let task = {
            let (http, circuits) = (self.http.clone(), self.circuits.clone());
            let (exchange, subject) = (Arc::clone(exchange), subject.clone());
            move || async move { exchange.obtain(&http, &circuits, &subject).await }
        };
        let token = self.cache.get(&key, subject.expires_at(), task).await?;
        Ok(Credential { name: AUTHORIZATION, value: token.bearer().clone(), exchanged: Some((key, token)) })
    }
}
