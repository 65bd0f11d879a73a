//! The grants of the token endpoint, one file each, and what they share.

mod authorization_code;
mod client_credentials;
mod jwt_bearer;
mod refresh_token;
mod token_exchange;

use std::sync::Arc;

use serde_json::Value;

use super::error::{ErrorCode, OAuthError};
use super::form::Form;
use super::issuer::{Issuer, find_issuer};
use super::token_response::TokenResponse;
use super::verify::decode_claims;
use crate::world::{AuthorizationServer, Client, GrantType};

/// A request for a token by a client that has authenticated.
pub(super) struct GrantRequest<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) definition: &'a AuthorizationServer,
    pub(super) client: &'a Client,
    pub(super) form: &'a Form,
    /// All authorization servers of the world, some of which are trusted.
    pub(super) world: &'a [Arc<Issuer>],
}

impl GrantRequest<'_> {
    /// What the client gets.
    pub(super) fn answer(&self) -> Result<TokenResponse, OAuthError> {
        let named = self.form.required("grant_type")?;
        let grant = GrantType::parse(named).ok_or_else(|| {
            OAuthError::new(ErrorCode::UnsupportedGrantType, format!("the grant `{named}` is not supported"))
        })?;
        if !self.client.may_use(grant) {
            return Err(OAuthError::new(
                ErrorCode::UnauthorizedClient,
                format!("the client `{}` may not use the grant `{named}`", self.client.id),
            ));
        }
        match grant {
            GrantType::ClientCredentials => self.client_credentials(),
            GrantType::TokenExchange => self.token_exchange(),
            GrantType::AuthorizationCode => self.authorization_code(),
            GrantType::RefreshToken => self.refresh_token(),
            GrantType::JwtBearer => self.jwt_bearer(),
        }
    }

    /// The authorization server that a token names as its issuer, if it is this one or one that this one trusts.
    fn trusted_issuer(&self, token: &str) -> Result<&Issuer, String> {
        let claims = decode_claims(token).ok_or("it is not a JWT")?;
        let named = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
        let trusted = self.definition.trusts.iter().filter_map(|name| find_issuer(self.world, name)).map(Arc::as_ref);
        let found = trusted.chain([self.issuer]).find(|issuer| issuer.identifier() == named);
        found.ok_or_else(|| format!("its issuer `{named}` is not trusted"))
    }
}
