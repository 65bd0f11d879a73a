//! Where an authorization endpoint may send users back to.

use schemars::JsonSchema;
use serde::Deserialize;
use thiserror::Error;
use url::{Host, Url};

/// A redirection URI of a client: `https`, `http` on this machine alone, or a scheme of an application's own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct RedirectUri {
    #[schemars(skip)]
    url: Url,
    /// As it was registered: comparison is of text (RFC 9700, 2.1).
    #[schemars(skip)]
    text: String,
}

/// Why a text is not a [`RedirectUri`].
#[derive(Debug, PartialEq, Eq, Error)]
pub enum RedirectUriError {
    /// Not an absolute URI.
    #[error("`{0}` is not an absolute URI: expected something like https://client.example.com/callback")]
    NotAbsolute(String),
    /// RFC 6749, 3.1.2.
    #[error("`{0}` has a fragment: leave it out")]
    Fragment(String),
    /// Others could read the code.
    #[error("`{0}` is neither https nor on this machine: expected https://, or http:// with localhost or 127.0.0.1")]
    Insecure(String),
}

impl RedirectUri {
    /// Reads a redirection URI.
    pub fn parse(text: &str) -> Result<Self, RedirectUriError> {
        let url = Url::parse(text).map_err(|_| RedirectUriError::NotAbsolute(text.to_owned()))?;
        if url.fragment().is_some() {
            return Err(RedirectUriError::Fragment(text.to_owned()));
        }
        if url.scheme() == "http" && !is_loopback(&url) && url.host() != Some(Host::Domain("localhost")) {
            return Err(RedirectUriError::Insecure(text.to_owned()));
        }
        Ok(Self { url, text: text.to_owned() })
    }

    /// The URI as it was registered.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a request may name `requested`: the same text, or, for an address of this machine, another port (RFC 8252, 7.3).
    #[must_use]
    pub fn allows(&self, requested: &str) -> bool {
        if requested == self.text {
            return true;
        }
        let Ok(mut requested) = Url::parse(requested) else {
            return false;
        };
        self.url.scheme() == "http"
            && is_loopback(&self.url)
            && requested.set_port(self.url.port()).is_ok()
            && requested == self.url
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}

impl TryFrom<String> for RedirectUri {
    type Error = RedirectUriError;

    fn try_from(text: String) -> Result<Self, RedirectUriError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[test]
    fn only_the_port_of_a_loopback_address_is_free() {
        let registered = |text: &str| RedirectUri::parse(text).unwrap();
        assert!(registered("https://a.example.com/cb").allows("https://a.example.com/cb"));
        assert!(!registered("https://a.example.com/cb").allows("https://a.example.com/cb/"));
        assert!(!registered("https://a.example.com/cb").allows("https://a.example.com:8443/cb"));
        assert!(registered("http://127.0.0.1/cb").allows("http://127.0.0.1:53211/cb"));
        assert!(registered("http://[::1]:1/cb").allows("http://[::1]:2/cb"));
        assert!(!registered("http://127.0.0.1/cb").allows("http://127.0.0.1:53211/other"));
        assert!(!registered("http://localhost:1/cb").allows("http://localhost:2/cb"));
        assert!(registered("com.example.app:/cb").allows("com.example.app:/cb"));
    }

    #[test]
    fn a_code_is_not_sent_where_others_read_it() {
        assert!(matches!(RedirectUri::parse("http://a.example.com/cb"), Err(RedirectUriError::Insecure(_))));
        assert!(matches!(RedirectUri::parse("/cb"), Err(RedirectUriError::NotAbsolute(_))));
        assert!(matches!(RedirectUri::parse("https://a.example.com/cb#x"), Err(RedirectUriError::Fragment(_))));
    }
}
