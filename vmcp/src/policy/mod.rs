//! Who the caller is: the gateway as an OAuth 2 resource server.
//!
//! [`Policy::authenticate`] turns the headers of a request into a [`Caller`] or a [`Refusal`];
//! [`ProtectedResource`] says to the client what it must do about a refusal. The policy in force is part of the
//! [`Snapshot`](crate::discovery::Snapshot): it comes with the names and settings of the same configuration, and what was
//! verified under an earlier one counts for nothing.

mod challenge;
mod configured;
mod keys;
mod oidc;
mod verified;

pub use challenge::{ProtectedResource, Refusal};
pub use configured::PolicyError;
pub use keys::{Issuer, Keys, KeysError};
pub use oidc::Oidc;

use crate::backend::Caller;
use http::{HeaderMap, header};

/// How clients are authenticated. Two are equal when they are configured alike.
#[derive(Debug, Default, PartialEq)]
pub enum Policy {
    /// Everyone may connect, and nobody is known.
    #[default]
    Anonymous,
    /// Clients present access tokens of an `OpenID` Connect issuer.
    Oidc(Box<Oidc>),
}

impl Policy {
    /// Finds out who sent a request with these headers.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        match self {
            Self::Anonymous => Ok(Caller::anonymous()),
            Self::Oidc(oidc) => oidc.verify(bearer_token(headers)?).await,
        }
    }

    /// Whether a caller whom an earlier policy has let in would be let in as the same one now.
    pub async fn admits(&self, caller: &Caller) -> bool {
        match (self, &caller.subject_token) {
            (Self::Anonymous, None) => true,
            (Self::Oidc(oidc), Some(token)) => {
                oidc.verify(token.expose()).await.is_ok_and(|again| again.principal == caller.principal)
            }
            (Self::Anonymous, Some(_)) | (Self::Oidc(_), None) => false,
        }
    }

    /// What is published about this resource server, when clients need tokens.
    pub fn resource(&self) -> Option<&ProtectedResource> {
        match self {
            Self::Anonymous => None,
            Self::Oidc(oidc) => Some(oidc.resource()),
        }
    }
}

/// The one bearer token of a request (RFC 6750, section 2.1).
fn bearer_token(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::Missing)?;
    if values.next().is_some() {
        return Err(Refusal::Malformed("the Authorization header is sent more than once"));
    }
    let value = value.to_str().map_err(|_| Refusal::Malformed("the Authorization header is not ASCII"))?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Refusal::Missing);
    }
    let token = token.trim();
    if token.is_empty() {
        return Err(Refusal::Malformed("the Authorization header holds no token"));
    }
    Ok(token)
}
