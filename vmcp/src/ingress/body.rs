//! Reading a request body: bounded in size and in time.

use super::answer::{self, Refused};
use crate::jsonrpc::code;
use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use std::time::Duration;

/// The largest message that is taken.
const MAX_BODY: usize = 8 * 1024 * 1024;
/// How long a client may take to send one.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The whole body, or the answer that says why not.
pub(super) async fn read(body: Body) -> Result<Bytes, Refused> {
    let refuse = |status, message| Err(answer::refusal(status, code::INVALID_REQUEST, message));
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            refuse(StatusCode::PAYLOAD_TOO_LARGE, "the message is larger than 8 MiB")
        }
        Ok(Err(_)) => refuse(StatusCode::BAD_REQUEST, "the message could not be read"),
        Err(_) => refuse(StatusCode::REQUEST_TIMEOUT, "the message was not sent within 30 s"),
    }
}
