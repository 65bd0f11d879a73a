//! The sockets of a name server: UDP and TCP on one port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::journal::DnsTransport;

/// How long a TCP client may be silent.
const IDLE: Duration = Duration::from_secs(10);
/// How often a port is tried that is free for UDP and TCP alike.
const BIND_ATTEMPTS: usize = 16;
/// So many TCP connections are open at once, and so many slow answers under way; further ones are dropped.
const MOST_TASKS: usize = 1024;

/// What becomes of a query.
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    /// How long it takes.
    pub(crate) latency: Duration,
}

/// Answers queries.
pub(crate) trait Questions: Send + Sync + 'static {
    /// The reply to one packet, if there is to be one.
    fn reply(&self, packet: &[u8], transport: DnsTransport, peer: SocketAddr) -> Option<Reply>;

    /// Waits as long as an answer takes.
    fn wait(&self, latency: Duration) -> impl Future<Output = ()> + Send;
}

/// A name server that listens.
pub(crate) struct NameServer {
    address: SocketAddr,
    stop: CancellationToken,
}

impl NameServer {
    /// Binds both sockets (port 0: any free one) and answers queries until dropped.
    pub(crate) async fn open<Q: Questions>(
        address: SocketAddr,
        questions: Arc<Q>,
        tasks: &TaskTracker,
    ) -> io::Result<Self> {
        let (udp, tcp) = bind(address).await?;
        let address = udp.local_addr()?;
        let stop = CancellationToken::new();
        tasks.spawn(stop.clone().run_until_cancelled_owned(serve(udp, tcp, questions)));
        Ok(Self { address, stop })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn bind(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut attempts = if address.port() == 0 { BIND_ATTEMPTS } else { 1 };
    loop {
        let udp = UdpSocket::bind(address).await?;
        attempts -= 1;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if attempts == 0 => return Err(error),
            Err(_) => {}
        }
    }
}

async fn serve<Q: Questions>(udp: UdpSocket, tcp: TcpListener, questions: Arc<Q>) {
    let udp = Arc::new(udp);
    // Ends all of them when it is dropped.
    let mut tasks = JoinSet::new();
    let mut packet = vec![0; 4096];
    let mut dropped = false;
    loop {
        tokio::select! {
            received = udp.recv_from(&mut packet) => {
                let Ok((length, peer)) = received else { continue };
                let Some(reply) = questions.reply(&packet[..length], DnsTransport::Udp, peer) else { continue };
                if reply.latency.is_zero() {
                    // The client may be gone; then nobody misses the answer.
                    let _ = udp.send_to(&reply.bytes, peer).await;
                } else if tasks.len() < MOST_TASKS {
                    let (udp, questions) = (Arc::clone(&udp), Arc::clone(&questions));
                    tasks.spawn(async move {
                        questions.wait(reply.latency).await;
                        let _ = udp.send_to(&reply.bytes, peer).await;
                    });
                } else if !std::mem::replace(&mut dropped, true) {
                    tracing::warn!(most = MOST_TASKS, "too many slow answers are under way: further queries get none");
                }
            }
            accepted = tcp.accept() => {
                if let Ok((stream, peer)) = accepted && tasks.len() < MOST_TASKS {
                    let questions = Arc::clone(&questions);
                    tasks.spawn(async move {
                        let _ended = serve_connection(stream, peer, &*questions).await;
                    });
                }
            }
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// Answers the queries of one TCP client, each behind its length (RFC 1035, 4.2.2), until it closes or falls silent.
async fn serve_connection<Q: Questions>(mut stream: TcpStream, peer: SocketAddr, questions: &Q) -> Option<()> {
    loop {
        let length = timeout(IDLE, stream.read_u16()).await.ok()?.ok()?;
        let mut packet = vec![0; usize::from(length)];
        timeout(IDLE, stream.read_exact(&mut packet)).await.ok()?.ok()?;
        let Some(reply) = questions.reply(&packet, DnsTransport::Tcp, peer) else { continue };
        questions.wait(reply.latency).await;
        let mut framed = u16::try_from(reply.bytes.len()).ok()?.to_be_bytes().to_vec();
        framed.extend_from_slice(&reply.bytes);
        timeout(IDLE, stream.write_all(&framed)).await.ok()?.ok()?;
    }
}
