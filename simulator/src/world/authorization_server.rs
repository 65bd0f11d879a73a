//! Authorization servers as a world file describes them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::short_form::NameOr;
use super::{Certificate, Client, ExchangeRule, Fault, ServerUrl, Tls};
use crate::duration;

/// An identity provider or token endpoint: it publishes metadata and keys, issues tokens for its users and answers its clients.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthorizationServer {
    /// Its host name, with a port if it is not 443. Other parts of the world refer to it by this name.
    pub host: String,
    /// The issuer identifier, when it is not `https://HOST`: another scheme or a path, e.g. `https://auth.company.com/realms/tools`.
    #[serde(default)]
    pub issuer: Option<ServerUrl>,
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
    pub trusts: Vec<String>,
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
    /// The user who signs in at the authorization endpoint when a request has no `login_hint`. Absent: a page asks.
    #[serde(default)]
    pub sign_in: Option<String>,
    /// How long an authorization code is good. Absent: a minute.
    #[serde(default = "one_minute", deserialize_with = "duration::deserialize")]
    #[schemars(with = "duration::Written")]
    pub code_lifetime: Duration,
    /// What becomes of a refresh token when it is used.
    #[serde(default)]
    pub refresh_tokens: RefreshTokens,
    /// How long a refresh token is good. Absent: a day.
    #[serde(default = "one_day", deserialize_with = "duration::deserialize")]
    #[schemars(with = "duration::Written")]
    pub refresh_token_lifetime: Duration,
    /// Rules of token exchange; the first that fits a request acts.
    #[serde(default)]
    pub exchange: Vec<ExchangeRule>,
    /// Whether clients may register themselves (RFC 7591).
    #[serde(default)]
    pub registration: bool,
    /// Whether a client may be named by the URL of a document about it, which the server fetches.
    #[serde(default)]
    pub client_metadata_documents: bool,
    /// Changes of its metadata document, by a merge patch (RFC 7396): null removes a member.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// Path of the authorization endpoint below the issuer identifier.
    #[serde(default = "authorization_path")]
    pub authorization_path: String,
    /// Path of the token endpoint below the issuer identifier.
    #[serde(default = "token_path")]
    pub token_path: String,
    /// Path of the key set below the issuer identifier.
    #[serde(default = "jwks_path")]
    pub jwks_path: String,
    /// Path of the introspection endpoint (RFC 7662) below the issuer identifier.
    #[serde(default = "introspection_path")]
    pub introspection_path: String,
    /// Path of the revocation endpoint (RFC 7009) below the issuer identifier.
    #[serde(default = "revocation_path")]
    pub revocation_path: String,
    /// Path of the registration endpoint (RFC 7591) below the issuer identifier.
    #[serde(default = "registration_path")]
    pub registration_path: String,
    /// What it does wrong.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

fn one_hour() -> Duration {
    Duration::from_hours(1)
}

fn one_minute() -> Duration {
    Duration::from_mins(1)
}

fn one_day() -> Duration {
    Duration::from_hours(24)
}

fn authorization_path() -> String {
    "/protocol/openid-connect/auth".to_owned()
}

fn introspection_path() -> String {
    "/protocol/openid-connect/token/introspect".to_owned()
}

fn revocation_path() -> String {
    "/protocol/openid-connect/revoke".to_owned()
}

fn registration_path() -> String {
    "/protocol/openid-connect/register".to_owned()
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
            sign_in: None,
            code_lifetime: one_minute(),
            refresh_tokens: RefreshTokens::default(),
            refresh_token_lifetime: one_day(),
            exchange: Vec::new(),
            registration: false,
            client_metadata_documents: false,
            metadata: Map::new(),
            authorization_path: authorization_path(),
            token_path: token_path(),
            jwks_path: jwks_path(),
            introspection_path: introspection_path(),
            revocation_path: revocation_path(),
            registration_path: registration_path(),
            faults: Vec::new(),
        }
    }

    /// The issuer identifier as its tokens carry it.
    pub fn issuer(&self) -> Result<ServerUrl, super::UrlError> {
        match &self.issuer {
            Some(issuer) => Ok(issuer.clone()),
            None => ServerUrl::parse(&format!("https://{}", self.host)),
        }
    }

    /// The user of that name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The keys of its endpoints' paths, and the paths.
    pub(super) fn paths(&self) -> [(&'static str, &str); 6] {
        [
            ("authorizationPath", &self.authorization_path),
            ("tokenPath", &self.token_path),
            ("jwksPath", &self.jwks_path),
            ("introspectionPath", &self.introspection_path),
            ("revocationPath", &self.revocation_path),
            ("registrationPath", &self.registration_path),
        ]
    }

    /// Whether `name` means this server: its host or its issuer identifier.
    #[must_use]
    pub fn answers_to(&self, name: &str) -> bool {
        name == self.host || self.issuer().is_ok_and(|issuer| issuer.as_str() == name.trim_end_matches('/'))
    }
}

/// What becomes of a refresh token when it is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshTokens {
    /// A new one replaces it; used again, it ends all tokens of its authorization (RFC 9700, 4.14.2).
    #[default]
    Rotate,
    /// It stays good.
    Keep,
    /// There are none.
    None,
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
