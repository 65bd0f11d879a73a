//! The issuer's signing keys: found by `OpenID` discovery, kept, and fetched again when a token names an unknown one.

use crate::egress::guard::{EgressClass, Reach};
use crate::egress::{HttpClient, Trust};
use arc_swap::ArcSwapOption;
use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

/// Documents of an issuer beyond this size are refused.
const MAX_DOCUMENT: usize = 512 * 1024;
/// Keys older than this are fetched again before they are used, if the issuer answers.
const FRESH: Duration = Duration::from_mins(5);
/// Keys older than this are not used any more.
const USABLE: Duration = Duration::from_hours(1);
/// Unknown key ids lead to one fetch in this time, however many tokens name them.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(5);
/// After a failed fetch the next one waits this long.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Why there are no keys.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeysError {
    /// A document could not be fetched.
    #[error("failed to fetch the {document} of the issuer: {reason}")]
    Fetch {
        /// Which document.
        document: &'static str,
        /// Why not.
        reason: String,
    },
    /// The discovery document speaks for another issuer.
    #[error("the OpenID configuration is that of another issuer")]
    OtherIssuer,
    /// A document is not what it should be.
    #[error("the {document} of the issuer is malformed: {reason}")]
    Malformed {
        /// Which document.
        document: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The keys are served without TLS though the issuer demands it.
    #[error("the issuer serves its keys without TLS")]
    Insecure,
    /// The last attempt failed a moment ago.
    #[error("the issuer's keys could not be fetched a moment ago")]
    TooSoon,
}

/// The usable keys of one JWKS document.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<Jwk>,
    fetched_at: Instant,
}

impl KeySet {
    /// Signature keys that a token header with this key id may mean; without an id, all of them.
    pub(super) fn candidates<'a>(&'a self, key_id: Option<&'a str>) -> impl Iterator<Item = &'a Jwk> {
        self.keys.iter().filter(move |key| key_id.is_none_or(|id| key.common.key_id.as_deref() == Some(id)))
    }

    fn parse(document: &Value) -> Result<Vec<Jwk>, KeysError> {
        let keys = document
            .get("keys")
            .and_then(Value::as_array)
            .ok_or_else(|| KeysError::Malformed { document: "JWKS", reason: "it has no array \"keys\"".to_owned() })?;
        // A key of an unknown type must not make the others unusable (RFC 7517, section 5).
        let keys = keys.iter().filter_map(|key| Jwk::deserialize(key).ok());
        Ok(keys.filter(is_signature_key).collect())
    }
}

fn is_signature_key(key: &Jwk) -> bool {
    let by_use = key.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let by_operation =
        key.common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    by_use && by_operation
}

/// An issuer of tokens, and how it may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// The `iss` of its tokens, and where `OpenID` discovery starts.
    pub url: String,
    /// Where its keys are, if that need not be discovered.
    pub jwks_url: Option<Url>,
    /// Which authorities may sign its certificate.
    pub trust: Trust,
    /// Whether it may be at a private address.
    pub allow_private: bool,
    /// Whether it may do without TLS.
    pub allow_http: bool,
}

/// Where the keys of one issuer come from, and the last that were seen. Two are equal when they come from the same place.
#[derive(Debug)]
pub struct Keys {
    client: HttpClient,
    issuer: Issuer,
    current: ArcSwapOption<KeySet>,
    attempts: Mutex<Attempts>,
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.issuer == other.issuer
    }
}

/// Why keys are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// There are none, or they are old.
    Age,
    /// A token names one that is not among them.
    UnknownKey,
}

#[derive(Debug, Default)]
struct Attempts {
    failed_at: Option<Instant>,
    unknown_key_at: Option<Instant>,
}

impl Attempts {
    fn is_too_soon(&self, occasion: Occasion) -> bool {
        let within = |at: Option<Instant>, interval| at.is_some_and(|at| at.elapsed() < interval);
        within(self.failed_at, RETRY_INTERVAL)
            || (occasion == Occasion::UnknownKey && within(self.unknown_key_at, UNKNOWN_KEY_INTERVAL))
    }
}

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: Url,
}

impl Keys {
    /// Keys of an issuer, fetched by `client`.
    pub fn new(client: HttpClient, issuer: Issuer) -> Self {
        Self { client, issuer, current: ArcSwapOption::empty(), attempts: Mutex::default() }
    }

    /// The current keys. Fetches them first when there are none or when they are old; old keys serve on while the
    /// issuer does not answer.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Arc<KeySet>, KeysError> {
        let known = self.current.load_full();
        match known {
            Some(keys) if keys.fetched_at.elapsed() < FRESH => Ok(keys),
            Some(keys) if keys.fetched_at.elapsed() < USABLE => {
                Ok(self.refresh(Some(&keys), Occasion::Age).await.unwrap_or(keys))
            }
            other => self.refresh(other.as_ref(), Occasion::Age).await,
        }
    }

    /// Keys newer than `seen`, which lacks the key that a token names; `None` when there are none to be had now.
    pub(super) async fn newer_than(self: &Arc<Self>, seen: &Arc<KeySet>) -> Option<Arc<KeySet>> {
        let keys = self.refresh(Some(seen), Occasion::UnknownKey).await.ok()?;
        (!Arc::ptr_eq(&keys, seen)).then_some(keys)
    }

    /// Fetches the keys, unless somebody else has replaced `seen` meanwhile or it is too soon. The work is a task of
    /// its own: a caller who leaves fails nobody.
    async fn refresh(
        self: &Arc<Self>,
        seen: Option<&Arc<KeySet>>,
        occasion: Occasion,
    ) -> Result<Arc<KeySet>, KeysError> {
        let keys = Arc::clone(self);
        let seen = seen.cloned();
        let task = tokio::spawn(async move {
            let mut attempts = keys.attempts.lock().await;
            let current = keys.current.load_full();
            if let Some(current) = &current
                && seen.as_ref().is_none_or(|seen| !Arc::ptr_eq(seen, current))
            {
                return Ok(Arc::clone(current));
            }
            if attempts.is_too_soon(occasion) {
                return current.ok_or(KeysError::TooSoon);
            }
            if occasion == Occasion::UnknownKey {
                attempts.unknown_key_at = Some(Instant::now());
            }
            let fetched = keys.fetch().await.inspect_err(|error| {
                tracing::warn!(issuer = keys.issuer.url, %error, "failed to fetch the keys of an issuer");
            });
            attempts.failed_at = fetched.is_err().then(Instant::now);
            let fetched = Arc::new(KeySet { keys: fetched?, fetched_at: Instant::now() });
            tracing::info!(issuer = keys.issuer.url, keys = fetched.keys.len(), "fetched the keys of an issuer");
            keys.current.store(Some(Arc::clone(&fetched)));
            Ok(fetched)
        });
        task.await.unwrap_or(Err(KeysError::TooSoon))
    }

    async fn fetch(&self) -> Result<Vec<Jwk>, KeysError> {
        let url = match &self.issuer.jwks_url {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        if url.scheme() != "https" && !self.issuer.allow_http {
            return Err(KeysError::Insecure);
        }
        KeySet::parse(&self.document("JWKS", &url).await?)
    }

    async fn discover(&self) -> Result<Url, KeysError> {
        const DOCUMENT: &str = "OpenID configuration";
        let malformed = |reason: String| KeysError::Malformed { document: DOCUMENT, reason };
        let issuer = self.issuer.url.trim_end_matches('/');
        let url = Url::parse(&format!("{issuer}/.well-known/openid-configuration"))
            .map_err(|error| malformed(error.to_string()))?;
        let document = self.document(DOCUMENT, &url).await?;
        let configuration = Configuration::deserialize(&document).map_err(|error| malformed(error.to_string()))?;
        if configuration.issuer.trim_end_matches('/') != issuer {
            return Err(KeysError::OtherIssuer);
        }
        Ok(configuration.jwks_uri)
    }

    async fn document(&self, document: &'static str, url: &Url) -> Result<Value, KeysError> {
        let reach = Reach { class: EgressClass::Oidc, allow_private: self.issuer.allow_private };
        self.client
            .fetch_json(reach, &self.issuer.trust, url, MAX_DOCUMENT)
            .await
            .map_err(|error| KeysError::Fetch { document, reason: error.to_string() })
    }
}
