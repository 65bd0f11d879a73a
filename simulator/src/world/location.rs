//! Where in the simulated world something is served: the URLs that clients know.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::Deserialize;
use thiserror::Error;
use url::Url;

/// The host of servers that listen where nobody should connect.
pub(super) const TRAP: &str = "trap";

/// An `http` or `https` URL without query, fragment and credentials, under which the world serves something.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = "^https?://"))]
pub struct ServerUrl(#[schemars(with = "String")] Url);

/// Why a text is not a [`ServerUrl`].
#[derive(Debug, Error)]
pub enum UrlError {
    /// Not a URL at all.
    #[error("`{text}` is not a URL ({source}): expected something like https://mcp.example.com/mcp")]
    Malformed {
        /// What was written.
        text: String,
        /// What the parser says.
        source: url::ParseError,
    },
    /// A scheme other than `http` and `https`.
    #[error("`{0}` has the scheme `{1}`: expected http:// or https://")]
    Scheme(Url, String),
    /// Query, fragment or credentials.
    #[error("`{0}` has {1}: a server is known by scheme, host, port and path alone")]
    Surplus(String, &'static str),
}

impl ServerUrl {
    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let url = Url::parse(text).map_err(|source| UrlError::Malformed { text: text.to_owned(), source })?;
        if !matches!(url.scheme(), "http" | "https") {
            let scheme = url.scheme().to_owned();
            return Err(UrlError::Scheme(url, scheme));
        }
        let surplus = if !url.username().is_empty() || url.password().is_some() {
            Some("credentials")
        } else if url.query().is_some() {
            Some("a query")
        } else if url.fragment().is_some() {
            Some("a fragment")
        } else {
            None
        };
        match surplus {
            // The text is not repeated: it may hold a password.
            Some(what) => Err(UrlError::Surplus(url.host_str().unwrap_or_default().to_owned(), what)),
            None => Ok(Self(url)),
        }
    }

    /// Whether the server speaks TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host name in lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The port of the URL: 443 or 80 when it names none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    /// The path, `/` at least.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Scheme, host and port as browsers spell an origin, e.g. `https://mcp.example.com`.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The loopback address that the URL names itself (`localhost`, 127.0.0.1), if it does: such a server listens exactly there.
    #[must_use]
    pub fn loopback(&self) -> Option<IpAddr> {
        match self.0.host()? {
            url::Host::Domain("localhost") => Some(IpAddr::from([127, 0, 0, 1])),
            url::Host::Domain(_) => None,
            url::Host::Ipv4(address) => address.is_loopback().then_some(address.into()),
            url::Host::Ipv6(address) => address.is_loopback().then_some(address.into()),
        }
    }

    /// The same at another address.
    #[must_use]
    pub(super) fn at(&self, address: SocketAddr) -> Self {
        let mut url = self.0.clone();
        // Both fail for URLs without a host alone, and this one has one.
        let _set = url.set_ip_host(address.ip()).and_then(|()| url.set_port(Some(address.port())));
        Self(url)
    }

    /// Whether the server listens at the world's trap: an address where nobody should connect.
    #[must_use]
    pub fn is_trap(&self) -> bool {
        self.host() == TRAP
    }

    /// Whether clients that write `host` mean this server. One on this machine has all the names of this machine.
    #[must_use]
    pub fn is_host(&self, host: &str) -> bool {
        self.host() == host || (is_this_machine(self.host()) && is_this_machine(host))
    }

    /// Whether an `Origin` is the server's own.
    #[must_use]
    pub fn is_origin(&self, origin: &str) -> bool {
        Url::parse(origin).is_ok_and(|origin| {
            origin.scheme() == self.0.scheme()
                && origin.port_or_known_default() == self.0.port_or_known_default()
                && origin.host_str().is_some_and(|host| self.is_host(host))
        })
    }

    /// Whether the host is an address and no name.
    #[must_use]
    pub fn is_address(&self) -> bool {
        !matches!(self.0.host(), Some(url::Host::Domain(_)))
    }

    /// The URL as text, with the root path's slash left out.
    #[must_use]
    pub fn as_str(&self) -> &str {
        if self.path() == "/" { self.0.as_str().trim_end_matches('/') } else { self.0.as_str() }
    }
}

/// The names by which clients on a machine call it.
fn is_this_machine(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

impl TryFrom<String> for ServerUrl {
    type Error = UrlError;

    fn try_from(text: String) -> Result<Self, UrlError> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for ServerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
