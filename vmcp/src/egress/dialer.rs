//! From a host and port to a TCP connection: judge the name, resolve, judge every address, dial a judged one.
//!
//! Below the guard is [`Sockets`]: what is asked of it is all that the gateway connects to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Host;

use super::connect_to::ConnectMap;
use super::guard::{Guard, Reach, Refusal};
use super::resolver::{Resolve, ResolveError};
use super::sockets::Sockets;

/// How long the next address of a host waits for the one before (RFC 8305, section 8).
const STAGGER: Duration = Duration::from_millis(250);

/// Why there is no connection. The text names no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConnectError {
    /// The URL is not one that can be connected to.
    #[error("the URL is not an http or https URL with a host")]
    Url,
    /// The guard refused.
    #[error("the egress guard refuses the host: {0}")]
    Blocked(#[from] Refusal),
    /// The host name has no address.
    #[error("{0}")]
    Dns(#[from] ResolveError),
    /// Nobody accepts connections there.
    #[error("the connection was refused or the host cannot be reached")]
    Refused,
    /// The handshake failed.
    #[error("{0}")]
    Tls(String),
    /// Connecting took too long.
    #[error("no connection within {} s", .0.as_secs())]
    Timeout(Duration),
}

/// Opens TCP connections under the guard.
#[derive(Debug)]
pub(super) struct Dialer {
    pub(super) guard: Guard,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) connect_to: ConnectMap,
    pub(super) sockets: Arc<dyn Sockets>,
    /// Bound on name resolution, connection and handshake together.
    pub(super) connect_timeout: Duration,
}

impl Dialer {
    /// Connects to a host that `reach` leads to.
    pub(super) async fn dial(&self, host: &Host<String>, port: u16, reach: Reach) -> Result<TcpStream, ConnectError> {
        let addresses = self.judged_addresses(host, port, reach).await?;
        let places = match self.connect_to.find(host, port) {
            Some(place) => vec![place],
            None => addresses.into_iter().map(|address| self.connect_to.place_of(address)).collect(),
        };
        let stream = self.race(places).await?;
        // Requests are single small writes that wait for an answer.
        stream.set_nodelay(true).map_err(|_| ConnectError::Refused)?;
        Ok(stream)
    }

    async fn judged_addresses(
        &self,
        host: &Host<String>,
        port: u16,
        reach: Reach,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        let addresses = match host {
            Host::Ipv4(address) => vec![(*address).into()],
            Host::Ipv6(address) => vec![(*address).into()],
            Host::Domain(name) => {
                self.guard.judge_name(name, reach)?;
                // Half of the time for a connection, so that it is the DNS that is said to be slow.
                let resolving = timeout(self.connect_timeout / 2, self.resolver.resolve(name));
                resolving.await.unwrap_or(Err(ResolveError::Unanswered))?
            }
        };
        // One bad answer refuses the name: which of its addresses is dialled would be the attacker's choice.
        for address in &addresses {
            self.guard.judge_address(*address, reach)?;
        }
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
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
