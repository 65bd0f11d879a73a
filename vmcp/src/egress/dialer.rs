//! From a host and port to a TCP connection under the guard: judge the name, resolve, judge every address, dial a judged one.
//!
//! Below the guard are [`Sockets`](super::Sockets): what is asked of them is all that the gateway connects to.

use std::time::Duration;

use tokio::net::TcpStream;
use url::Host;

use super::guard::{Guard, Reach, Refusal};
use super::resolver::ResolveError;
use super::way::Way;

/// Why there is no connection. The text names no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectError {
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
    pub(super) way: Way,
}

impl Dialer {
    /// Connects to a host that `reach` leads to.
    pub(super) async fn dial(&self, host: &Host<String>, port: u16, reach: Reach) -> Result<TcpStream, ConnectError> {
        if let Host::Domain(name) = host {
            self.guard.judge_name(name, reach)?;
        }
        let addresses = self.way.addresses(host).await?;
        // One bad answer refuses the name: which of its addresses is dialled would be the attacker's choice.
        for address in &addresses {
            self.guard.judge_address(*address, reach)?;
        }
        self.way.dial(host, port, addresses).await
    }
}
