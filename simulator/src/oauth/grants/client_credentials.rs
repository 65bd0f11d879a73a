//! A token for the client itself (RFC 6749, 4.4).

use super::GrantRequest;
use crate::oauth::access_token::Access;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::token_response::TokenResponse;

impl GrantRequest<'_> {
    pub(super) fn client_credentials(&self) -> Result<TokenResponse, OAuthError> {
        if self.client.is_public() {
            return Err(OAuthError::new(
                ErrorCode::UnauthorizedClient,
                "a public client has no credentials of its own",
            ));
        }
        let access = Access::new(&self.client.id, self.targets()?, self.scopes_or(&[])?);
        self.access_token(access)
    }
}
