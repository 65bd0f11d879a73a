//! The sockets of a view.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Answer, View, forward};

/// How long a TCP client may be silent.
const IDLE: Duration = Duration::from_secs(10);

/// How often a port is tried that is free for UDP and TCP alike.
const BIND_ATTEMPTS: usize = 16;

/// So many clients are served at once by TCP, and so many wait by UDP for another server; further ones get no answer.
const MOST_TASKS: usize = 1024;

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
    let udp = Arc::new(udp);
    // Ends all connections, and all that wait for another server, when it is dropped.
    let mut tasks = JoinSet::new();
    let mut packet = vec![0; 4096];
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            received = udp.recv_from(&mut packet) => {
                let Ok((length, client)) = received else { continue };
                match view.answer(&packet[..length], true) {
                    // The client may be gone; then nobody misses the answer.
                    Some(Answer::Ready(answer)) => drop(udp.send_to(&answer, client).await),
                    Some(Answer::Elsewhere(server)) if tasks.len() < MOST_TASKS => {
                        let (udp, query) = (Arc::clone(&udp), packet[..length].to_vec());
                        tasks.spawn(async move {
                            let answer = forward::over_udp(server, &query).await?;
                            udp.send_to(&answer, client).await.map(drop)
                        });
                    }
                    Some(Answer::Elsewhere(_)) | None => {}
                }
            }
            accepted = tcp.accept() => {
                if let Ok((stream, _)) = accepted && tasks.len() < MOST_TASKS {
                    tasks.spawn(serve_connection(stream, Arc::clone(&view)));
                }
            }
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// Answers the queries of one TCP client until it closes or falls silent.
async fn serve_connection(mut stream: TcpStream, view: Arc<View>) -> io::Result<()> {
    loop {
        let query = timeout(IDLE, read_message(&mut stream)).await??;
        let answer = match view.answer(&query, false) {
            Some(Answer::Ready(answer)) => answer,
            Some(Answer::Elsewhere(server)) => forward::over_tcp(server, &query).await?,
            None => return Ok(()),
        };
        write_message(&mut stream, &answer).await?;
    }
}

/// Reads a message behind its length (RFC 1035, 4.2.2).
pub(super) async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut message = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// Writes a message behind its length.
pub(super) async fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_u16(length).await?;
    stream.write_all(message).await
}
