//! Response bodies: complete ones, and event streams that stay open.

use std::io;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// The body of every response.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

pub(super) fn complete(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// An event stream of what arrives at `events`; it ends when the sender is gone. `guard` is dropped when the stream is, be it at
/// its end or because the client left.
pub(crate) fn event_stream<G: Send + 'static>(events: mpsc::Receiver<Bytes>, guard: G) -> Response<Body> {
    live_event_stream(ReceiverStream::new(events).inspect(move |_| {
        let _held = &guard;
    }))
}

/// An event stream of `events`, which are made as the client reads them: they end with it.
pub(crate) fn live_event_stream(events: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    let frames = events.map(|event| Ok::<_, io::Error>(Frame::data(event)));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// One server-sent event. `data` must be a single line, as JSON and URLs are.
pub(crate) fn server_sent_event(event: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {event}\ndata: {data}\n\n"))
}
