//! The accept loop: one listener per port of the world's URLs, TLS and plain HTTP told apart by the first byte.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::body::Body;
use super::connection::Connection;
use super::received::{Dropped, origin};
use super::socket::Socket;
use crate::journal::{CertificateFacts, JournalEntry, TlsFacts};

/// How long a client may take for its first byte, its TLS handshake and its request's head.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);

/// First byte of a TLS record that holds a handshake message (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What a listener serves.
pub(crate) trait Service: Send + Sync + 'static {
    /// The TLS configuration of a host, or why it has none.
    fn tls(&self, connection: &Connection, server_name: Option<&str>) -> Result<Arc<rustls::ServerConfig>, String>;

    /// Notes a connection that failed before its first request.
    fn failed(&self, entry: JournalEntry);

    /// Answers a request.
    fn answer(
        &self,
        connection: Arc<Connection>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<http::Response<Body>, Dropped>> + Send;
}

/// A port that listens.
pub(crate) struct Listener {
    address: SocketAddr,
    stop: CancellationToken,
}

impl Listener {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Binds `port` of `address` (0: any free one) and serves connections until dropped.
    pub(crate) async fn open<S: Service>(
        address: IpAddr,
        port: u16,
        url_port: u16,
        service: Arc<S>,
        tasks: &TaskTracker,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind((address, port)).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        tasks.spawn(accept(listener, url_port, service, stop.clone(), tasks.clone()));
        Ok(Self { address, stop })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept<S: Service>(
    listener: TcpListener,
    url_port: u16,
    service: Arc<S>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (service, stop) = (Arc::clone(&service), stop.clone());
                tasks.spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = serve(stream, peer, url_port, service) => {}
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: give other tasks a moment to return some.
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve<S: Service>(stream: TcpStream, peer: SocketAddr, url_port: u16, service: Arc<S>) {
    // Answers are several small writes: without this each waits for the client's delayed acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Ok(local) = stream.local_addr() else {
        return;
    };
    let mut first = [0];
    if !matches!(timeout(HANDSHAKE_LIMIT, stream.peek(&mut first)).await, Ok(Ok(1))) {
        return;
    }
    let (stream, ending) = Socket::new(stream);
    let connection = Connection { peer, url_port, local, tls: None, ending };
    if first[0] == TLS_HANDSHAKE {
        serve_tls(stream, connection, service).await;
    } else {
        serve_http(stream, connection, service).await;
    }
}

async fn serve_tls<S: Service>(stream: Socket, mut connection: Connection, service: Arc<S>) {
    let at = Timestamp::now();
    let mut facts = TlsFacts::default();
    match timeout(HANDSHAKE_LIMIT, handshake(stream, &connection, &mut facts, &*service)).await {
        Ok(Ok(stream)) => {
            connection.tls = Some(facts);
            serve_http(stream, connection, service).await;
        }
        failed => {
            let reason = match failed {
                Ok(Err(reason)) => reason,
                _ => "it took too long".to_owned(),
            };
            let host = facts.server_name.clone().unwrap_or_default();
            let mut entry =
                JournalEntry::connection(at, &host, origin("https", &host, connection.url_port), connection.peer);
            entry.tls = Some(facts);
            entry.verdict = Some(format!("the TLS handshake failed: {reason}"));
            service.failed(entry);
        }
    }
}

async fn handshake<S: Service>(
    stream: Socket,
    connection: &Connection,
    facts: &mut TlsFacts,
    service: &S,
) -> Result<tokio_rustls::server::TlsStream<Socket>, String> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream)
        .await
        .map_err(|error| error.to_string())?;
    facts.server_name = start.client_hello().server_name().map(str::to_ascii_lowercase);
    let configuration = service.tls(connection, facts.server_name.as_deref())?;
    let stream = start.into_stream(configuration).await.map_err(|error| error.to_string())?;
    let (_, session) = stream.get_ref();
    facts.version = session.protocol_version().map(|version| match version {
        rustls::ProtocolVersion::TLSv1_2 => "1.2".to_owned(),
        rustls::ProtocolVersion::TLSv1_3 => "1.3".to_owned(),
        other => format!("{other:?}"),
    });
    facts.client_certificate =
        session.peer_certificates().and_then(<[_]>::first).and_then(|certificate| CertificateFacts::read(certificate));
    facts.application_protocol = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    Ok(stream)
}

async fn serve_http<S: Service>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    connection: Connection,
    service: Arc<S>,
) {
    let ended = connection.ending.ended();
    let connection = Arc::new(connection);
    let handler = service_fn(move |request| {
        let (service, connection) = (Arc::clone(&service), Arc::clone(&connection));
        async move { service.answer(connection, request).await }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE_LIMIT);
    builder.http2().timer(TokioTimer::new());
    let served = ended.run_until_cancelled(builder.serve_connection(TokioIo::new(stream), handler)).await;
    if let Some(Err(error)) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}
