//! The grants of the token endpoint, one file each, and what they share.

mod client_credentials;
mod token_exchange;

use std::sync::Arc;

use super::error::{ErrorCode, TokenEndpointError};
use super::form::Form;
use super::issuer::Issuer;
use super::token_response::TokenResponse;
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
    pub(super) fn answer(&self) -> Result<TokenResponse, TokenEndpointError> {
        let named = self.form.required("grant_type")?;
        let grant = GrantType::parse(named).ok_or_else(|| {
            TokenEndpointError::new(ErrorCode::UnsupportedGrantType, format!("the grant `{named}` is not supported"))
        })?;
        if !self.client.may_use(grant) {
            return Err(TokenEndpointError::new(
                ErrorCode::UnauthorizedClient,
                format!("the client `{}` may not use the grant `{named}`", *self.client.id),
            ));
        }
        match grant {
            GrantType::ClientCredentials => self.client_credentials(),
            GrantType::TokenExchange => self.token_exchange(),
        }
    }
}
