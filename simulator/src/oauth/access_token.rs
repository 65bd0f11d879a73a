//! Access tokens for clients: for whom, for which resources, with which scopes.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::error::{ErrorCode, OAuthError};
use super::grants::GrantRequest;
use super::targets::{is_granted, requested_scopes, targets};
use super::token_response::TokenResponse;

/// What a token is to say.
pub(super) struct Access {
    pub(super) subject: String,
    /// `aud`. Empty: the client itself.
    pub(super) audience: Vec<String>,
    pub(super) scopes: Vec<String>,
    /// Absent: as long as the authorization server says.
    pub(super) lifetime: Option<Duration>,
    /// Further claims; they win over the others.
    pub(super) claims: Map<String, Value>,
}

impl Access {
    pub(super) fn new(subject: &str, audience: Vec<String>, scopes: Vec<String>) -> Self {
        Self { subject: subject.to_owned(), audience, scopes, lifetime: None, claims: Map::new() }
    }
}

impl GrantRequest<'_> {
    /// The answer with a signed access token.
    pub(super) fn access_token(&self, access: Access) -> Result<TokenResponse, OAuthError> {
        self.token("JWT", access)
    }

    /// The answer with a signed token of this type (`typ` of its header).
    pub(super) fn token(&self, typ: &str, access: Access) -> Result<TokenResponse, OAuthError> {
        let lifetime = access.lifetime.unwrap_or(self.definition.token_lifetime);
        let mut claims = self.issuer.claims(&access.subject, lifetime);
        let audience = match access.audience.as_slice() {
            [] => json!(*self.client.id),
            [one] => json!(one),
            several => json!(several),
        };
        claims.insert("aud".to_owned(), audience);
        claims.insert("client_id".to_owned(), json!(*self.client.id));
        if !access.scopes.is_empty() {
            claims.insert("scope".to_owned(), access.scopes.join(" ").into());
        }
        claims.extend(access.claims);
        let token = self
            .issuer
            .sign(typ, &claims)
            .map_err(|_| OAuthError::new(ErrorCode::ServerError, "the token could not be signed"))?;
        Ok(TokenResponse::bearer(token, lifetime.as_secs(), &access.scopes))
    }

    pub(super) fn targets(&self) -> Result<Vec<String>, OAuthError> {
        targets(self.definition, self.form)
    }

    /// The scopes asked for; without a wish those of `inherited` that are granted here.
    pub(super) fn scopes_or(&self, inherited: &[String]) -> Result<Vec<String>, OAuthError> {
        let wanted = requested_scopes(self.definition, self.form)?;
        Ok(wanted
            .unwrap_or_else(|| inherited.iter().filter(|scope| is_granted(self.definition, scope)).cloned().collect()))
    }
}
