//! Authorization servers as a world file describes them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::short_form::NameOr;
use super::{Certificate, Client, Fault, Located, ServerUrl, Tls};
use crate::duration;

/// An identity provider or token endpoint: it publishes metadata and keys, issues tokens for its users and answers its clients.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthorizationServer {
    /// Its host name, with a port if it is not 443. Other parts of the world refer to it by this name.
    pub host: Located<String>,
    /// The issuer identifier, when it is not `https://HOST`: another scheme or a path, e.g. `https://auth.company.com/realms/tools`.
    #[serde(default)]
    pub issuer: Option<Located<ServerUrl>>,
    /// The certificate of its host.
    #[serde(default)]
    pub certificate: Option<Certificate>,
    /// How its host speaks TLS.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Who can have a token.
    #[serde(default)]
    pub users: Vec<User>,
    /// Authorization servers of this world whose tokens it exchanges, besides its own.
    #[serde(default)]
    pub trusts: Vec<Located<String>>,
    /// The clients of its token endpoint.
    #[serde(default)]
    pub clients: Vec<Client>,
    /// Audiences and resources for which it issues tokens to clients. Absent: any.
    #[serde(default)]
    pub audiences: Option<Vec<String>>,
    /// Scopes that it grants to clients. Absent: any.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// How it signs tokens.
    #[serde(default)]
    pub signing: SigningAlgorithm,
    /// How long the tokens of its token endpoint live. Absent: an hour.
    #[serde(default = "one_hour", deserialize_with = "duration::deserialize")]
    #[schemars(with = "duration::Written")]
    pub token_lifetime: Duration,
    /// Path of the token endpoint below the issuer identifier.
    #[serde(default = "token_path")]
    pub token_path: String,
    /// Path of the key set below the issuer identifier.
    #[serde(default = "jwks_path")]
    pub jwks_path: String,
    /// What it does wrong.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

fn one_hour() -> Duration {
    Duration::from_hours(1)
}

fn token_path() -> String {
    "/protocol/openid-connect/token".to_owned()
}

fn jwks_path() -> String {
    "/protocol/openid-connect/certs".to_owned()
}

impl AuthorizationServer {
    /// An authorization server without users and clients.
    #[must_use]
    pub fn new(host: &str) -> Self {
        Self {
            host: host.into(),
            issuer: None,
            certificate: None,
            tls: None,
            users: Vec::new(),
            trusts: Vec::new(),
            clients: Vec::new(),
            audiences: None,
            scopes: None,
            signing: SigningAlgorithm::default(),
            token_lifetime: one_hour(),
            token_path: token_path(),
            jwks_path: jwks_path(),
            faults: Vec::new(),
        }
    }

    /// The issuer identifier as its tokens carry it.
    pub fn issuer(&self) -> Result<ServerUrl, super::UrlError> {
        match &self.issuer {
            Some(issuer) => Ok((**issuer).clone()),
            None => ServerUrl::parse(&format!("https://{}", *self.host)),
        }
    }

    /// The user of that name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// Whether `name` means this server: its host or its issuer identifier.
    #[must_use]
    pub fn answers_to(&self, name: &str) -> bool {
        name == *self.host || self.issuer().is_ok_and(|issuer| issuer.as_str() == name.trim_end_matches('/'))
    }
}

/// The signature algorithm of an authorization server's tokens (RFC 7518, 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum SigningAlgorithm {
    /// ECDSA with P-256 and SHA-256.
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    /// RSA (PKCS #1 v1.5) with SHA-256, keys of 2048 bits.
    #[serde(rename = "RS256")]
    Rs256,
}

impl SigningAlgorithm {
    /// Its name in JWT headers and metadata.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

/// Somebody who can have tokens. In a file: a name, or `{name, claims}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(from = "NameOr<WrittenUser>")]
pub struct User {
    /// The `sub` of the user's tokens.
    pub name: String,
    /// Further claims of the user's tokens.
    pub claims: Map<String, Value>,
}

impl From<&str> for User {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), claims: Map::new() }
    }
}

/// A user with claims, as it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenUser {
    /// The `sub` of the user's tokens.
    name: String,
    /// Further claims of the user's tokens.
    #[serde(default)]
    claims: Map<String, Value>,
}

impl From<NameOr<WrittenUser>> for User {
    fn from(written: NameOr<WrittenUser>) -> Self {
        match written {
            NameOr::Name(name) => Self { name, claims: Map::new() },
            NameOr::Full(WrittenUser { name, claims }) => Self { name, claims },
        }
    }
}
