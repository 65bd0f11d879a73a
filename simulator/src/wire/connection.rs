//! What is known of a connection before its first request.

use std::net::SocketAddr;

use super::socket::Ending;
use crate::journal::TlsFacts;

/// A connection that was accepted and, on TLS, is through its handshake.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The client.
    pub(crate) peer: SocketAddr,
    /// The port that clients see in URLs.
    pub(crate) url_port: u16,
    /// Where the connection really arrived.
    pub(crate) local: SocketAddr,
    /// TLS, if it is spoken.
    pub(crate) tls: Option<TlsFacts>,
    pub(super) ending: Ending,
}

impl Connection {
    /// Ends it in order, without what was not sent yet.
    pub(crate) fn close(&self) {
        self.ending.close();
    }

    /// Resets it.
    pub(crate) fn reset(&self) {
        self.ending.reset();
    }

    /// Ends our side of it alone.
    pub(crate) fn end_writing(&self) {
        self.ending.end_writing();
    }

    /// Scheme of the URLs that this connection serves.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}
