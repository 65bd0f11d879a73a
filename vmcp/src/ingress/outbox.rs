//! What a client is to be told outside of any request: a bounded queue that the client's GET stream empties.
//!
//! The queue of a session that replicas share is in their store, and the stream may be at any of them.

use crate::replicas::{OUTBOX, SharedReader, SharedSession, Signal};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// How many messages wait for a client that reads none of them; beyond it the oldest are dropped.
const CAPACITY: usize = 256;
/// How many messages are kept that were written to a stream: the client may have lost it before they came through.
const SENT: usize = 32;

/// The queue of one session.
#[derive(Debug)]
pub struct Outbox {
    queue: Mutex<Queue>,
    /// Counts messages and streams, and wakes the stream that reads.
    changed: watch::Sender<u64>,
    reader: watch::Sender<u64>,
    /// The session that takes the place of the queue.
    shared: Option<Arc<SharedSession>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(u64, Bytes)>,
    sent: VecDeque<(u64, Bytes)>,
    /// The number of the next message.
    next: u64,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::of(None)
    }
}

impl Outbox {
    /// The queue of a session, which replicas may share.
    pub(super) fn of(shared: Option<Arc<SharedSession>>) -> Self {
        Self { queue: Mutex::default(), changed: watch::Sender::new(0), reader: watch::Sender::new(0), shared }
    }

    /// The session that other replicas know too, if they do.
    pub fn shared(&self) -> Option<&Arc<SharedSession>> {
        self.shared.as_ref()
    }

    /// Adds a message, unless the same one waits already.
    pub fn push(&self, message: Bytes) {
        if let Some(shared) = &self.shared {
            shared.tell(message, true);
        } else if !self.lock().waiting.iter().any(|(_, waiting)| *waiting == message) {
            self.append(message);
        }
    }

    /// Adds a message, whether or not the same one waits already. Returns whether there was room: the oldest message
    /// makes room for the new one, or where replicas share the session, the new one is lost.
    pub fn append(&self, message: Bytes) -> bool {
        if let Some(shared) = &self.shared {
            return shared.tell(message, false);
        }
        let mut queue = self.lock();
        let room = queue.waiting.len() < CAPACITY;
        if !room {
            queue.waiting.pop_front();
        }
        let number = queue.next;
        queue.next += 1;
        queue.waiting.push_back((number, message));
        self.changed.send_modify(|count| *count += 1);
        room
    }

    /// Lets the messages from this number on be read again, as far as they are kept.
    fn send_again(&self, from: u64) {
        let mut queue = self.lock();
        while let Some(last) = queue.sent.pop_back_if(|(number, _)| *number >= from) {
            queue.waiting.push_front(last);
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// Whether anybody reads.
    pub fn is_read(&self) -> bool {
        self.reader.receiver_count() > 0 || self.shared.as_ref().is_some_and(|shared| shared.is_read_elsewhere())
    }

    /// The client reads at this other replica from now on, or not any more. Whoever reads here stops.
    pub(super) fn hear_reading(&self, replica: &str, is_read: bool) {
        if let Some(shared) = &self.shared {
            shared.hear_reading(replica, is_read);
        }
        if is_read {
            self.reader.send_modify(|newest| *newest += 1);
        }
    }

    /// Starts to read, from message `from` on as far as it is kept, or from the first that was not read. There is one
    /// reader: the newest, because a client that opens a stream again has lost the old one.
    pub fn reader(self: &Arc<Self>, from: Option<u64>) -> Reader {
        if let Some(from) = from.filter(|_| self.shared.is_none()) {
            self.send_again(from);
        }
        let mut number = 0;
        self.reader.send_modify(|newest| {
            *newest += 1;
            number = *newest;
        });
        let shared = self.shared.as_ref().map(|shared| {
            shared.set_read_elsewhere(None);
            shared.signal(Signal::Reading(true));
            shared.reader_later(OUTBOX, from)
        });
        Reader {
            outbox: Arc::clone(self),
            number,
            changed: self.changed.subscribe(),
            newest: self.reader.subscribe(),
            shared,
        }
    }

    fn pop(&self) -> Option<(u64, Bytes)> {
        let mut queue = self.lock();
        let (number, message) = queue.waiting.pop_front()?;
        if queue.sent.len() >= SENT {
            queue.sent.pop_front();
        }
        queue.sent.push_back((number, message.clone()));
        Some((number, message))
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Queue> {
        self.queue.lock()
    }
}

/// Takes messages out of an [`Outbox`].
#[derive(Debug)]
pub struct Reader {
    outbox: Arc<Outbox>,
    number: u64,
    changed: watch::Receiver<u64>,
    newest: watch::Receiver<u64>,
    shared: Option<SharedReader>,
}

impl Reader {
    /// The next message and its number; `None` when another reader has taken over.
    pub async fn next(&mut self) -> Option<(u64, Bytes)> {
        loop {
            if *self.newest.borrow_and_update() != self.number {
                return None;
            }
            if let Some(shared) = &mut self.shared {
                tokio::select! {
                    biased;
                    newest = self.newest.changed() => newest.ok()?,
                    message = shared.next() => return message,
                }
                continue;
            }
            self.changed.mark_unchanged();
            if let Some(message) = self.outbox.pop() {
                return Some(message);
            }
            tokio::select! {
                changed = self.changed.changed() => changed.ok()?,
                newest = self.newest.changed() => newest.ok()?,
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Whoever has taken over has said so already.
        if let Some(shared) = self.outbox.shared().filter(|_| *self.newest.borrow() == self.number) {
            shared.signal(Signal::Reading(false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_wait_for_a_reader_and_are_not_repeated() {
        let outbox = Arc::new(Outbox::default());
        for message in ["a", "b", "a"] {
            outbox.push(Bytes::from_static(message.as_bytes()));
        }
        let mut reader = outbox.reader(None);
        assert_eq!(reader.next().await, Some((0, Bytes::from("a"))));
        assert_eq!(reader.next().await, Some((1, Bytes::from("b"))));
        let next = tokio::spawn(async move { reader.next().await });
        tokio::task::yield_now().await;
        outbox.push(Bytes::from_static(b"a"));
        assert_eq!(next.await.ok().flatten(), Some((2, Bytes::from("a"))));
    }

    #[tokio::test]
    async fn the_newest_reader_takes_over() {
        let outbox = Arc::new(Outbox::default());
        let mut old = outbox.reader(None);
        let waiting = tokio::spawn(async move { old.next().await });
        tokio::task::yield_now().await;
        let mut new = outbox.reader(None);
        assert_eq!(waiting.await.ok(), Some(None));
        outbox.push(Bytes::from_static(b"a"));
        assert_eq!(new.next().await, Some((0, Bytes::from("a"))));
    }

    #[tokio::test]
    async fn what_a_broken_stream_has_lost_is_sent_again() {
        let outbox = Arc::new(Outbox::default());
        for message in ["a", "b", "c"] {
            outbox.append(Bytes::from_static(message.as_bytes()));
        }
        let mut lost = outbox.reader(None);
        assert_eq!(lost.next().await, Some((0, Bytes::from("a"))));
        assert_eq!(lost.next().await, Some((1, Bytes::from("b"))));
        let mut again = outbox.reader(Some(1));
        assert_eq!(again.next().await, Some((1, Bytes::from("b"))));
        assert_eq!(again.next().await, Some((2, Bytes::from("c"))));
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let outbox = Arc::new(Outbox::default());
        for number in 0..CAPACITY + 10 {
            outbox.push(Bytes::from(number.to_string()));
        }
        assert_eq!(outbox.reader(None).next().await, Some((10, Bytes::from("10"))));
    }
}
