//! Who hears what a backend says on the stream of an answer, before it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::peer::Peer;

/// Who hears it.
#[derive(Clone, Copy)]
pub(super) enum Meanwhile<'a> {
    /// Nobody but the session.
    Nothing,
    /// A client that is passed everything as it came.
    Messages(&'a mpsc::Sender<Bytes>),
    /// A client that the gateway speaks for.
    Peer(&'a Arc<dyn Peer>),
}
