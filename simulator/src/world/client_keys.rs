//! Public keys of clients, with which they sign assertions: in PEM, or as a JWK Set (RFC 7517).

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

/// Why a key cannot be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The PEM text holds no public key.
    #[error("not a public key in PEM: expected `-----BEGIN PUBLIC KEY-----` of a P-256, P-384, RSA or Ed25519 key")]
    Pem,
    /// Not a JWK Set.
    #[error("not a JWK Set: expected a mapping with a list `keys` of at least one key")]
    Set,
    /// A key of the set cannot be used.
    #[error("`keys[{0}]` is not a public key: expected a P-256, P-384, RSA or Ed25519 key without its private half")]
    Jwk(usize),
}

/// A public key and the algorithms for which it is good.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    id: Option<String>,
    algorithms: &'static [Algorithm],
    key: DecodingKey,
}

impl VerifyingKey {
    fn new(id: Option<String>, key: DecodingKey) -> Option<Self> {
        let algorithms: &[Algorithm] = match key.family() {
            AlgorithmFamily::Rsa => &[
                Algorithm::RS256,
                Algorithm::PS256,
                Algorithm::RS384,
                Algorithm::PS384,
                Algorithm::RS512,
                Algorithm::PS512,
            ],
            AlgorithmFamily::Ed => &[Algorithm::EdDSA],
            // SEC 1, 2.3.3: an uncompressed point is a byte and two coordinates.
            AlgorithmFamily::Ec => match key.try_get_as_bytes().ok()?.len() {
                65 => &[Algorithm::ES256],
                97 => &[Algorithm::ES384],
                _ => return None,
            },
            AlgorithmFamily::Hmac => return None,
        };
        Some(Self { id, algorithms, key })
    }

    fn from_jwk(jwk: &Value) -> Option<Self> {
        if jwk.get("d").is_some() {
            return None;
        }
        let id = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
        let jwk: Jwk = serde_json::from_value(jwk.clone()).ok()?;
        Self::new(id, DecodingKey::from_jwk(&jwk).ok()?)
    }

    /// Whether it may check a signature of this algorithm under this key identifier. A key without one answers to all.
    #[must_use]
    pub fn fits(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        self.algorithms.contains(&algorithm) && (self.id.is_none() || id.is_none() || self.id.as_deref() == id)
    }

    pub(crate) fn decoding(&self) -> &DecodingKey {
        &self.key
    }
}

/// One public key in PEM.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct PublicKey(#[schemars(with = "String")] VerifyingKey);

impl PublicKey {
    pub(super) fn verifying(&self) -> &VerifyingKey {
        &self.0
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(pem: String) -> Result<Self, KeyError> {
        let bytes = pem.as_bytes();
        let readers = [DecodingKey::from_ec_pem, DecodingKey::from_rsa_pem, DecodingKey::from_ed_pem];
        let key = readers.iter().find_map(|read| VerifyingKey::new(None, read(bytes).ok()?));
        key.filter(|_| !pem.contains("PRIVATE")).map(Self).ok_or(KeyError::Pem)
    }
}

/// The public keys of a JWK Set.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Map<String, Value>")]
pub struct ClientKeys(#[schemars(with = "Map<String, Value>")] Vec<VerifyingKey>);

impl ClientKeys {
    pub(super) fn verifying(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.0.iter()
    }
}

impl TryFrom<Map<String, Value>> for ClientKeys {
    type Error = KeyError;

    fn try_from(set: Map<String, Value>) -> Result<Self, KeyError> {
        let keys = set.get("keys").and_then(Value::as_array).filter(|keys| !keys.is_empty()).ok_or(KeyError::Set)?;
        let keys = keys.iter().enumerate().map(|(index, key)| VerifyingKey::from_jwk(key).ok_or(KeyError::Jwk(index)));
        keys.collect::<Result<_, _>>().map(Self)
    }
}
