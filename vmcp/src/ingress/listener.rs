//! The TCP side of the server: accepting, per-connection limits, and an end that lets calls finish.

use crate::workers::Workers;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::io;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How long a client may take until the head of its next request is there. hyper counts the pause before it too, and clients keep
/// connections for up to 90 s (Go, reqwest): they are to close one first, for a request may cross the end that a server makes.
const HEAD_TIMEOUT: Duration = Duration::from_mins(2);
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
    http.http2().timer(TokioTimer::new());
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
            let connection = watcher.watch(http.serve_connection(stream, service).into_owned());
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("ended with calls still under way");
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
    use axum::routing::get;
    use futures::poll;
    use hyper_util::service::TowerToHyperService;
    use std::pin::pin;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    #[tokio::test]
    async fn a_connection_stays_for_as_long_as_clients_keep_theirs() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let router = Router::new().route("/", get(|| async { "here" }));
        tokio::spawn(async move {
            serve(listener, TowerToHyperService::new(router), &Workers::default(), CancellationToken::new()).await;
        });
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
