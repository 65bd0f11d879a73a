//! What faults do to the bytes of a body.

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use http::{HeaderValue, Response, header};
use http_body::Body as _;
use http_body_util::{BodyDataStream, BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::mcp::SUBSCRIPTION_ID;
use crate::wire::Body;
use crate::world::{Drip, Lines, Misbehaviour, Storm};

/// The bytes of a body as they come.
type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Comments in the forms that server-sent events know: empty, with a space, without.
const COMMENTS: &[u8] = b":\n: a comment\n:no space\n\n";

/// How much padding is made at a time.
const PAD: &[u8] = &[b' '; 64 * 1024];

/// `response`, which may open a subscription, with its body as `does` leaves it.
pub(super) fn changed(
    response: Response<Body>,
    does: &Misbehaviour,
    subscription: Option<&Value>,
    clock: &Clock,
) -> Response<Body> {
    let is_stream = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
    let concerned = match does {
        Misbehaviour::Stall(_)
        | Misbehaviour::Truncate(_)
        | Misbehaviour::Drip(_)
        | Misbehaviour::Pad(_)
        | Misbehaviour::ByteOrderMark => true,
        Misbehaviour::Lines(_) | Misbehaviour::Comments | Misbehaviour::Storm(_) => is_stream,
        _ => false,
    };
    if !concerned {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let whole = body.size_hint().exact();
    let pieces: Pieces = Box::pin(BodyDataStream::new(body));
    let body: Pieces = match does {
        Misbehaviour::Stall(after) => cut(pieces, *after, Ending::Silence),
        Misbehaviour::Truncate(after) => {
            // The head promises the whole body.
            if let Some(whole) = whole {
                parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole));
            }
            cut(pieces, *after, Ending::Close)
        }
        Misbehaviour::Drip(drip) => dripping(pieces, *drip, clock.clone()),
        Misbehaviour::Pad(bytes) => Box::pin(padding(*bytes, is_stream).chain(pieces)),
        Misbehaviour::ByteOrderMark => Box::pin(stream::iter([Ok(Bytes::from_static(b"\xef\xbb\xbf"))]).chain(pieces)),
        Misbehaviour::Lines(lines) => {
            let ending: &[u8] = match lines {
                Lines::CrLf => b"\r\n",
                Lines::Cr => b"\r",
            };
            Box::pin(
                pieces.map_ok(move |event| event.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(ending).into()),
            )
        }
        Misbehaviour::Storm(storm) => storming(pieces, storm, subscription, clock.clone()),
        // What is left of those that are concerned: comments.
        _ => Box::pin(pieces.map_ok(|event| [COMMENTS, &event].concat().into())),
    };
    Response::from_parts(parts, StreamBody::new(body.map_ok(Frame::data)).boxed_unsync())
}

/// What comes after the last byte that is sent.
#[derive(Clone, Copy)]
enum Ending {
    Silence,
    Close,
}

/// The first `left` bytes, and then the ending.
fn cut(pieces: Pieces, left: u64, ending: Ending) -> Pieces {
    Box::pin(stream::unfold(Some((pieces, left)), move |state| async move {
        let (mut pieces, left) = state?;
        let next = if left > 0 { pieces.next().await } else { None };
        match (next, ending) {
            (Some(Ok(mut piece)), _) => {
                piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left - piece.len() as u64;
                Some((Ok(piece), Some((pieces, left))))
            }
            (Some(error), _) => Some((error, None)),
            (None, Ending::Silence) => std::future::pending().await,
            (None, Ending::Close) => {
                // What was sent so far leaves before the connection is given up.
                tokio::task::yield_now().await;
                Some((Err(io::Error::other("the world cuts this answer off")), None))
            }
        }
    }))
}

fn dripping(pieces: Pieces, Drip { bytes, every }: Drip, clock: Clock) -> Pieces {
    let drops = pieces.map_ok(move |piece| {
        let drops: Vec<_> = piece.chunks(bytes.get()).map(|drop| Ok(Bytes::copy_from_slice(drop))).collect();
        stream::iter(drops)
    });
    Box::pin(drops.try_flatten().then(move |drop| {
        let clock = clock.clone();
        async move {
            clock.sleep(every).await;
            drop
        }
    }))
}

/// The pieces, with a notification whenever none has come for a while.
fn storming(pieces: Pieces, storm: &Storm, subscription: Option<&Value>, clock: Clock) -> Pieces {
    let mut message = json!({"jsonrpc": "2.0", "method": storm.method});
    if let Some(id) = subscription {
        message["params"] = json!({"_meta": {SUBSCRIPTION_ID: id}});
    }
    let event = Bytes::from(format!("event: message\ndata: {message}\n\n"));
    let every = storm.every;
    Box::pin(stream::unfold((pieces, event, clock), move |(mut pieces, event, clock)| async move {
        let piece = tokio::select! {
            biased;
            piece = pieces.next() => piece?,
            () = clock.sleep(every) => Ok(event.clone()),
        };
        Some((piece, (pieces, event, clock)))
    }))
}

fn padding(bytes: u64, is_stream: bool) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let (before, after): (&[u8], &[u8]) = if is_stream { (b":", b"\n\n") } else { (b"", b"") };
    let spaces = stream::unfold(bytes, |left| async move {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(PAD.len());
        (length > 0).then(|| (Bytes::from_static(&PAD[..length]), left - length as u64))
    });
    let end = |bytes| stream::iter([Bytes::from_static(bytes)]);
    end(before).chain(spaces).chain(end(after)).filter(|piece| std::future::ready(!piece.is_empty())).map(Ok)
}
