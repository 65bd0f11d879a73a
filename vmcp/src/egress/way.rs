//! From a host and port to a TCP connection: resolve the name, dial the addresses. Nothing is judged here: the [guard](super::guard)
//! is in the [dialer](super::dialer), which has a way for all that backends and issuers name.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Host;

use super::connect_to::ConnectMap;
use super::dialer::ConnectError;
use super::resolver::{Resolve, ResolveError};
use super::sockets::{Sockets, SystemSockets};

/// How long the next address of a host waits for the one before (RFC 8305, section 8).
const STAGGER: Duration = Duration::from_millis(250);
/// Bound on opening one connection, the handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where names lead, and what connects to there.
#[derive(Debug, Clone)]
pub struct Way {
    /// Resolves names.
    pub resolver: Arc<dyn Resolve>,
    /// Other places to dial.
    pub connect_to: ConnectMap,
    /// Opens connections to addresses.
    pub sockets: Arc<dyn Sockets>,
    /// Bound on opening one connection; half of it is for its name.
    pub connect_timeout: Duration,
}

impl Way {
    /// With this resolver and the sockets of the system, and nothing to dial elsewhere.
    pub fn new(resolver: Arc<dyn Resolve>) -> Self {
        Self {
            resolver,
            connect_to: ConnectMap::default(),
            sockets: Arc::new(SystemSockets),
            connect_timeout: CONNECT_TIMEOUT,
        }
    }

    /// All addresses of a host.
    pub(super) async fn addresses(&self, host: &Host<String>) -> Result<Vec<IpAddr>, ResolveError> {
        match host {
            Host::Ipv4(address) => Ok(vec![(*address).into()]),
            Host::Ipv6(address) => Ok(vec![(*address).into()]),
            Host::Domain(name) => {
                // Half of the time for a connection, so that it is the DNS that is said to be slow.
                let resolving = timeout(self.connect_timeout / 2, self.resolver.resolve(name));
                resolving.await.unwrap_or(Err(ResolveError::Unanswered))
            }
        }
    }

    /// Connects to a host that has these addresses.
    pub(super) async fn dial(
        &self,
        host: &Host<String>,
        port: u16,
        addresses: Vec<IpAddr>,
    ) -> Result<TcpStream, ConnectError> {
        let place_of = |address| self.connect_to.place_of(SocketAddr::new(address, port));
        let places = match self.connect_to.find(host, port) {
            Some(place) => vec![place],
            None => addresses.into_iter().map(place_of).collect(),
        };
        let stream = self.race(places).await?;
        // Requests are single small writes that wait for an answer.
        stream.set_nodelay(true).map_err(|_| ConnectError::Refused)?;
        Ok(stream)
    }

    /// The first address that accepts, each one started a little after the one before.
    async fn race(&self, addresses: Vec<SocketAddr>) -> Result<TcpStream, ConnectError> {
        let mut waiting = interleaved(addresses).into_iter();
        let mut attempts = FuturesUnordered::new();
        let mut exhausted = false;
        loop {
            if !exhausted {
                match waiting.next() {
                    Some(address) => attempts.push(self.sockets.connect(address)),
                    None => exhausted = true,
                }
            }
            let outcome = if exhausted {
                attempts.next().await
            } else {
                match timeout(STAGGER, attempts.next()).await {
                    Ok(outcome) => outcome,
                    Err(_) => continue,
                }
            };
            match outcome {
                Some(Ok(stream)) => return Ok(stream),
                None if exhausted => return Err(ConnectError::Refused),
                Some(Err(_)) | None => {}
            }
        }
    }
}

/// IPv6 and IPv4 in turn, each family in the order of the answer.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv6);
    let mut rest = (v6.into_iter(), v4.into_iter());
    let mut ordered = Vec::new();
    loop {
        let pair = (rest.0.next(), rest.1.next());
        if pair == (None, None) {
            return ordered;
        }
        ordered.extend(pair.0);
        ordered.extend(pair.1);
    }
}
