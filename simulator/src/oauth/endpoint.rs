//! Requests to an authorization server.

use std::sync::Arc;

use http::{Method, StatusCode};

use super::client_assertion::named_client;
use super::client_document::DocumentUrl;
use super::error::OAuthError;
use super::form::Form;
use super::grants::GrantRequest;
use super::issuer::Issuer;
use crate::wire::{Outcome, Received, json_response, method_not_allowed};

/// What an authorization server serves.
#[derive(Clone, Copy)]
enum Endpoint {
    Metadata,
    Keys,
    Authorization,
    Token,
    Introspection,
    Revocation,
    Registration,
}

impl Endpoint {
    /// Whether it is asked with this method, and which ones it takes.
    fn takes(self, method: &Method) -> Result<(), &'static str> {
        let reading = matches!(*method, Method::GET | Method::HEAD);
        match self {
            Self::Metadata | Self::Keys if reading => Ok(()),
            Self::Metadata | Self::Keys => Err("GET, HEAD"),
            Self::Authorization if reading || method == Method::POST => Ok(()),
            Self::Authorization => Err("GET, HEAD, POST"),
            _ if method == Method::POST => Ok(()),
            _ => Err("POST"),
        }
    }
}

impl Issuer {
    fn endpoint_at(&self, path: &str) -> Option<Endpoint> {
        let definition = self.definition();
        let mut endpoints = vec![
            (&definition.token_path, Endpoint::Token),
            (&definition.jwks_path, Endpoint::Keys),
            (&definition.authorization_path, Endpoint::Authorization),
            (&definition.introspection_path, Endpoint::Introspection),
            (&definition.revocation_path, Endpoint::Revocation),
        ];
        if definition.registration {
            endpoints.push((&definition.registration_path, Endpoint::Registration));
        }
        let found = endpoints.into_iter().find(|(below, _)| self.path(below) == path).map(|(_, endpoint)| endpoint);
        found.or_else(|| self.metadata_paths().iter().any(|known| known == path).then_some(Endpoint::Metadata))
    }

    /// Whether the authorization server serves something at `path`.
    pub(crate) fn serves(&self, path: &str) -> bool {
        self.endpoint_at(path).is_some()
    }

    /// The client, by its id, whose document must be fetched before the request can be answered, and where that is or why it is
    /// nowhere. At the authorization endpoint it is always read anew; elsewhere, what it said there holds.
    pub(crate) fn document_for(&self, received: &Received) -> Option<(String, Result<DocumentUrl, String>)> {
        if !self.definition().client_metadata_documents {
            return None;
        }
        let (encoded, anew) = match self.endpoint_at(&received.path)? {
            Endpoint::Authorization if received.method != Method::POST => (received.query.as_deref()?.as_bytes(), true),
            Endpoint::Authorization => (received.body.as_ref(), true),
            Endpoint::Token | Endpoint::Introspection | Endpoint::Revocation => (received.body.as_ref(), false),
            Endpoint::Metadata | Endpoint::Keys | Endpoint::Registration => return None,
        };
        let form = Form::parse(encoded).ok()?;
        let id = form.get("client_id").map(str::to_owned).or_else(|| named_client(form.get("client_assertion")?))?;
        let is_known = if anew { self.has_client(&id) } else { self.client(&id).is_ok() };
        if !id.contains("://") || is_known {
            return None;
        }
        let url = DocumentUrl::parse(&id);
        Some((id, url))
    }

    /// Answers a request to one of the paths that it serves.
    pub(crate) fn answer(&self, received: &Received, issuers: &[Arc<Issuer>]) -> Outcome {
        let Some(endpoint) = self.endpoint_at(&received.path) else {
            return Outcome::refused_with(StatusCode::NOT_FOUND, "the authorization server serves nothing here");
        };
        if let Err(allowed) = endpoint.takes(&received.method) {
            return method_not_allowed(allowed, format!("this endpoint takes {allowed} alone"));
        }
        let result = match endpoint {
            Endpoint::Metadata => Ok(Outcome::answered(json_response(StatusCode::OK, &self.metadata()))),
            Endpoint::Keys => Ok(Outcome::answered(json_response(StatusCode::OK, &self.key_set()))),
            Endpoint::Authorization => Ok(self.authorize(received)),
            Endpoint::Token => self.token_request(received, issuers),
            Endpoint::Introspection => self.introspect(received),
            Endpoint::Revocation => self.revoke(received),
            Endpoint::Registration => self.register(received),
        };
        result.unwrap_or_else(OAuthError::into_outcome)
    }

    fn token_request(&self, received: &Received, world: &[Arc<Issuer>]) -> Result<Outcome, OAuthError> {
        let form = Form::read(received)?;
        let client = self.authenticate(received, &form)?;
        let definition = self.definition();
        let request = GrantRequest { issuer: self, definition: &definition, client: &client, form: &form, world };
        Ok(request.answer()?.into_outcome())
    }
}
