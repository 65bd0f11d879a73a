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

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{StreamExt, stream};
    use http::HeaderMap;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use std::io;
    use tokio::time::{Instant, sleep};

    async fn status(body: Body) -> StatusCode {
        read(body).await.map_or_else(|refused| refused.0.status(), |_| StatusCode::OK)
    }

    /// A body of pieces, each of which takes `pause`.
    fn dripping(pieces: usize, size: usize, pause: Duration) -> Body {
        let piece = Bytes::from(vec![b' '; size]);
        Body::from_stream(stream::iter(0..pieces).then(move |_| {
            let piece = piece.clone();
            async move {
                sleep(pause).await;
                Ok::<_, io::Error>(piece)
            }
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_bounded_in_size_and_time() {
        let second = Duration::from_secs(1);
        assert_eq!(status(dripping(20, 1, second)).await, StatusCode::OK);
        let started = Instant::now();
        assert_eq!(status(dripping(usize::MAX, 1, second)).await, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(started.elapsed(), BODY_TIMEOUT, "pieces do not extend it");
        assert_eq!(status(dripping(8, 1 << 20, Duration::ZERO)).await, StatusCode::OK);
        assert_eq!(status(dripping(usize::MAX, 1 << 20, Duration::ZERO)).await, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_message() {
        let broken = stream::iter([Ok(Bytes::from("{}")), Err(io::Error::from(io::ErrorKind::ConnectionReset))]);
        assert_eq!(status(Body::from_stream(broken)).await, StatusCode::BAD_REQUEST);
        let frames = [Frame::data(Bytes::from("{}")), Frame::trailers(HeaderMap::new())];
        let trailed = StreamBody::new(stream::iter(frames.map(Ok::<_, io::Error>)));
        assert_eq!(status(Body::new(trailed)).await, StatusCode::OK);
    }
}
