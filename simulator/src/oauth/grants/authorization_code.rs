//! The authorization code grant (RFC 6749, 4.1.3, with PKCE, RFC 7636, 4.6): a code for tokens, once.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::GrantRequest;
use crate::oauth::access_token::Access;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::memory::{Authorization, RefreshToken, unguessable};
use crate::oauth::targets::narrowed;
use crate::oauth::token_response::TokenResponse;
use crate::world::{GrantType, RefreshTokens};

impl GrantRequest<'_> {
    pub(super) fn authorization_code(&self) -> Result<TokenResponse, OAuthError> {
        let (authorization, nonce) = self.redeem_code()?;
        let mut response = self.authorized_token(&authorization, authorization.scopes.clone())?;
        response.refresh_token = self.refresh_token_for(&authorization);
        if authorization.scopes.iter().any(|scope| scope == "openid") {
            response.id_token = Some(self.id_token(&authorization, nonce)?);
        }
        Ok(response)
    }

    /// What the code stands for. A code that is used a second time was stolen, so its tokens end (RFC 6749, 4.1.2).
    fn redeem_code(&self) -> Result<(Arc<Authorization>, Option<String>), OAuthError> {
        let refuse = |description: &str| Err(OAuthError::new(ErrorCode::InvalidGrant, description));
        let presented = self.form.required("code")?;
        let verifier = self.form.required("code_verifier")?;
        let now = self.issuer.now();
        let mut memory = self.issuer.memory();
        let memory = &mut *memory;
        let Some(code) = memory.codes.get_mut(presented) else {
            return refuse("there is no such code");
        };
        if code.authorization.client != *self.client.id {
            return refuse("the code was given to another client");
        }
        if code.used {
            memory.revocations.revoke(&code.authorization.id);
            return refuse("the code was used before: the tokens that it brought are revoked");
        }
        if code.expires <= now {
            return refuse("the code has expired");
        }
        if code.redirect_uri.as_deref() != self.form.get("redirect_uri") {
            return refuse("`redirect_uri` is not the one of the authorization request");
        }
        if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != code.challenge {
            return refuse("`code_verifier` does not match the `code_challenge` of the authorization request");
        }
        if memory.revocations.cover_authorization(&code.authorization) {
            return refuse("the authorization was revoked");
        }
        code.used = true;
        Ok((Arc::clone(&code.authorization), code.nonce.clone()))
    }

    /// An access token within an authorization.
    pub(super) fn authorized_token(
        &self,
        authorization: &Authorization,
        scopes: Vec<String>,
    ) -> Result<TokenResponse, OAuthError> {
        if !self.issuer.has_user(&authorization.subject) {
            let description = format!("there is no user `{}` any more", authorization.subject);
            return Err(OAuthError::new(ErrorCode::InvalidGrant, description));
        }
        let asked = self.targets()?;
        let audience = if authorization.resources.is_empty() {
            asked
        } else {
            narrowed(ErrorCode::InvalidTarget, asked, &authorization.resources)?
        };
        let mut access = Access::new(&authorization.subject, audience, scopes);
        access.claims.insert("sid".to_owned(), authorization.id.as_str().into());
        self.access_token(access)
    }

    /// A new refresh token, where there are any for this client.
    pub(super) fn refresh_token_for(&self, authorization: &Arc<Authorization>) -> Option<String> {
        if self.definition.refresh_tokens == RefreshTokens::None || !self.client.may_use(GrantType::RefreshToken) {
            return None;
        }
        let token = unguessable();
        let kept = RefreshToken {
            authorization: Arc::clone(authorization),
            expires: self.issuer.in_future(self.definition.refresh_token_lifetime),
            replaced: false,
        };
        self.issuer.memory().refresh_tokens.insert(token.clone(), kept);
        Some(token)
    }

    /// Who signed in, for the client (OpenID Connect Core, 2).
    fn id_token(&self, authorization: &Authorization, nonce: Option<String>) -> Result<String, OAuthError> {
        let mut access = Access::new(&authorization.subject, Vec::new(), Vec::new());
        access.claims.insert("sid".to_owned(), authorization.id.as_str().into());
        access.claims.insert("auth_time".to_owned(), json!(self.issuer.now()));
        access.claims.extend(nonce.map(|nonce| ("nonce".to_owned(), Value::String(nonce))));
        Ok(self.token("JWT", access)?.access_token)
    }
}
