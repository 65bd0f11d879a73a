//! Requests of the same process that switch the protocol.
//!
//! A service answers values, but a WebSocket needs a connection to take over. Such a request goes over a pipe in memory to
//! the same service, with HTTP on both ends.

use axum::body::Body;
use bytes::Bytes;
use http::header::UPGRADE;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;

use super::service::ApiService;

/// How many bytes the pipe holds.
const PIPE: usize = 64 << 10;

/// Whether a request asks for another protocol and has no connection to speak it on.
pub(super) fn wants_connection(parts: &Parts) -> bool {
    parts.headers.contains_key(UPGRADE) && parts.extensions.get::<OnUpgrade>().is_none()
}

/// Sends a request over a pipe. Both ends end when either is dropped.
pub(super) async fn request(service: ApiService, parts: Parts) -> Response<Body> {
    let (client, server) = tokio::io::duplex(PIPE);
    tokio::spawn(async move {
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(server), TowerToHyperService::new(service));
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection in memory ended early");
        }
    });
    let sent = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client)).await?;
        tokio::spawn(connection.with_upgrades());
        sender.send_request(Request::from_parts(parts, Empty::<Bytes>::new())).await
    };
    match sent.await {
        Ok(response) => response.map(Body::new),
        Err(error) => {
            let mut response = Response::new(Body::from(format!("failed to switch the protocol: {error}\n")));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}
