//! Signing keys and the JWTs made with them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::{Map, Value, json};
use thiserror::Error;
use uuid::Uuid;

use crate::world::SigningAlgorithm;

/// Why there is no new key.
#[derive(Debug, Error)]
pub(crate) enum KeyGenerationError {
    #[error("failed to make a key pair")]
    Pair(#[from] rcgen::Error),
    #[error("failed to read the key pair that was made")]
    Form(#[from] jsonwebtoken::errors::Error),
    #[error("failed to write the public key")]
    Json(#[from] serde_json::Error),
}

/// A key pair with the identifier under which it is published.
pub(crate) struct SigningKey {
    id: String,
    algorithm: SigningAlgorithm,
    signing: EncodingKey,
    verifying: DecodingKey,
    jwk: Value,
}

impl SigningKey {
    pub(crate) fn generate(algorithm: SigningAlgorithm) -> Result<Self, KeyGenerationError> {
        let signing = match algorithm {
            SigningAlgorithm::Es256 => {
                EncodingKey::from_ec_der(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?.serialized_der())
            }
            SigningAlgorithm::Rs256 => EncodingKey::from_rsa_pem(
                KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)?
                    .serialize_pem()
                    .as_bytes(),
            )?,
        };
        let id = Uuid::new_v4().to_string();
        let public = Jwk::from_encoding_key(&signing, jwt_algorithm(algorithm))?;
        let verifying = DecodingKey::from_jwk(&public)?;
        let mut jwk = serde_json::to_value(&public)?;
        jwk["kid"] = json!(id);
        jwk["use"] = json!("sig");
        Ok(Self { id, algorithm, signing, verifying, jwk })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    pub(crate) fn verifying(&self) -> &DecodingKey {
        &self.verifying
    }

    /// The public half as published in the key set (RFC 7517).
    pub(crate) fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// A JWT of this type signed by this key.
    pub(crate) fn sign(&self, typ: &str, claims: &Map<String, Value>) -> Result<String, jsonwebtoken::errors::Error> {
        self.sign_as(&self.id, typ, claims)
    }

    /// A JWT signed by this key that claims to be signed by the key `id`.
    pub(crate) fn sign_as(
        &self,
        id: &str,
        typ: &str,
        claims: &Map<String, Value>,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(jwt_algorithm(self.algorithm));
        header.typ = Some(typ.to_owned());
        header.kid = Some(id.to_owned());
        jsonwebtoken::encode(&header, claims, &self.signing)
    }
}

/// The algorithm as the JWT library names it.
pub(super) fn jwt_algorithm(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::Es256 => Algorithm::ES256,
        SigningAlgorithm::Rs256 => Algorithm::RS256,
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
