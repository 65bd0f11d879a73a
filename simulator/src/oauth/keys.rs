//! Signing keys (ES256) and the JWTs made with them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A P-256 key pair with the identifier under which it is published.
pub(crate) struct SigningKey {
    id: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    jwk: Value,
}

impl SigningKey {
    pub(crate) fn generate() -> Result<Self, rcgen::Error> {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let id = Uuid::new_v4().to_string();
        let point = pair.public_key_raw();
        // SEC 1, 2.3.3: an uncompressed point is 4, x, y.
        let (x, y) = point[1..].split_at((point.len() - 1) / 2);
        let jwk = json!({
            "kty": "EC",
            "crv": "P-256",
            "alg": "ES256",
            "use": "sig",
            "kid": id,
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        });
        Ok(Self {
            id,
            signing: EncodingKey::from_ec_der(pair.serialized_der()),
            verifying: DecodingKey::from_ec_der(point),
            jwk,
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn verifying(&self) -> &DecodingKey {
        &self.verifying
    }

    /// The public half as published in the key set (RFC 7517).
    pub(crate) fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// A JWT signed by this key.
    pub(crate) fn sign(&self, claims: &Map<String, Value>) -> Result<String, jsonwebtoken::errors::Error> {
        self.sign_as(&self.id, claims)
    }

    /// A JWT signed by this key that claims to be signed by the key `id`.
    pub(crate) fn sign_as(&self, id: &str, claims: &Map<String, Value>) -> Result<String, jsonwebtoken::errors::Error> {
        let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.signing)
    }
}

/// A JWT without a signature.
pub(crate) fn unsigned(claims: &Map<String, Value>) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", encode(&json!({"alg": "none", "typ": "JWT"})), encode(&Value::Object(claims.clone())))
}

/// The same JWT with other claims under the old signature.
pub(crate) fn replace_claims(token: &str, claims: &Map<String, Value>) -> String {
    let mut parts: Vec<&str> = token.split('.').collect();
    let forged = URL_SAFE_NO_PAD.encode(Value::Object(claims.clone()).to_string());
    if let Some(part) = parts.get_mut(1) {
        *part = &forged;
    }
    parts.join(".")
}
