//! The TCP side of the server: accepting, per-connection limits, and an end that lets calls finish.
//!
//! A connection ends after a while when no first request comes. Later on hyper ends it: over HTTP/1 after a pause between requests,
//! over HTTP/2 when the client gives no sign of life.

use crate::workers::Workers;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How long a client may take until the head of its next request is there. hyper counts the pause before it too, and clients keep
/// connections for up to 90 s (Go, reqwest): they are to close one first, for a request may cross the end that a server makes.
const HEAD_TIMEOUT: Duration = Duration::from_mins(2);
/// How long a client over HTTP/2 may be silent until it is asked for a sign of life.
const SILENCE: Duration = Duration::from_mins(1);
/// How long it may take to give one.
const SIGN_OF_LIFE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long calls may go on after the server was told to end; less than the 30 s that Kubernetes grants.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// How long accepting pauses when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Has `service` answer until `stop`, each connection on one of the `workers`, then waits for the requests that are under way.
pub async fn serve<S>(listener: TcpListener, service: S, workers: &Workers, stop: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let mut http2 = http.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(SILENCE).keep_alive_timeout(SIGN_OF_LIFE_TIMEOUT);
    let graceful = GracefulShutdown::new();
    loop {
        let connection = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener) => accepted,
        };
        let stream = match connection {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (http, service, watcher) = (http.clone(), service.clone(), graceful.watcher());
        workers.spawn(async move {
            // The event loop of the worker is told of the socket, not that of the listener.
            let stream = match TcpStream::from_std(stream) {
                Ok(stream) => TokioIo::new(stream),
                Err(error) => return tracing::warn!(%error, "failed to serve a connection"),
            };
            let has_asked = Arc::new(AtomicBool::new(false));
            let asks = Arc::clone(&has_asked);
            let service = service_fn(move |request| {
                asks.store(true, Ordering::Relaxed);
                service.call(request)
            });
            let connection = watcher.watch(http.serve_connection(stream, service).into_owned());
            tokio::select! {
                biased;
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(error, "a connection ended early");
                },
                () = nothing_asked(&has_asked) => tracing::debug!("a client asked nothing, its connection ends"),
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("ended with calls still under way");
    }
}

/// Waits until the first request should have come. Never returns when it has.
async fn nothing_asked(has_asked: &AtomicBool) {
    tokio::time::sleep(HEAD_TIMEOUT).await;
    if has_asked.load(Ordering::Relaxed) {
        pending::<()>().await;
    }
}

async fn accept(listener: &TcpListener) -> io::Result<std::net::TcpStream> {
    let (stream, _) = listener.accept().await?;
    // An event stream is many small writes: without this each would wait for the acknowledgement of the last.
    stream.set_nodelay(true)?;
    stream.into_std()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use futures::poll;
    use hyper::client::conn::http2;
    use hyper_util::service::TowerToHyperService;
    use std::pin::pin;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    /// How a client over HTTP/2 begins: with the preface and no settings of its own.
    const BEGINNING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    /// Its request for `/` of host `a`.
    const REQUEST: &[u8] = b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01a";

    /// A connection with a server.
    async fn connected() -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let router = Router::new().route("/", get(|| async { "here" }));
        tokio::spawn(async move {
            serve(listener, TowerToHyperService::new(router), &Workers::default(), CancellationToken::new()).await;
        });
        client
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_nothing_is_asked_any_more_ends() {
        for sent in [b"".as_slice(), b"PRI * HT", b"GET / HT", BEGINNING, &[BEGINNING, REQUEST].concat()] {
            let mut client = connected().await;
            client.write_all(sent).await.unwrap();
            let mut told = Vec::new();
            let end = tokio::time::timeout(HEAD_TIMEOUT * 2, client.read_to_end(&mut told)).await;
            end.unwrap_or_else(|_| panic!("it stays open after {:?}", String::from_utf8_lossy(sent))).unwrap();
            let is_answered = told.windows(4).any(|bytes| bytes == b"here");
            assert_eq!(is_answered, sent.ends_with(REQUEST), "{told:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn over_http2_a_client_that_lives_stays_once_it_has_asked_something() {
        let http2 = async || http2::handshake(TokioExecutor::new(), TokioIo::new(connected().await)).await.unwrap();
        let (_silent, connection) = http2().await;
        let end = tokio::time::timeout(HEAD_TIMEOUT * 2, connection).await;
        assert!(end.is_ok(), "it stays open without a request");
        let (mut client, connection) = http2().await;
        tokio::spawn(connection);
        for _ in 0..2 {
            let request = Request::get("http://a/").body(Body::empty()).unwrap();
            assert!(client.send_request(request).await.unwrap().status().is_success());
            tokio::time::sleep(HEAD_TIMEOUT * 5).await;
        }
    }

    #[tokio::test]
    async fn a_connection_stays_for_as_long_as_clients_keep_theirs() {
        let mut client = connected().await;
        for pause in [0, 90] {
            tokio::time::pause();
            tokio::time::sleep(Duration::from_secs(pause)).await;
            tokio::time::resume();
            client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"here") {
                assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0, "closed after {pause} s");
            }
        }
    }

    #[tokio::test]
    async fn a_call_on_a_worker_is_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (is_begun, goes_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        let router = Router::new().route(
            "/",
            get(async move || {
                begun.notify_one();
                go_on.notified().await;
                std::thread::current().name().unwrap().to_owned()
            }),
        );
        let (workers, stop) = (Workers::start(Some(1)).unwrap(), CancellationToken::new());
        let mut serving = pin!(serve(listener, TowerToHyperService::new(router), &workers, stop.clone()));
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        tokio::select! {
            () = &mut serving => panic!("it ends before it is told to"),
            () = is_begun.notified() => {}
        }
        stop.cancel();
        assert!(poll!(&mut serving).is_pending(), "it does not wait for the call");
        goes_on.notify_one();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("worker-0"), "{answer}");
        serving.await;
    }
}
