//! The judgement of a `remoteUrl`: may gateways connect there? (mcpserverentry-guide, SSRF protection)
//!
//! This is the early and friendly half, on what is written: no name is resolved here. The gateway judges the addresses
//! that a name resolves to when it connects.

mod address;
mod name;
#[cfg(test)]
mod tests;

use std::fmt;

use url::{Host, Url};

/// A URL that gateways may connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteUrl(Url);

impl RemoteUrl {
    /// Judges `text`. `allow_private` permits private ranges and names of the cluster, and nothing else.
    pub fn judge(text: &str, allow_private: bool) -> Result<Self, RemoteUrlError> {
        let url = Url::parse(text).map_err(|source| RemoteUrlError::Malformed { source })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(RemoteUrlError::Scheme { scheme: url.scheme().to_owned() });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RemoteUrlError::Credentials);
        }
        // The parser reads every spelling of an IPv4 address that an HTTP client would: decimal, octal, hexadecimal,
        // shortened, percent-encoded, full-width, with a trailing dot.
        let (host, refusal) = match url.host() {
            Some(Host::Ipv4(address)) => (address.to_string(), address::judge(address.into())),
            Some(Host::Ipv6(address)) => (format!("[{address}]"), address::judge(address.into())),
            Some(Host::Domain(name)) => (name.to_owned(), name::judge(name)),
            None => return Err(RemoteUrlError::NoHost),
        };
        match refusal {
            Some(refusal) if refusal.permanent || !allow_private => {
                Err(RemoteUrlError::Refused { host, what: refusal.what, permanent: refusal.permanent })
            }
            _ => Ok(Self(url)),
        }
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why gateways may not connect to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal {
    /// What the host is.
    what: String,
    /// Whether `allowPrivateEndpoint` leaves it refused.
    permanent: bool,
}

impl Refusal {
    fn always(what: impl Into<String>) -> Self {
        Self { what: what.into(), permanent: true }
    }

    fn private(what: impl Into<String>) -> Self {
        Self { what: what.into(), permanent: false }
    }
}

/// Why a text is not a URL that gateways may connect to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteUrlError {
    /// It is no URL.
    #[error("remoteUrl is not a URL ({source}): write one such as https://mcp.example.com/mcp")]
    Malformed {
        /// What the parser says.
        source: url::ParseError,
    },
    /// It is not HTTP.
    #[error("remoteUrl has the scheme {scheme:?}: use https:// or http://")]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// It names no host.
    #[error("remoteUrl names no host: write a URL such as https://mcp.example.com/mcp")]
    NoHost,
    /// It holds a user name or a password.
    #[error("remoteUrl holds credentials: remove them, and use externalAuthConfigRef or headerForward")]
    Credentials,
    /// Its host is one that gateways may not connect to.
    #[error("remoteUrl points to {host}, which is {what}: {}", advice(*permanent))]
    Refused {
        /// The host.
        host: String,
        /// What it is.
        what: String,
        /// Whether `allowPrivateEndpoint` leaves it refused.
        permanent: bool,
    },
}

fn advice(permanent: bool) -> &'static str {
    if permanent {
        "use the URL of a server outside of the cluster"
    } else {
        "use the URL of a server outside of the cluster, or set allowPrivateEndpoint"
    }
}
