//! Tokens on request, good or faulty, without a client.

use std::time::Duration;

use serde_json::{Map, Value};

use super::issuer::Issuer;
use super::keys::{SigningKey, replace_claims, unsigned};
use crate::token::{TokenError, TokenFault, TokenRequest};

impl Issuer {
    /// A token as a test asks for it.
    pub(crate) fn token(&self, request: &TokenRequest) -> Result<String, TokenError> {
        if !self.has_user(&request.subject) {
            return Err(TokenError::UnknownUser {
                issuer: self.identifier().to_owned(),
                subject: request.subject.clone(),
            });
        }
        let lifetime = request.lifetime.unwrap_or(Duration::from_hours(1));
        let mut claims = self.claims(&request.subject, lifetime);
        if let Some(audience) = &request.audience {
            claims.insert("aud".to_owned(), audience.as_str().into());
        }
        if !request.scopes.is_empty() {
            claims.insert("scope".to_owned(), request.scopes.join(" ").into());
        }
        claims.extend(request.claims.clone());
        self.sign_with_fault(claims, request.fault).map_err(TokenError::from)
    }

    fn sign_with_fault(
        &self,
        mut claims: Map<String, Value>,
        fault: TokenFault,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let now = self.now();
        let stranger = || {
            let algorithm = self.definition().signing;
            SigningKey::generate(algorithm).map_err(|_| jsonwebtoken::errors::ErrorKind::InvalidKeyFormat)
        };
        match fault {
            TokenFault::None => {}
            TokenFault::Expired => {
                claims.insert("iat".to_owned(), (now - 3660).into());
                claims.insert("exp".to_owned(), (now - 60).into());
            }
            TokenFault::NotYetValid => {
                claims.insert("nbf".to_owned(), (now + 3600).into());
                claims.insert("exp".to_owned(), (now + 7200).into());
            }
            TokenFault::WrongIssuer => {
                claims.insert("iss".to_owned(), "https://another-issuer.invalid".into());
            }
            TokenFault::WrongAudience => {
                claims.insert("aud".to_owned(), "https://another-audience.invalid".into());
            }
            TokenFault::AlgNone => return Ok(unsigned(&claims)),
            TokenFault::UnknownKey => return stranger()?.sign("JWT", &claims),
            TokenFault::WrongKey => {
                let keys = self.published_keys();
                return stranger()?.sign_as(keys.first().map(|key| key.id()).unwrap_or_default(), "JWT", &claims);
            }
            TokenFault::Tampered => {
                let token = self.sign("JWT", &claims)?;
                claims.insert("sub".to_owned(), "mallory".into());
                return Ok(replace_claims(&token, &claims));
            }
        }
        self.sign("JWT", &claims)
    }
}
