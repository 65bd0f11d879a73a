//! Simulated authorization servers: metadata, keys, and a token endpoint that is strict about everything a client sends.

mod client_authentication;
mod endpoint;
mod error;
mod form;
mod grants;
mod issuer;
mod keys;
mod metadata;
mod verify;

pub(crate) use issuer::{Issuer, IssuerError, Issuers, find_issuer};
pub(crate) use verify::{decode_claims, scopes};
