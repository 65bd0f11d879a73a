//! Verification of access tokens: signature, issuer, audience, lifetime.

use super::keys::{KeySet, Keys};
use super::verified::{VerifiedTokens, fingerprint};
use super::{ProtectedResource, Refusal};
use crate::backend::{Caller, Principal, SubjectToken};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Only signatures by a key that nobody but the issuer has: never a shared secret, never none.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// How far the clocks of issuer and gateway may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// No honest token is longer.
const MAX_TOKEN: usize = 16 * 1024;

/// Without a key id in the token, this many keys are tried.
const MAX_CANDIDATES: usize = 8;

/// Verifies the tokens of one issuer. Two are equal when they accept the same tokens and publish the same.
#[derive(Debug)]
pub struct Oidc {
    issuer: String,
    audience: String,
    keys: Arc<Keys>,
    verified: VerifiedTokens,
    resource: ProtectedResource,
}

impl PartialEq for Oidc {
    fn eq(&self, other: &Self) -> bool {
        let Self { issuer, audience, keys, resource, verified: _ } = self;
        *issuer == other.issuer && *audience == other.audience && *keys == other.keys && *resource == other.resource
    }
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: f64,
}

impl Oidc {
    /// Accepts tokens of `issuer` for `audience` that are signed by one of `keys`.
    pub fn new(issuer: String, audience: String, keys: Keys, resource: ProtectedResource) -> Self {
        Self { issuer, audience, keys: Arc::new(keys), verified: VerifiedTokens::default(), resource }
    }

    /// What is published about this resource server.
    pub fn resource(&self) -> &ProtectedResource {
        &self.resource
    }

    /// The caller that `token` speaks for.
    pub async fn verify(&self, token: &str) -> Result<Caller, Refusal> {
        if token.len() > MAX_TOKEN {
            return Err(Refusal::Invalid("the token is too long"));
        }
        let mut keys = self.keys.current().await.map_err(|_| UNAVAILABLE)?;
        let fingerprint = fingerprint(token);
        if let Some(caller) = self.verified.find(&fingerprint, &keys, SystemTime::now()) {
            return Ok(caller);
        }
        let header = decode_header(token).map_err(|_| Refusal::Invalid("the token is not a JWT"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Refusal::Invalid("the token's signature algorithm is not accepted"));
        }
        let key_id = header.kid.as_deref();
        if keys.candidates(key_id).next().is_none() {
            keys = self.keys.newer_than(&keys).await.ok_or(UNKNOWN_KEY)?;
        }
        let claims = self.claims(token, header.alg, key_id, &keys)?;
        let (caller, expires_at) = caller(claims, token);
        let forget_at = expires_at.checked_add(LEEWAY).unwrap_or(expires_at);
        self.verified.insert(fingerprint, caller.clone(), forget_at, &keys);
        Ok(caller)
    }

    fn claims(
        &self,
        token: &str,
        algorithm: Algorithm,
        key_id: Option<&str>,
        keys: &KeySet,
    ) -> Result<Claims, Refusal> {
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let mut refusal = UNKNOWN_KEY;
        for key in keys.candidates(key_id).filter(|key| fits(key, algorithm)).take(MAX_CANDIDATES) {
            let Ok(key) = DecodingKey::from_jwk(key) else { continue };
            match decode::<Claims>(token, &key, &validation) {
                Ok(decoded) => return Ok(decoded.claims),
                Err(error) => refusal = Refusal::Invalid(reason(error.kind())),
            }
        }
        Err(refusal)
    }
}

const UNAVAILABLE: Refusal = Refusal::Unavailable("the keys of the token's issuer cannot be fetched at the moment");
const UNKNOWN_KEY: Refusal = Refusal::Invalid("the token is signed by a key that its issuer does not publish");

/// Whether a key may be used with an algorithm: its own `alg`, when it has one, decides.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    key.common.key_algorithm.as_ref().is_none_or(|own| own.to_string() == format!("{algorithm:?}"))
}

fn caller(claims: Claims, token: &str) -> (Caller, SystemTime) {
    // An expiry beyond what the clock can express is as good as a year.
    const YEAR: Duration = Duration::from_hours(365 * 24);
    let expires_at = Duration::try_from_secs_f64(claims.exp)
        .ok()
        .and_then(|exp| SystemTime::UNIX_EPOCH.checked_add(exp))
        .unwrap_or_else(|| SystemTime::now() + YEAR);
    let principal = Principal { issuer: claims.iss, subject: claims.sub };
    (Caller::authenticated(principal, SubjectToken::new(token, expires_at)), expires_at)
}

/// What a client is told about its token: enough to repair it, nothing about our configuration.
fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidIssuer => "the token is of another issuer",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::Json(_) => {
            "the token lacks one of the claims iss, sub, aud and exp, or has it in the wrong type"
        }
        ErrorKind::InvalidSignature => "the token's signature is wrong",
        _ => "the token is not valid",
    }
}
