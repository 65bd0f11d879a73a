//! TCP connections to addresses that were judged.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use futures::future::BoxFuture;
use tokio::net::TcpStream;

/// Something that opens TCP connections. It is below the guard, so it decides nothing.
pub trait Sockets: fmt::Debug + Send + Sync {
    /// Connects to `address`.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>>;
}

/// The sockets of the system.
#[derive(Debug, Clone, Copy)]
pub struct SystemSockets;

impl Sockets for SystemSockets {
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        Box::pin(TcpStream::connect(address))
    }
}
