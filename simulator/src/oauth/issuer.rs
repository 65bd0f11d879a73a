//! A living authorization server: its keys, its clients, and what it remembers.

use parking_lot::{Mutex, MutexGuard, RwLock};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::keys::{KeyGenerationError, SigningKey};
use super::memory::{Authorization, Memory};
use crate::clock::Clock;
use crate::world::{AuthorizationServer, Certificate, Client, Fault, Secret, ServerUrl, Tls, UrlError};

/// Keys stay published after a rotation until the next one, so that tokens in use stay valid.
const PUBLISHED_KEYS: usize = 2;

/// One authorization server of a world.
pub(crate) struct Issuer {
    host: String,
    url: ServerUrl,
    /// Requests read a snapshot; a change makes a new one.
    definition: RwLock<Arc<AuthorizationServer>>,
    /// Published keys, the current one first.
    keys: RwLock<Vec<Arc<SigningKey>>>,
    memory: Mutex<Memory>,
    clock: Clock,
}

/// All authorization servers of a world.
pub(crate) type Issuers = Arc<Vec<Arc<Issuer>>>;

/// The authorization server that `name` refers to.
pub(crate) fn find_issuer<'a>(issuers: &'a [Arc<Issuer>], name: &str) -> Option<&'a Arc<Issuer>> {
    issuers.iter().find(|issuer| issuer.host == name || issuer.identifier() == name.trim_end_matches('/'))
}

/// Why an authorization server could not be brought to life.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssuerError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("failed to make a signing key")]
    Key(#[from] KeyGenerationError),
}

impl Issuer {
    pub(crate) fn new(definition: AuthorizationServer, clock: Clock) -> Result<Self, IssuerError> {
        Ok(Self {
            host: definition.host.clone(),
            url: definition.issuer()?,
            keys: RwLock::new(vec![Arc::new(SigningKey::generate(definition.signing)?)]),
            definition: RwLock::new(Arc::new(definition)),
            memory: Mutex::default(),
            clock,
        })
    }

    /// Its description as it is now.
    pub(crate) fn definition(&self) -> Arc<AuthorizationServer> {
        Arc::clone(&self.definition.read())
    }

    /// Changes its description. Host and issuer identifier stay what they are.
    pub(crate) fn change(&self, change: impl FnOnce(&mut AuthorizationServer)) {
        change(Arc::make_mut(&mut self.definition.write()));
    }

    /// What the world says of how its host speaks TLS.
    pub(crate) fn tls(&self) -> Option<Tls> {
        self.definition().tls.clone()
    }

    /// Ends the tokens that `subject` or `client` has, or of both; the tokens of everybody when none is named.
    pub(crate) fn revoke_tokens(&self, subject: Option<String>, client: Option<String>) {
        self.memory().revocations.revoke_all(subject, client);
    }

    /// What the world says of its host's certificate.
    pub(crate) fn certificate(&self) -> Option<Certificate> {
        self.definition().certificate.clone()
    }

    /// What the world says that it does wrong.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        self.definition().faults.clone()
    }

    /// The issuer identifier as a URL.
    pub(crate) fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// The issuer identifier: `iss` of its tokens.
    pub(crate) fn identifier(&self) -> &str {
        self.url.as_str()
    }

    /// The path of something that the issuer serves below its identifier.
    pub(super) fn path(&self, below: &str) -> String {
        format!("{}{below}", self.url.path().trim_end_matches('/'))
    }

    /// The URL of something that the issuer serves below its identifier.
    pub(super) fn endpoint(&self, below: &str) -> String {
        format!("{}{below}", self.identifier())
    }

    /// The time by which it judges and issues, in seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().as_second()
    }

    /// The time in so long, in seconds since 1970.
    pub(super) fn in_future(&self, duration: Duration) -> i64 {
        self.now().saturating_add(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
    }

    /// A new authorization of `client` by `subject`.
    pub(super) fn authorization(
        &self,
        client: &Client,
        subject: &str,
        scopes: Vec<String>,
        resources: Vec<String>,
    ) -> Arc<Authorization> {
        Arc::new(Authorization {
            id: Uuid::new_v4().to_string(),
            position: self.memory().revocations.position() + 1,
            client: client.id.clone(),
            subject: subject.to_owned(),
            scopes,
            resources,
        })
    }

    pub(super) fn published_keys(&self) -> Vec<Arc<SigningKey>> {
        self.keys.read().clone()
    }

    pub(super) fn key(&self, id: &str) -> Option<Arc<SigningKey>> {
        self.published_keys().into_iter().find(|key| key.id() == id)
    }

    pub(crate) fn rotate_key(&self) -> Result<(), KeyGenerationError> {
        let key = Arc::new(SigningKey::generate(self.definition().signing)?);
        let mut keys = self.keys.write();
        keys.insert(0, key);
        keys.truncate(PUBLISHED_KEYS);
        Ok(())
    }

    /// The client of that id, or a sentence that says why there is none.
    pub(super) fn client(&self, id: &str) -> Result<Client, String> {
        if let Some(described) = self.definition().clients.iter().find(|client| client.id == id) {
            return Ok(described.clone());
        }
        let memory = self.memory();
        match (memory.registered.get(id), memory.documents.get(id)) {
            (Some(registered), _) => Ok(registered.clone()),
            (None, Some(document)) => document.clone(),
            (None, None) => Err(format!("there is no client `{id}`")),
        }
    }

    /// Whether the client is one of the world's, or has registered.
    pub(super) fn has_client(&self, id: &str) -> bool {
        self.definition().clients.iter().any(|client| client.id == id) || self.memory().registered.contains(id)
    }

    /// Remembers what came of fetching a client's document.
    pub(crate) fn learn(&self, id: String, client: Result<Client, String>) {
        self.memory().documents.insert(id, client);
    }

    /// Replaces a client's secret; `false` when there is no such client.
    pub(crate) fn set_client_secret(&self, id: &str, secret: Secret) -> bool {
        let mut found = false;
        self.change(|definition| {
            if let Some(client) = definition.clients.iter_mut().find(|client| client.id == id) {
                client.secret = Some(secret);
                found = true;
            }
        });
        found
    }

    pub(super) fn has_user(&self, name: &str) -> bool {
        self.definition().user(name).is_some()
    }

    /// What it remembers of requests.
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock()
    }

    /// The claims that every token has: who, from whom, since when, until when.
    pub(super) fn claims(&self, subject: &str, lifetime: Duration) -> Map<String, Value> {
        let now = self.now();
        let mut claims = self.definition().user(subject).map(|user| user.claims.clone()).unwrap_or_default();
        claims.insert("iss".to_owned(), self.identifier().into());
        claims.insert("sub".to_owned(), subject.into());
        claims.insert("iat".to_owned(), now.into());
        claims.insert("exp".to_owned(), self.in_future(lifetime).into());
        claims.insert("jti".to_owned(), self.memory().revocations.next_token_id().into());
        claims
    }

    /// A JWT of this type, signed by the current key.
    pub(super) fn sign(&self, typ: &str, claims: &Map<String, Value>) -> Result<String, jsonwebtoken::errors::Error> {
        match self.published_keys().first() {
            Some(key) => key.sign(typ, claims),
            None => Err(jsonwebtoken::errors::ErrorKind::InvalidKeyFormat.into()),
        }
    }
}
