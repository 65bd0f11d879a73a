//! Tokens on request: what a test asks of an authorization server on behalf of a user, good or faulty.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::duration;

/// A request for an access token.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRequest {
    /// The authorization server, by host or issuer identifier.
    pub issuer: String,
    /// One of its users.
    pub subject: String,
    /// `aud`. Absent: the token has none.
    #[serde(default)]
    pub audience: Option<String>,
    /// `scope`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// How long it is valid from now on. Absent: an hour.
    #[serde(default, deserialize_with = "duration::optional")]
    #[schemars(with = "Option<duration::Written>")]
    pub lifetime: Option<Duration>,
    /// Further claims; they win over the user's own and over the standard ones.
    #[serde(default)]
    pub claims: Map<String, Value>,
    /// What is wrong with the token.
    #[serde(default)]
    pub fault: TokenFault,
}

impl TokenRequest {
    /// A faultless token for `subject` that lives for an hour.
    #[must_use]
    pub fn new(issuer: &str, subject: &str, audience: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            audience: Some(audience.to_owned()),
            scopes: Vec::new(),
            lifetime: None,
            claims: Map::new(),
            fault: TokenFault::None,
        }
    }
}

/// What can be wrong with a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TokenFault {
    /// Nothing.
    #[default]
    None,
    /// It expired a minute ago.
    Expired,
    /// It becomes valid in an hour.
    NotYetValid,
    /// Signed by a key that the issuer does not publish, under the identifier of one that it does.
    WrongKey,
    /// Signed by a key that the issuer does not publish, under an identifier of its own.
    UnknownKey,
    /// Not signed, with `alg: none`.
    AlgNone,
    /// Its claims were changed after it was signed.
    Tampered,
    /// `iss` is another issuer.
    WrongIssuer,
    /// `aud` is another audience.
    WrongAudience,
}

/// Why there is no token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The world has no such authorization server.
    #[error("{0}")]
    UnknownIssuer(String),
    /// The authorization server has no such user.
    #[error("{issuer} has no user `{subject}`: list it under `users` of that authorization server")]
    UnknownUser {
        /// The authorization server.
        issuer: String,
        /// Who was asked for.
        subject: String,
    },
    /// The token could not be signed.
    #[error("the token could not be signed")]
    Signing(#[from] jsonwebtoken::errors::Error),
}
