//! The sockets of a view.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::View;

/// How long a TCP client may be silent.
const IDLE: Duration = Duration::from_secs(10);

/// How often a port is tried that is free for UDP and TCP alike.
const BIND_ATTEMPTS: usize = 16;

/// A UDP and a TCP socket with the same port.
pub(super) struct Sockets {
    udp: UdpSocket,
    tcp: TcpListener,
    address: SocketAddr,
}

impl Sockets {
    /// Binds both on a free high port. Needs a runtime.
    pub(super) fn bind(address: Ipv4Addr) -> io::Result<Self> {
        let mut last_error = None;
        for _ in 0..BIND_ATTEMPTS {
            let udp = std::net::UdpSocket::bind((address, 0))?;
            let address = udp.local_addr()?;
            match std::net::TcpListener::bind(address) {
                Ok(tcp) => {
                    udp.set_nonblocking(true)?;
                    tcp.set_nonblocking(true)?;
                    return Ok(Self { udp: UdpSocket::from_std(udp)?, tcp: TcpListener::from_std(tcp)?, address });
                }
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves a view until it is told to stop.
pub(super) async fn serve(sockets: Sockets, view: Arc<View>, stop: CancellationToken) {
    let Sockets { udp, tcp, .. } = sockets;
    // Ends all connections when it is dropped.
    let mut connections = JoinSet::new();
    let mut packet = vec![0; 4096];
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            received = udp.recv_from(&mut packet) => {
                let Ok((length, client)) = received else { continue };
                if let Some(reply) = view.answer(&packet[..length], true) {
                    // The client may be gone; then nobody misses the answer.
                    let _ = udp.send_to(&reply, client).await;
                }
            }
            accepted = tcp.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve_connection(stream, Arc::clone(&view)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers the queries of one TCP client, each behind its length (RFC 1035, 4.2.2), until it closes or falls silent.
async fn serve_connection(mut stream: TcpStream, view: Arc<View>) -> Option<()> {
    loop {
        let length = tokio::time::timeout(IDLE, stream.read_u16()).await.ok()?.ok()?;
        let mut packet = vec![0; usize::from(length)];
        tokio::time::timeout(IDLE, stream.read_exact(&mut packet)).await.ok()?.ok()?;
        let reply = view.answer(&packet, false)?;
        stream.write_u16(u16::try_from(reply.len()).ok()?).await.ok()?;
        stream.write_all(&reply).await.ok()?;
    }
}
