//! The refresh token grant (RFC 6749, 6), with rotation and detection of reuse (RFC 9700, 4.14.2).

use std::sync::Arc;

use super::GrantRequest;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::memory::Authorization;
use crate::oauth::targets::{narrowed, requested_scopes};
use crate::oauth::token_response::TokenResponse;
use crate::world::RefreshTokens;

impl GrantRequest<'_> {
    pub(super) fn refresh_token(&self) -> Result<TokenResponse, OAuthError> {
        let presented = self.form.required("refresh_token")?;
        let authorization = self.refreshable(presented)?;
        let asked = requested_scopes(self.definition, self.form)?.unwrap_or_default();
        let scopes = narrowed(ErrorCode::InvalidScope, asked, &authorization.scopes)?;
        let mut response = self.authorized_token(&authorization, scopes)?;
        if self.definition.refresh_tokens == RefreshTokens::Rotate {
            self.replace(presented)?;
            response.refresh_token = self.refresh_token_for(&authorization);
        }
        Ok(response)
    }

    /// What the refresh token stands for. One that was replaced already was stolen, so all tokens of the authorization end.
    fn refreshable(&self, presented: &str) -> Result<Arc<Authorization>, OAuthError> {
        let refuse = |description: &str| Err(OAuthError::new(ErrorCode::InvalidGrant, description));
        let now = self.issuer.now();
        let mut memory = self.issuer.memory();
        let memory = &mut *memory;
        let Some(token) = memory.refresh_tokens.get(presented) else {
            return refuse("there is no such refresh token");
        };
        if token.authorization.client != *self.client.id {
            return refuse("the refresh token was given to another client");
        }
        if memory.revocations.cover_authorization(&token.authorization) {
            return refuse("the authorization was revoked");
        }
        if token.replaced {
            memory.revocations.revoke(&token.authorization.id);
            return Err(used_before());
        }
        if token.expires <= now {
            return refuse("the refresh token has expired");
        }
        Ok(Arc::clone(&token.authorization))
    }

    /// Ends the refresh token, unless another request was faster.
    fn replace(&self, presented: &str) -> Result<(), OAuthError> {
        let mut memory = self.issuer.memory();
        let memory = &mut *memory;
        match memory.refresh_tokens.get_mut(presented) {
            Some(token) if !token.replaced => {
                token.replaced = true;
                Ok(())
            }
            Some(token) => {
                memory.revocations.revoke(&token.authorization.id);
                Err(used_before())
            }
            None => Err(used_before()),
        }
    }
}

fn used_before() -> OAuthError {
    let description = "the refresh token was used before: all tokens of its authorization are revoked";
    OAuthError::new(ErrorCode::InvalidGrant, description)
}
