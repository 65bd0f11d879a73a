//! Requests to an authorization server.

use std::sync::Arc;

use http::{Method, StatusCode};

use super::error::TokenEndpointError;
use super::form::Form;
use super::grants::GrantRequest;
use super::issuer::Issuer;
use crate::wire::{Outcome, Received, json_response, method_not_allowed};

/// What an authorization server serves.
enum Endpoint {
    Metadata,
    Keys,
    Token,
}

impl Issuer {
    fn endpoint_at(&self, path: &str) -> Option<Endpoint> {
        let definition = self.definition();
        if path == self.path(&definition.token_path) {
            Some(Endpoint::Token)
        } else if path == self.path(&definition.jwks_path) {
            Some(Endpoint::Keys)
        } else {
            self.metadata_paths().iter().any(|known| known == path).then_some(Endpoint::Metadata)
        }
    }

    /// Whether the authorization server serves something at `path`.
    pub(crate) fn serves(&self, path: &str) -> bool {
        self.endpoint_at(path).is_some()
    }

    /// Answers a request to one of the paths that it serves.
    pub(crate) fn answer(&self, received: &Received, issuers: &[Arc<Issuer>]) -> Outcome {
        let reading = matches!(received.method, Method::GET | Method::HEAD);
        match self.endpoint_at(&received.path) {
            Some(Endpoint::Token) if received.method != Method::POST => {
                method_not_allowed("POST", "a token endpoint takes POST only")
            }
            Some(Endpoint::Token) => {
                self.token_request(received, issuers).unwrap_or_else(TokenEndpointError::into_outcome)
            }
            Some(_) if !reading => method_not_allowed("GET, HEAD", "metadata and keys are read with GET"),
            Some(Endpoint::Keys) => Outcome::answered(json_response(StatusCode::OK, &self.key_set())),
            Some(Endpoint::Metadata) => Outcome::answered(json_response(StatusCode::OK, &self.metadata())),
            None => Outcome::refused_with(StatusCode::NOT_FOUND, "the authorization server serves nothing here"),
        }
    }

    fn token_request(&self, received: &Received, world: &[Arc<Issuer>]) -> Result<Outcome, TokenEndpointError> {
        let form = Form::read(received)?;
        let client = self.authenticate(received, &form)?;
        let definition = self.definition();
        let request = GrantRequest { issuer: self, definition: &definition, client: &client, form: &form, world };
        Ok(request.answer()?.into_outcome())
    }
}
