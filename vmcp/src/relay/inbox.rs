//! Where what a backend says of its own accord goes: to the stream that the client reads.

use crate::egress::Inbox;
use crate::ingress::Outbox;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The streams of one client. A message goes to the stream that the client opened for such messages; while there is
/// none, to the answer of the newest request that is under way, since a backend of the HTTP+SSE transport does not say
/// to which request a message belongs; else it waits for a stream.
#[derive(Debug)]
pub(super) struct ClientInbox {
    outbox: Arc<Outbox>,
    under_way: Mutex<UnderWay>,
}

#[derive(Debug, Default)]
struct UnderWay {
    last: u64,
    requests: Vec<(u64, mpsc::Sender<Bytes>)>,
}

impl ClientInbox {
    pub(super) fn new(outbox: Arc<Outbox>) -> Self {
        Self { outbox, under_way: Mutex::default() }
    }

    /// Notes that a request is under way whose answer can carry messages, until what is returned is dropped.
    pub(super) fn begin(&self, messages: mpsc::Sender<Bytes>) -> Answering<'_> {
        let mut under_way = self.under_way();
        under_way.last += 1;
        let number = under_way.last;
        under_way.requests.push((number, messages));
        Answering { inbox: self, number }
    }

    fn under_way(&self) -> parking_lot::MutexGuard<'_, UnderWay> {
        self.under_way.lock()
    }
}

impl Inbox for ClientInbox {
    fn deliver(&self, message: Bytes) {
        let mut message = message;
        if !self.outbox.is_read() {
            for (_, messages) in self.under_way().requests.iter().rev() {
                match messages.try_send(message) {
                    Ok(()) => return,
                    Err(mpsc::error::TrySendError::Full(unsent) | mpsc::error::TrySendError::Closed(unsent)) => {
                        message = unsent;
                    }
                }
            }
        }
        if !self.outbox.append(message) {
            tracing::debug!("a client does not read what its backend says, the oldest message is dropped");
        }
    }
}

/// A request that is under way.
pub(super) struct Answering<'a> {
    inbox: &'a ClientInbox,
    number: u64,
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.inbox.under_way().requests.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_message_goes_where_the_client_reads() {
        let outbox = Arc::new(Outbox::default());
        let inbox = ClientInbox::new(Arc::clone(&outbox));
        let (older, mut of_older) = mpsc::channel(1);
        let (newer, mut of_newer) = mpsc::channel(1);
        let (_older, newest) = (inbox.begin(older), inbox.begin(newer));
        for message in ["1", "2", "3"] {
            inbox.deliver(Bytes::from(message));
        }
        assert_eq!(of_newer.recv().await.unwrap(), "1", "the newest request has a place");
        assert_eq!(of_older.recv().await.unwrap(), "2", "the newest one is full");
        drop(newest);
        inbox.deliver(Bytes::from("4"));
        assert_eq!(of_older.recv().await.unwrap(), "4");
        let mut reader = outbox.reader(None);
        inbox.deliver(Bytes::from("5"));
        assert_eq!(reader.next().await.unwrap().1, "3", "what had no place has waited");
        assert_eq!(reader.next().await.unwrap().1, "5", "a stream for such messages comes first");
    }
}
