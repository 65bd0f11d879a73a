//! Assertions by which clients authenticate (RFC 7523, 2.2 and 3; `private_key_jwt`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Validation;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::issuer::Issuer;
use super::verify::{decode_claims, texts};
use crate::world::Client;

/// The only `client_assertion_type` that is taken.
pub(super) const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The client that the assertion names, without judging it.
pub(super) fn named_client(assertion: &str) -> Option<String> {
    decode_claims(assertion)?.get("sub").and_then(Value::as_str).map(str::to_owned)
}

impl Issuer {
    /// Why the assertion does not prove that `client` sent it. A good one is remembered, since it is good only once.
    pub(super) fn judge_assertion(&self, client: &Client, assertion: &str) -> Result<(), String> {
        let claims = verified_claims(client, assertion)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        for name in ["iss", "sub"] {
            if text(name) != client.id {
                return Err(format!("`{name}` is `{}`, expected the client's id", text(name)));
            }
        }
        let accepted = [self.identifier().to_owned(), self.endpoint(&self.definition().token_path)];
        let audiences = texts(&claims, "aud");
        if !audiences.iter().any(|audience| accepted.contains(audience)) {
            return Err(format!("`aud` is `{}`, expected {}", audiences.join(" "), accepted.join(" or ")));
        }
        let now = self.now();
        let seconds = |name: &str| claims.get(name).and_then(Value::as_i64);
        let expiry = seconds("exp").ok_or("it has no `exp`")?;
        if expiry <= now {
            return Err("it has expired".to_owned());
        }
        if seconds("nbf").is_some_and(|start| start > now) {
            return Err("it is not valid yet".to_owned());
        }
        match text("jti") {
            "" => Err("it has no `jti`".to_owned()),
            id if self.seen_before(&client.id, id, expiry) => {
                Err("it was used before: each request needs a new one".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Whether this client has used this `jti` before, in an assertion that is valid still. Remembers it.
    fn seen_before(&self, client: &str, id: &str, expiry: i64) -> bool {
        // A digest: the client chooses how long the identifier is.
        let key = URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{client}\n{id}")));
        let seen = &mut self.memory().assertions;
        if seen.get(&key).is_some_and(|expiry| *expiry > self.now()) {
            return true;
        }
        seen.insert(key, expiry);
        false
    }
}

fn verified_claims(client: &Client, assertion: &str) -> Result<Map<String, Value>, String> {
    let header = jsonwebtoken::decode_header(assertion)
        .map_err(|_| "it is not a JWT signed with a known algorithm".to_owned())?;
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    client
        .verifying_keys()
        .filter(|key| key.fits(header.alg, header.kid.as_deref()))
        .find_map(|key| jsonwebtoken::decode::<Map<String, Value>>(assertion, key.decoding(), &validation).ok())
        .map(|token| token.claims)
        .ok_or_else(|| format!("no key of the client verifies its signature ({:?})", header.alg))
}
