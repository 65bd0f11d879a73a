//! A living authorization server: its keys, its clients, and the tokens it signs.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::keys::{SigningKey, replace_claims, unsigned};
use crate::token::{TokenError, TokenFault, TokenRequest};
use crate::world::{AuthorizationServer, Certificate, Client, Fault, Secret, ServerUrl, UrlError, User};

/// Keys stay published after a rotation until the next one, so that tokens in use stay valid.
const PUBLISHED_KEYS: usize = 2;

/// One authorization server of a world.
pub(crate) struct Issuer {
    pub(super) definition: AuthorizationServer,
    url: ServerUrl,
    /// Published keys, the current one first.
    keys: RwLock<Vec<Arc<SigningKey>>>,
    clients: RwLock<BTreeMap<String, Client>>,
}

/// All authorization servers of a world.
pub(crate) type Issuers = Arc<Vec<Arc<Issuer>>>;

/// The authorization server that `name` refers to.
pub(crate) fn find_issuer<'a>(issuers: &'a [Arc<Issuer>], name: &str) -> Option<&'a Arc<Issuer>> {
    issuers.iter().find(|issuer| issuer.definition.answers_to(name))
}

/// Why an authorization server could not be brought to life.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssuerError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("failed to make a signing key")]
    Key(#[from] rcgen::Error),
}

impl Issuer {
    pub(crate) fn new(definition: AuthorizationServer) -> Result<Self, IssuerError> {
        let url = definition.issuer()?;
        let clients = definition.clients.iter().map(|client| (client.id.to_string(), client.clone())).collect();
        Ok(Self {
            url,
            keys: RwLock::new(vec![Arc::new(SigningKey::generate()?)]),
            clients: RwLock::new(clients),
            definition,
        })
    }

    /// What the world says of its host's certificate.
    pub(crate) fn certificate(&self) -> Option<Certificate> {
        self.definition.certificate.clone()
    }

    /// What the world says that it does wrong.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        self.definition.faults.clone()
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

    pub(super) fn published_keys(&self) -> Vec<Arc<SigningKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn key(&self, id: &str) -> Option<Arc<SigningKey>> {
        self.published_keys().into_iter().find(|key| key.id() == id)
    }

    pub(crate) fn rotate_key(&self) -> Result<(), rcgen::Error> {
        let key = Arc::new(SigningKey::generate()?);
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(0, key);
        keys.truncate(PUBLISHED_KEYS);
        Ok(())
    }

    pub(super) fn client(&self, id: &str) -> Option<Client> {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Replaces a client's secret; `false` when there is no such client.
    pub(crate) fn set_client_secret(&self, id: &str, secret: Secret) -> bool {
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        clients.get_mut(id).map(|client| client.secret = Some(secret)).is_some()
    }

    pub(super) fn user(&self, name: &str) -> Option<&User> {
        self.definition.users.iter().find(|user| user.name == name)
    }

    /// The claims that every token has: who, from whom, since when, until when.
    pub(super) fn claims(&self, subject: &str, lifetime: Duration) -> Map<String, Value> {
        let now = Timestamp::now().as_second();
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX / 2);
        let mut claims = self.user(subject).map(|user| user.claims.clone()).unwrap_or_default();
        claims.insert("iss".to_owned(), self.identifier().into());
        claims.insert("sub".to_owned(), subject.into());
        claims.insert("iat".to_owned(), now.into());
        claims.insert("exp".to_owned(), now.saturating_add(lifetime).into());
        claims.insert("jti".to_owned(), Uuid::new_v4().to_string().into());
        claims
    }

    pub(super) fn sign(&self, claims: &Map<String, Value>) -> Result<String, jsonwebtoken::errors::Error> {
        match self.published_keys().first() {
            Some(key) => key.sign(claims),
            None => Err(jsonwebtoken::errors::ErrorKind::InvalidEcdsaKey.into()),
        }
    }

    /// A token as a test asks for it.
    pub(crate) fn token(&self, request: &TokenRequest) -> Result<String, TokenError> {
        if self.user(&request.subject).is_none() {
            return Err(TokenError::UnknownUser {
                issuer: self.identifier().to_owned(),
                subject: request.subject.clone(),
            });
        }
        let lifetime = request.lifetime.unwrap_or(Duration::from_hours(1));
        let mut claims = self.claims(&request.subject, lifetime);
        if let Some(audience) = &request.audience {
            claims.insert("aud".to_owned(), audience.as_str().into());
        }
        if !request.scopes.is_empty() {
            claims.insert("scope".to_owned(), request.scopes.join(" ").into());
        }
        claims.extend(request.claims.clone());
        self.sign_with_fault(claims, request.fault).map_err(TokenError::from)
    }

    fn sign_with_fault(
        &self,
        mut claims: Map<String, Value>,
        fault: TokenFault,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let now = Timestamp::now().as_second();
        let stranger = || SigningKey::generate().map_err(|_| jsonwebtoken::errors::ErrorKind::InvalidEcdsaKey);
        match fault {
            TokenFault::None => {}
            TokenFault::Expired => {
                claims.insert("iat".to_owned(), (now - 3660).into());
                claims.insert("exp".to_owned(), (now - 60).into());
            }
            TokenFault::NotYetValid => {
                claims.insert("nbf".to_owned(), (now + 3600).into());
                claims.insert("exp".to_owned(), (now + 7200).into());
            }
            TokenFault::WrongIssuer => {
                claims.insert("iss".to_owned(), "https://another-issuer.invalid".into());
            }
            TokenFault::WrongAudience => {
                claims.insert("aud".to_owned(), "https://another-audience.invalid".into());
            }
            TokenFault::AlgNone => return Ok(unsigned(&claims)),
            TokenFault::UnknownKey => return stranger()?.sign(&claims),
            TokenFault::WrongKey => {
                let keys = self.published_keys();
                return stranger()?.sign_as(keys.first().map(|key| key.id()).unwrap_or_default(), &claims);
            }
            TokenFault::Tampered => {
                let token = self.sign(&claims)?;
                claims.insert("sub".to_owned(), "mallory".into());
                return Ok(replace_claims(&token, &claims));
            }
        }
        self.sign(&claims)
    }
}
