//! What an authorization server remembers of requests, each kind within a limit.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::bounded::Bounded;
use super::revocations::Revocations;
use crate::world::Client;

/// Client assertions that are remembered, so that none is good twice.
const MOST_ASSERTIONS: usize = 10_000;
const MOST_CODES: usize = 1_000;
const MOST_CLIENTS: usize = 1_000;
const MOST_REFRESH_TOKENS: usize = 10_000;

/// What a user allowed a client to do. Its tokens end with it.
pub(super) struct Authorization {
    /// The `sid` of its tokens.
    pub(super) id: String,
    /// When it was given, counted in tokens of the authorization server.
    pub(super) position: u64,
    pub(super) client: String,
    pub(super) subject: String,
    pub(super) scopes: Vec<String>,
    /// Where its access tokens may be used (RFC 8707). Empty: anywhere.
    pub(super) resources: Vec<String>,
}

/// An authorization code.
pub(super) struct Code {
    pub(super) authorization: Arc<Authorization>,
    /// `code_challenge`, of method S256 (RFC 7636).
    pub(super) challenge: String,
    /// The `redirect_uri` of the authorization request, when it had one.
    pub(super) redirect_uri: Option<String>,
    pub(super) nonce: Option<String>,
    /// In seconds since 1970.
    pub(super) expires: i64,
    pub(super) used: bool,
}

/// A refresh token.
pub(super) struct RefreshToken {
    pub(super) authorization: Arc<Authorization>,
    /// In seconds since 1970.
    pub(super) expires: i64,
    /// Whether it was exchanged for a newer one.
    pub(super) replaced: bool,
}

/// All that is remembered.
pub(super) struct Memory {
    /// Digests of client assertions, with their expiry.
    pub(super) assertions: Bounded<i64>,
    pub(super) codes: Bounded<Code>,
    pub(super) refresh_tokens: Bounded<RefreshToken>,
    pub(super) revocations: Revocations,
    /// Clients that registered themselves.
    pub(super) registered: Bounded<Client>,
    /// Clients that are named by the URL of a document, as it was when it was last fetched, or why it says nothing.
    pub(super) documents: Bounded<Result<Client, String>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            assertions: Bounded::new("client assertions", MOST_ASSERTIONS),
            codes: Bounded::new("authorization codes", MOST_CODES),
            refresh_tokens: Bounded::new("refresh tokens", MOST_REFRESH_TOKENS),
            revocations: Revocations::default(),
            registered: Bounded::new("registered clients", MOST_CLIENTS),
            documents: Bounded::new("documents of clients", MOST_CLIENTS),
        }
    }
}

/// Text that nobody guesses: 256 random bits.
pub(super) fn unguessable() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}
