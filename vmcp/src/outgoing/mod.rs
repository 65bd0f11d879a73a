//! Credentials and headers that requests to backends carry.
//!
//! [`OutgoingAuth`] and [`ForwardedHeaders`] are what a backend was configured with, checked. The client's own token
//! is only ever sent to a token endpoint.

mod credentials;
mod headers;
mod passthrough;
mod token_cache;
mod token_circuits;
mod token_exchange;

pub use credentials::{Credential, Credentials};
pub use headers::{ForwardedHeaders, HeaderError, detached, parse_name, parse_value};
pub use passthrough::{PassedHeaders, Passthrough};
pub use token_cache::{DEFAULT_LONGEST_USE, TokenCache};
pub use token_exchange::{ClientCredentials, TokenExchange, TokenType};

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use url::Url;

/// How the gateway authenticates to a backend.
#[derive(Debug, Clone)]
pub enum OutgoingAuth {
    /// Not at all.
    Unauthenticated,
    /// By a header with a fixed value.
    HeaderInjection {
        /// Name of the header.
        name: HeaderName,
        /// Its value, marked sensitive.
        value: HeaderValue,
    },
    /// By a token that the caller's token is exchanged for (RFC 8693).
    TokenExchange(Arc<TokenExchange>),
}

impl OutgoingAuth {
    /// A fixed token in the Authorization header (RFC 6750).
    pub fn bearer(token: &str) -> Result<Self, HeaderError> {
        let value = parse_value(&AUTHORIZATION, &format!("Bearer {token}"))?;
        Ok(Self::HeaderInjection { name: AUTHORIZATION, value })
    }

    /// The name of the strategy, as configuration and status spell it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::HeaderInjection { .. } => "header_injection",
            Self::TokenExchange(_) => "token_exchange",
        }
    }

    /// Whether two callers may get different answers because of their credentials.
    pub fn is_user_scoped(&self) -> bool {
        matches!(self, Self::TokenExchange(_))
    }

    /// The token endpoint that it asks, if any.
    pub fn token_url(&self) -> Option<&Url> {
        match self {
            Self::TokenExchange(exchange) => Some(&exchange.token_url),
            Self::Unauthenticated | Self::HeaderInjection { .. } => None,
        }
    }

    /// Changes with every part of the configuration, secrets included.
    pub fn identity(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.kind().hash(&mut hasher);
        match self {
            Self::Unauthenticated => {}
            Self::HeaderInjection { name, value } => {
                name.hash(&mut hasher);
                value.as_bytes().hash(&mut hasher);
            }
            Self::TokenExchange(exchange) => exchange.hash(&mut hasher),
        }
        hasher.finish()
    }
}
