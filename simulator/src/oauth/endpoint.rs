//! Requests to an authorization server.

use std::sync::Arc;

use http::{Method, StatusCode};

use super::error::{ErrorCode, TokenEndpointError};
use super::form::Form;
use super::grants::{CLIENT_CREDENTIALS, TOKEN_EXCHANGE};
use super::issuer::Issuer;
use crate::wire::{Outcome, Received, json_response, method_not_allowed};

impl Issuer {
    /// Whether the authorization server serves something at `path`.
    pub(crate) fn serves(&self, path: &str) -> bool {
        self.metadata_paths().iter().any(|known| known == path)
            || path == self.path(&self.definition.jwks_path)
            || path == self.path(&self.definition.token_path)
    }

    /// Answers a request to one of the paths that it serves.
    pub(crate) fn answer(&self, received: &Received, issuers: &[Arc<Issuer>]) -> Outcome {
        let document = if received.path == self.path(&self.definition.token_path) {
            if received.method != Method::POST {
                return method_not_allowed("POST", "a token endpoint takes POST only");
            }
            return self.token_request(received, issuers).unwrap_or_else(TokenEndpointError::into_outcome);
        } else if received.path == self.path(&self.definition.jwks_path) {
            self.key_set()
        } else {
            self.metadata()
        };
        if !matches!(received.method, Method::GET | Method::HEAD) {
            return method_not_allowed("GET, HEAD", "metadata and keys are read with GET");
        }
        Outcome::answered(json_response(StatusCode::OK, &document))
    }

    fn token_request(&self, received: &Received, issuers: &[Arc<Issuer>]) -> Result<Outcome, TokenEndpointError> {
        let form = Form::read(received)?;
        let client = self.authenticate(received, &form)?;
        match form.required("grant_type")? {
            TOKEN_EXCHANGE => self.exchange(&form, &client, issuers),
            CLIENT_CREDENTIALS => self.client_credentials(&form, &client),
            other => Err(TokenEndpointError::new(
                ErrorCode::UnsupportedGrantType,
                format!("the grant `{other}` is not supported"),
            )),
        }
    }
}
