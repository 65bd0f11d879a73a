//! Simulated authorization servers: metadata, keys, and endpoints that are strict about everything a client sends.

mod access_token;
mod authorization;
mod bounded;
mod client_assertion;
mod client_authentication;
mod client_document;
mod consent_page;
mod endpoint;
mod error;
mod form;
mod grants;
mod issuer;
mod keys;
mod memory;
mod metadata;
mod registration;
mod revocations;
mod targets;
mod token_request;
mod token_response;
mod token_status;
mod verify;

pub(crate) use client_document::DocumentUrl;
pub(crate) use issuer::{Issuer, IssuerError, Issuers, find_issuer};
pub(crate) use verify::{decode_claims, scopes};
