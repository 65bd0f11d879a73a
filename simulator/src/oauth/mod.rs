//! Simulated authorization servers: metadata, keys, and a token endpoint that is strict about everything a client sends.

mod access_token;
mod bounded;
mod client_assertion;
mod client_authentication;
mod endpoint;
mod error;
mod form;
mod grants;
mod issuer;
mod keys;
mod metadata;
mod token_request;
mod token_response;
mod verify;

pub(crate) use issuer::{Issuer, IssuerError, Issuers, find_issuer};
pub(crate) use verify::{decode_claims, scopes};
