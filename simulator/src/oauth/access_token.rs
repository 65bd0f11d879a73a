//! Access tokens for clients: for whom, for which resources, with which scopes.

use serde_json::{Map, Value, json};
use url::Url;

use super::error::{ErrorCode, TokenEndpointError};
use super::grants::GrantRequest;
use super::token_response::TokenResponse;

/// What an access token is to say.
pub(super) struct Access {
    pub(super) subject: String,
    /// `aud`. Empty: the client itself.
    pub(super) audience: Vec<String>,
    pub(super) scopes: Vec<String>,
    /// Further claims; they win over the others.
    pub(super) claims: Map<String, Value>,
}

impl Access {
    pub(super) fn new(subject: &str, audience: Vec<String>, scopes: Vec<String>) -> Self {
        Self { subject: subject.to_owned(), audience, scopes, claims: Map::new() }
    }
}

impl GrantRequest<'_> {
    /// The answer with a signed access token.
    pub(super) fn access_token(&self, access: Access) -> Result<TokenResponse, TokenEndpointError> {
        let lifetime = self.definition.token_lifetime;
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
        let token = self.sign("JWT", &claims)?;
        Ok(TokenResponse::bearer(token, lifetime.as_secs(), &access.scopes))
    }

    pub(super) fn sign(&self, typ: &str, claims: &Map<String, Value>) -> Result<String, TokenEndpointError> {
        self.issuer
            .sign(typ, claims)
            .map_err(|_| TokenEndpointError::new(ErrorCode::ServerError, "the token could not be signed"))
    }

    /// Where the token is meant to be used: `audience` (RFC 8693) and `resource` (RFC 8707), both repeatable.
    pub(super) fn targets(&self) -> Result<Vec<String>, TokenEndpointError> {
        let invalid = |description: String| TokenEndpointError::new(ErrorCode::InvalidTarget, description);
        for resource in self.form.all("resource") {
            if !Url::parse(resource).is_ok_and(|url| url.fragment().is_none()) {
                return Err(invalid(format!("the resource `{resource}` is not an absolute URI without fragment")));
            }
        }
        let mut targets: Vec<String> = Vec::new();
        for target in self.form.all("audience").chain(self.form.all("resource")) {
            if self.definition.audiences.as_ref().is_some_and(|known| !known.iter().any(|audience| audience == target))
            {
                return Err(invalid(format!("no tokens are issued for `{target}`")));
            }
            if !targets.iter().any(|seen| seen == target) {
                targets.push(target.to_owned());
            }
        }
        Ok(targets)
    }

    /// The scopes asked for; without a wish those of `inherited` that are known here.
    pub(super) fn scopes_or(&self, inherited: &[String]) -> Result<Vec<String>, TokenEndpointError> {
        let known =
            |scope: &str| self.definition.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|one| one == scope));
        let Some(wanted) = self.form.get("scope") else {
            return Ok(inherited.iter().filter(|scope| known(scope)).cloned().collect());
        };
        let wanted: Vec<String> = wanted.split_whitespace().map(str::to_owned).collect();
        match wanted.iter().find(|scope| !known(scope)) {
            Some(scope) => {
                Err(TokenEndpointError::new(ErrorCode::InvalidScope, format!("the scope `{scope}` is not granted")))
            }
            None => Ok(wanted),
        }
    }
}
