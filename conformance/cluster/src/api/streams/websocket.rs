//! The server's half of a WebSocket handshake (RFC 6455, 4.2).

use std::time::Duration;

use axum::body::Body;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use crate::api::status::{ApiError, ApiResult};

/// An open WebSocket.
pub(super) type WebSocket = WebSocketStream<TokioIo<Upgraded>>;

/// How long a client may take to confirm the end.
const CLOSING: Duration = Duration::from_secs(1);

/// Ends a WebSocket as clients expect it: with the code of a normal end, and read until the client has ended it too, so
/// that nothing sent before is lost.
pub(super) async fn close(mut sink: SplitSink<WebSocket, Message>, mut source: SplitStream<WebSocket>) {
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    if sink.send(Message::Close(Some(frame))).await.is_ok() {
        // A client that does not answer is gone.
        let _ = tokio::time::timeout(CLOSING, async { while let Some(Ok(_)) = source.next().await {} }).await;
    }
}

/// A handshake that the server accepts.
#[derive(Debug)]
pub(super) struct Handshake {
    accept: HeaderValue,
    protocol: &'static str,
    upgrade: OnUpgrade,
}

impl Handshake {
    /// Chooses the first of the client's subprotocols that is supported.
    pub(super) fn negotiate(parts: &Parts, supported: &[&'static str]) -> ApiResult<Self> {
        let header = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        if header(SEC_WEBSOCKET_VERSION) != Some("13") {
            return Err(ApiError::bad_request("unsupported WebSocket version: send Sec-WebSocket-Version: 13"));
        }
        let key = header(SEC_WEBSOCKET_KEY)
            .ok_or_else(|| ApiError::bad_request("missing Sec-WebSocket-Key: send the key of a WebSocket handshake"))?;
        let asked: Vec<&str> = parts
            .headers
            .get_all(SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(',').map(str::trim))
            .collect();
        let chosen = asked.iter().find_map(|name| supported.iter().find(|supported| *supported == name));
        let Some(protocol) = chosen else {
            let message = format!(
                "no subprotocol of [{}] is supported: ask for one of [{}]",
                asked.join(", "),
                supported.join(", ")
            );
            return Err(ApiError::bad_request(message));
        };
        let upgrade = parts.extensions.get::<OnUpgrade>().cloned();
        let upgrade = upgrade.ok_or_else(|| {
            ApiError::bad_request("this connection cannot switch protocols: open the WebSocket over HTTP/1.1")
        })?;
        let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
            .map_err(|error| ApiError::internal(error.to_string()))?;
        Ok(Self { accept, protocol, upgrade })
    }

    /// The answer that switches the protocol.
    pub(super) fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(self.protocol));
        response
    }

    /// The socket, once the response is on its way.
    pub(super) async fn open(self) -> hyper::Result<WebSocket> {
        let upgraded = self.upgrade.await?;
        Ok(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await)
    }
}
