//! Where what a backend says of its own accord goes: to the stream that the client reads.

use crate::egress::Inbox;
use crate::ingress::Outbox;
use crate::jsonrpc::Message;
use crate::replicas::Signal;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The streams of one client. A message goes to the stream that the client opened for such messages; while there is
/// none, to the answer of the newest request that is under way, since a backend of the HTTP+SSE transport does not say
/// to which request a message belongs; else it waits for a stream. Where replicas share the session, stream and requests may be
/// at any of them: what cannot wait then goes to a request that is under way at another.
#[derive(Debug)]
pub(super) struct ClientInbox {
    backend: String,
    outbox: Arc<Outbox>,
    under_way: Mutex<UnderWay>,
}

#[derive(Debug, Default)]
struct UnderWay {
    last: u64,
    requests: Vec<(u64, mpsc::Sender<Bytes>)>,
}

impl UnderWay {
    /// Puts a message on the newest answer that has room; gives it back where there is none.
    fn tell(&self, mut message: Bytes) -> Result<(), Bytes> {
        for (_, messages) in self.requests.iter().rev() {
            match messages.try_send(message) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(unsent) | mpsc::error::TrySendError::Closed(unsent)) => {
                    message = unsent;
                }
            }
        }
        Err(message)
    }
}

impl ClientInbox {
    /// Where messages of `backend` go that concern the client of this outbox.
    pub(super) fn new(backend: String, outbox: Arc<Outbox>) -> Self {
        Self { backend, outbox, under_way: Mutex::default() }
    }

    /// Notes that a request is under way whose answer can carry messages, until what is returned is dropped.
    pub(super) fn begin(&self, messages: mpsc::Sender<Bytes>) -> Answering<'_> {
        let mut under_way = self.under_way();
        under_way.last += 1;
        let number = under_way.last;
        under_way.requests.push((number, messages));
        Answering { inbox: self, number }
    }

    /// Tells the client something of this side, unless it waits to be told so already.
    pub(super) fn tell(&self, message: Bytes) {
        if let Some(message) = self.untold(message) {
            self.outbox.push(message);
        }
    }

    /// Takes what another replica has heard of the backend and could not tell.
    pub(super) fn hear_meanwhile(&self, message: Bytes) {
        if self.under_way().tell(message).is_err() {
            tracing::debug!(
                backend = self.backend,
                "nothing is under way here that a message of the backend could go to"
            );
        }
    }

    /// Tells the client on the answer to a request, if it reads no stream of its own. Returns the message if it could not be told.
    fn untold(&self, message: Bytes) -> Option<Bytes> {
        if self.outbox.is_read() { Some(message) } else { self.under_way().tell(message).err() }
    }

    fn under_way(&self) -> parking_lot::MutexGuard<'_, UnderWay> {
        self.under_way.lock()
    }
}

impl Inbox for ClientInbox {
    fn deliver(&self, message: Bytes) {
        let Some(message) = self.untold(message) else { return };
        if let Some(shared) = self.outbox.shared().filter(|_| !self.outbox.is_read() && is_of_a_request(&message))
            && let Ok(text) = std::str::from_utf8(&message)
        {
            shared.signal(Signal::Meanwhile { backend: self.backend.clone(), message: text.to_owned() });
            return;
        }
        if !self.outbox.append(message) {
            tracing::debug!("a client does not read what its backend says, a message is dropped");
        }
    }
}

/// Whether a message of a backend belongs to a request that is under way somewhere: a question, or how far it is.
fn is_of_a_request(message: &[u8]) -> bool {
    match Message::parse(message) {
        Ok(Message::Request(_)) => true,
        Ok(Message::Notification(notification)) => notification.method == "notifications/progress",
        Ok(Message::Response(_)) | Err(_) => false,
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
        let inbox = ClientInbox::new("b".to_owned(), Arc::clone(&outbox));
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
