//! Small things that all transports do with an HTTP response.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::error::{Cause, EgressError};
use super::http_client::read_body;

/// How long the rest of a body is read after what mattered came, so that its connection can be used again.
const DRAIN: Duration = Duration::from_secs(2);
/// Bodies of failed requests are read up to this size, for the JSON-RPC error that they may hold.
const MAX_FAILURE: usize = 64 * 1024;

/// The media type of a response, without parameters; empty when there is none.
pub(super) fn media_type(response: &Response<Incoming>) -> String {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Reads what is left of a body, for a moment, so that its connection can be used again.
pub(super) fn drain(mut body: Incoming) {
    use hyper::body::Body as _;
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        let rest = async { while let Some(Ok(_)) = body.frame().await {} };
        // A stream that stays open costs its connection, nothing else.
        let _ = tokio::time::timeout(DRAIN, rest).await;
    });
}

/// The body of a failed request; empty when there is none, or too much of it.
pub(super) async fn failure_body(response: Response<Incoming>) -> Bytes {
    read_body(response.into_body(), MAX_FAILURE).await.unwrap_or_default()
}

/// Whether a status says that the server refused a request as it is, and did nothing of it. One with too many of them may take it later.
pub(super) fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS
}

pub(super) fn protocol(message: &str) -> EgressError {
    EgressError::new(Cause::Protocol, message)
}
