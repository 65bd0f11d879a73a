//! What clients and resource servers ask of tokens that there are: whether one is good (RFC 7662), and to end it (RFC 7009).

use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::error::{ErrorCode, OAuthError};
use super::form::Form;
use super::issuer::Issuer;
use crate::wire::{Outcome, Received, empty_response, json_response};

impl Issuer {
    /// Answers a request for introspection. Only clients with a secret or a key may ask (RFC 7662, 2.1).
    pub(super) fn introspect(&self, received: &Received) -> Result<Outcome, OAuthError> {
        let form = Form::read(received)?;
        let client = self.authenticate(received, &form)?;
        if client.is_public() {
            return Err(OAuthError::new(ErrorCode::UnauthorizedClient, "a public client may not ask about tokens"));
        }
        let known = self.known_token(form.required("token")?);
        // What is not good is not described (RFC 7662, 2.2).
        let mut response = json_response(StatusCode::OK, &known.unwrap_or_else(|| json!({"active": false})));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(Outcome::answered(response))
    }

    /// What is said of a token that is good now.
    fn known_token(&self, token: &str) -> Option<Value> {
        if let Ok(mut claims) = self.verify(token, None) {
            claims.insert("active".to_owned(), true.into());
            claims.insert("token_type".to_owned(), "Bearer".into());
            return Some(Value::Object(claims));
        }
        let memory = self.memory();
        let found = memory.refresh_tokens.get(token)?;
        let authorization = &found.authorization;
        let good = !found.replaced && found.expires > self.now();
        (good && !memory.revocations.cover_authorization(authorization)).then(|| {
            json!({
                "active": true,
                "iss": self.identifier(),
                "sub": authorization.subject,
                "client_id": authorization.client,
                "scope": authorization.scopes.join(" "),
                "exp": found.expires,
            })
        })
    }

    /// Ends a token: an access token alone, a refresh token with all tokens of its authorization. A token that is not known has
    /// ended already (RFC 7009, 2.2).
    pub(super) fn revoke(&self, received: &Received) -> Result<Outcome, OAuthError> {
        let form = Form::read(received)?;
        let client = self.authenticate(received, &form)?;
        let token = form.required("token")?;
        let not_own = || OAuthError::new(ErrorCode::InvalidGrant, "the token was given to another client");
        if let Ok(claims) = self.verify(token, None) {
            if claims.get("client_id").and_then(Value::as_str) != Some(client.id.as_str()) {
                return Err(not_own());
            }
            self.memory().revocations.revoke(claims.get("jti").and_then(Value::as_str).unwrap_or_default());
        } else {
            let mut memory = self.memory();
            let memory = &mut *memory;
            if let Some(found) = memory.refresh_tokens.get(token) {
                if found.authorization.client != *client.id {
                    return Err(not_own());
                }
                memory.revocations.revoke(&found.authorization.id);
            }
        }
        Ok(Outcome::answered(empty_response(StatusCode::OK)))
    }
}
