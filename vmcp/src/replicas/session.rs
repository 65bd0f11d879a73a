//! One session as all replicas see it.

use super::{BackendKey, Interest, OUTBOX, SessionStore, SharedBackend, Signal, Write};
use crate::backend::Backend;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often a reader looks by itself: signals may be lost.
const LOOK: Duration = Duration::from_secs(5);

/// How long at most is waited for what is noted: while the store is away that takes until it is back.
const NOTED: Duration = Duration::from_secs(1);

/// Changes of lists that follow each other within this time are told once.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// A session that other replicas may know too.
pub struct SharedSession {
    id: String,
    store: Arc<dyn SessionStore>,
    /// Counts what may be new on streams of the session.
    said: watch::Sender<u64>,
    /// Counts what may be new of its sessions with backends.
    backends: watch::Sender<u64>,
    /// Where the client reads its own stream, when that is at another replica.
    read_elsewhere: Mutex<Option<ReadElsewhere>>,
    /// Changes of lists that the other replicas are about to be told: backends and methods.
    changes: Mutex<HashSet<(String, String)>>,
}

/// Another replica that serves the client's own stream.
#[derive(Debug)]
struct ReadElsewhere {
    replica: String,
    /// Whether it was not there when that was last looked at: then it cannot say any more that it does not serve it.
    is_gone: bool,
}

impl ReadElsewhere {
    fn at(replica: String) -> Self {
        Self { replica, is_gone: false }
    }
}

impl SharedSession {
    /// The session of this id in `store`.
    pub fn new(id: String, store: Arc<dyn SessionStore>) -> Self {
        let (said, backends) = (watch::Sender::new(0), watch::Sender::new(0));
        Self { id, store, said, backends, read_elsewhere: Mutex::default(), changes: Mutex::default() }
    }

    /// The session with `backend`, which belongs to this one.
    pub fn with(self: &Arc<Self>, backend: &Backend) -> SharedBackend {
        let backend = BackendKey { name: backend.name.clone(), identity: backend.identity };
        SharedBackend::new(Arc::clone(self), backend)
    }

    /// The same where this session is one with the `backend`, and goes on when that is configured anew but at another place.
    pub fn through_to(self: &Arc<Self>, backend: &Backend) -> SharedBackend {
        let backend = BackendKey { name: backend.name.clone(), identity: backend.place() };
        SharedBackend::new(Arc::clone(self), backend)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn store(&self) -> &dyn SessionStore {
        &*self.store
    }

    /// Moves whenever something may be new of a session with a backend.
    pub(super) fn backends(&self) -> watch::Receiver<u64> {
        self.backends.subscribe()
    }

    /// Where this replica starts to count what it names by numbers, such as its questions to the client: other replicas
    /// count elsewhere. The numbers stay below 2^53, which every client can hold.
    pub fn numbers(&self) -> u64 {
        u64::from(rand::random::<u32>()) << 20
    }

    /// Puts a message on the client's own stream, wherever that is read. Returns false when there is no room for it.
    pub fn tell(&self, message: Bytes, unless_waiting: bool) -> bool {
        self.write(Write::Said { stream: OUTBOX, number: None, message, unless_waiting })
    }

    /// Notes message `number` of a stream, for a client that comes back to it at another replica.
    pub fn note(&self, stream: u64, number: u64, message: Bytes) {
        self.write(Write::Said { stream, number: Some(number), message, unless_waiting: false });
    }

    /// Notes that a stream has ended.
    pub fn end_stream(&self, stream: u64) {
        self.write(Write::StreamEnded(stream));
    }

    /// Notes what the client wants to hear of, and waits a moment until that is done: the client may come to another replica
    /// with its next request, and expects to be known there.
    pub async fn interest(&self, interest: Interest) {
        self.write(Write::Interest(interest));
        let _ = tokio::time::timeout(NOTED, self.store.noted()).await;
    }

    /// Tells the other replicas.
    pub fn signal(&self, signal: Signal) {
        self.write(Write::Signal(signal));
    }

    /// Tells the other replicas that a backend has said, with a notification of this method, that lists of its own have changed:
    /// now and then, where it keeps saying so.
    pub fn lists_changed(self: &Arc<Self>, backend: &str, method: &str) {
        let change = (backend.to_owned(), method.to_owned());
        if self.changes.lock().insert(change.clone()) {
            let session = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(DEBOUNCE).await;
                session.changes.lock().remove(&change);
                let (backend, method) = change;
                session.signal(Signal::ListsChanged { backend, method });
            });
        }
    }

    fn write(&self, write: Write) -> bool {
        self.store.write(&self.id, write)
    }

    /// Something may be new on a stream.
    pub fn look(&self) {
        self.said.send_modify(|count| *count += 1);
    }

    /// Something may be new of a session with a backend.
    pub fn look_at_backends(&self) {
        self.backends.send_modify(|count| *count += 1);
    }

    /// The client reads its own stream at this other replica, or at none of the others.
    pub fn set_read_elsewhere(&self, replica: Option<String>) {
        *self.read_elsewhere.lock() = replica.map(ReadElsewhere::at);
    }

    /// Another replica says whether it serves the client's own stream.
    pub fn hear_reading(&self, replica: &str, is_read: bool) {
        let mut now = self.read_elsewhere.lock();
        if is_read {
            *now = Some(ReadElsewhere::at(replica.to_owned()));
        } else {
            // Where the client has gone on to read, it still does.
            now.take_if(|now| now.replica == replica);
        }
    }

    /// Whether another replica serves the client's own stream.
    pub fn is_read_elsewhere(&self) -> bool {
        self.read_elsewhere.lock().as_ref().is_some_and(|now| !now.is_gone)
    }

    /// Looks whether the replica that serves the client's own stream is there. One that was gone may just have been away from the store.
    pub async fn look_at_reader(&self) {
        let Some(replica) = self.read_elsewhere.lock().as_ref().map(|now| now.replica.clone()) else { return };
        let Ok(is_alive) = self.store.is_alive(&replica).await else { return };
        if let Some(now) = self.read_elsewhere.lock().as_mut().filter(|now| now.replica == replica) {
            now.is_gone = !is_alive;
        }
    }

    /// Reads a stream from message `from` on, or from the first that was not read; `None` when the stream is not kept, or
    /// the store is away.
    pub async fn reader(self: &Arc<Self>, stream: u64, from: Option<u64>) -> Option<SharedReader> {
        let mut reader = self.reader_later(stream, from);
        reader.look().await.then_some(reader)
    }

    /// The same for a stream that there need not be yet.
    pub fn reader_later(self: &Arc<Self>, stream: u64, from: Option<u64>) -> SharedReader {
        SharedReader {
            said: self.said.subscribe(),
            session: Arc::clone(self),
            stream,
            from,
            waiting: VecDeque::new(),
            has_ended: false,
        }
    }
}

impl fmt::Debug for SharedSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SharedSession").finish_non_exhaustive()
    }
}

/// Reads a stream of a session, whichever replica writes it.
#[derive(Debug)]
pub struct SharedReader {
    session: Arc<SharedSession>,
    said: watch::Receiver<u64>,
    stream: u64,
    /// Where to read on; none: where the last reader stopped.
    from: Option<u64>,
    waiting: VecDeque<(u64, Bytes)>,
    has_ended: bool,
}

impl SharedReader {
    /// The next message and its number; `None` at the end of the stream. Whoever drops the future loses nothing.
    pub async fn next(&mut self) -> Option<(u64, Bytes)> {
        loop {
            if let Some((number, message)) = self.waiting.pop_front() {
                self.from = Some(number + 1);
                return Some((number, message));
            }
            if self.has_ended {
                return None;
            }
            self.said.mark_unchanged();
            self.look().await;
            if self.waiting.is_empty() && !self.has_ended {
                // The sender lives as long as the session that is held here.
                let _ = tokio::time::timeout(LOOK, self.said.changed()).await;
            }
        }
    }

    /// Reads what there is. Returns whether there is such a stream. While the store is away the stream waits for it.
    async fn look(&mut self) -> bool {
        let SharedSession { id, store, .. } = &*self.session;
        let Ok(page) = store.read(id, self.stream, self.from).await else { return false };
        let Some(page) = page else { return false };
        // A replica that is gone writes nothing more.
        let has_writer = self.stream == OUTBOX
            || page.has_ended
            || !page.messages.is_empty()
            || store.is_alive(&page.writer).await.unwrap_or(true);
        self.has_ended = page.has_ended || !has_writer;
        self.waiting.extend(page.messages);
        true
    }
}
