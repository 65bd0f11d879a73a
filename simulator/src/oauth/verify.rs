//! Judging tokens: is this one that the issuer signed, valid now, and meant for the reader?

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Validation;
use serde_json::{Map, Value};
use thiserror::Error;

use super::issuer::Issuer;
use super::keys::jwt_algorithm;

/// `typ` of an identity assertion that one authorization server gives for another (Identity Assertion JWT Authorization Grant).
pub(super) const ID_JAG_TYPE: &str = "oauth-id-jag+jwt";

/// A token whose signature, issuer and times are good.
pub(super) struct Verified {
    /// `typ` of its header.
    pub(super) typ: String,
    pub(super) claims: Map<String, Value>,
}

/// Why a token is refused. Never repeats the token.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum Rejection {
    #[error("the token is not a JWT")]
    NotAJwt,
    #[error("the token is signed with {0}, expected {1}")]
    Algorithm(String, &'static str),
    #[error("the token is signed by the key `{0}`, which the issuer {1} does not publish")]
    UnknownKey(String, String),
    #[error("the token's signature is not valid")]
    Signature,
    #[error("the token is from {0}, expected {1}")]
    Issuer(String, String),
    #[error("the token has no `exp`")]
    NoExpiry,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token is for the audience {0}, expected {1}")]
    Audience(String, String),
    #[error("the token has no subject")]
    NoSubject,
    #[error("the token is an identity assertion (ID-JAG), which only an authorization server takes")]
    IdentityAssertion,
    #[error("the token was revoked")]
    Revoked,
}

/// The claims of a JWT, without judging it. `None` when it is none.
pub(crate) fn decode_claims(token: &str) -> Option<Map<String, Value>> {
    let part = decode_part(token, 1)?;
    // Three parts, the last of which may be empty.
    (token.split('.').count() == 3).then_some(part)
}

fn decode_part(token: &str, index: usize) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(index)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

impl Issuer {
    /// The claims of an access token or ID token, if this issuer signed it, it is valid now and, when asked, meant for
    /// `audience`. No leeway is given: simulated clocks do not drift.
    pub(crate) fn verify(&self, token: &str, audience: Option<&str>) -> Result<Map<String, Value>, Rejection> {
        let expected = audience.map(|audience| [audience]);
        let verified = self.verify_any(token, expected.as_ref().map_or(&[], |expected| expected))?;
        if verified.typ == ID_JAG_TYPE {
            return Err(Rejection::IdentityAssertion);
        }
        Ok(verified.claims)
    }

    /// The same for tokens of all types, meant for one of `expected` unless that is empty.
    pub(super) fn verify_any(&self, token: &str, expected: &[&str]) -> Result<Verified, Rejection> {
        let unverified = decode_claims(token).ok_or(Rejection::NotAJwt)?;
        let header = decode_part(token, 0).ok_or(Rejection::NotAJwt)?;
        let text = |members: &Map<String, Value>, name: &str| {
            members.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };

        // First the issuer: a token from elsewhere would only be found to have an unknown key.
        let issuer = text(&unverified, "iss");
        if issuer != self.identifier() {
            return Err(Rejection::Issuer(
                if issuer.is_empty() { "nobody".to_owned() } else { issuer },
                self.identifier().to_owned(),
            ));
        }
        let algorithm = text(&header, "alg");
        let signing = self.definition().signing;
        if algorithm != signing.as_str() {
            return Err(Rejection::Algorithm(algorithm, signing.as_str()));
        }
        let key_id = text(&header, "kid");
        let key = self.key(&key_id).ok_or_else(|| Rejection::UnknownKey(key_id, self.identifier().to_owned()))?;
        let mut validation = Validation::new(jwt_algorithm(key.algorithm()));
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = jsonwebtoken::decode::<Map<String, Value>>(token, key.verifying(), &validation)
            .map_err(|_| Rejection::Signature)?
            .claims;

        let now = self.now();
        let seconds = |name: &str| claims.get(name).and_then(Value::as_i64);
        if seconds("exp").ok_or(Rejection::NoExpiry)? <= now {
            return Err(Rejection::Expired);
        }
        if seconds("nbf").is_some_and(|start| start > now) {
            return Err(Rejection::NotYetValid);
        }
        let audiences = texts(&claims, "aud");
        if !expected.is_empty() && !audiences.iter().any(|found| expected.contains(&found.as_str())) {
            let found = if audiences.is_empty() { "of nobody".to_owned() } else { audiences.join(" ") };
            return Err(Rejection::Audience(found, expected.join(" or ")));
        }
        if text(&claims, "sub").is_empty() {
            return Err(Rejection::NoSubject);
        }
        if self.memory().revocations.cover(&claims) {
            return Err(Rejection::Revoked);
        }
        Ok(Verified { typ: text(&header, "typ"), claims })
    }
}

/// A claim that is a text or a list of texts, such as `aud`.
pub(super) fn texts(claims: &Map<String, Value>, name: &str) -> Vec<String> {
    match claims.get(name) {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// The scopes of verified claims: `scope` as text, or `scp` as a list.
pub(crate) fn scopes(claims: &Map<String, Value>) -> Vec<String> {
    match claims.get("scope").or_else(|| claims.get("scp")) {
        Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}
