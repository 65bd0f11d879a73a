//! `--connect-to HOST:PORT=ADDR:PORT`: another place to dial for a host and port.
//!
//! A host that is an address stands for every name that leads there. The guard has judged the host's own addresses before;
//! the server name of TLS and the `Host` header stay.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use url::Host;

/// One mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectTo {
    host: Host<String>,
    port: u16,
    address: SocketAddr,
}

/// Why a text is not a mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a mapping: write it as mcp.example.com:443=127.0.0.1:8443")]
pub struct ConnectToError(String);

impl FromStr for ConnectTo {
    type Err = ConnectToError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ConnectToError(text.to_owned());
        let (authority, address) = text.trim().split_once('=').ok_or_else(wrong)?;
        let (host, port) = authority.rsplit_once(':').ok_or_else(wrong)?;
        Ok(Self {
            host: normalized(Host::parse(host).map_err(|_| wrong())?),
            port: port.parse().map_err(|_| wrong())?,
            address: address.parse().map_err(|_| wrong())?,
        })
    }
}

impl fmt::Display for ConnectTo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}={}", self.host, self.port, self.address)
    }
}

/// All mappings together.
#[derive(Debug, Clone, Default)]
pub struct ConnectMap(BTreeMap<(String, u16), SocketAddr>);

impl ConnectMap {
    /// Where to dial instead for a host and port.
    pub(super) fn find(&self, host: &Host<String>, port: u16) -> Option<SocketAddr> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(normalized(host.clone()).to_string(), port)).copied()
    }

    /// Where to dial for an address: there, unless it is mapped itself.
    pub(super) fn place_of(&self, address: SocketAddr) -> SocketAddr {
        let host = match address.ip() {
            IpAddr::V4(ip) => Host::Ipv4(ip),
            IpAddr::V6(ip) => Host::Ipv6(ip),
        };
        self.find(&host, address.port()).unwrap_or(address)
    }
}

impl FromIterator<ConnectTo> for ConnectMap {
    fn from_iter<T: IntoIterator<Item = ConnectTo>>(mappings: T) -> Self {
        Self(mappings.into_iter().map(|mapping| ((mapping.host.to_string(), mapping.port), mapping.address)).collect())
    }
}

fn normalized(host: Host<String>) -> Host<String> {
    match host {
        Host::Domain(name) => Host::Domain(name.trim_end_matches('.').to_ascii_lowercase()),
        literal => literal,
    }
}
