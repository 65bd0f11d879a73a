//! The streams that answer requests, kept so that a client which lost one can read on where it stopped (MCP 2025-11-25,
//! transports, resumability and redelivery).

use crate::replicas::SharedSession;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Messages that may wait for a client that reads; whoever writes more waits for it.
const UNREAD: usize = 32;
/// Messages that are kept for a client that has left; the oldest are dropped.
const KEPT: usize = 256;
/// Their size, but for the newest one.
const KEPT_BYTES: usize = 256 * 1024;
/// How long a stream is kept after its end.
const KEPT_FOR: Duration = Duration::from_mins(1);
/// How many streams of one session are kept, beside those of requests that are under way.
const STREAMS: usize = 32;

/// The streams of one session, by number. Number 0 is the stream for what concerns no request.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: Arc<Mutex<Open>>,
    /// The session, if replicas share it: they find there what was said on its streams.
    shared: Option<Arc<SharedSession>>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    logs: BTreeMap<u64, Arc<StreamLog>>,
}

impl Streams {
    /// The streams of a session, which replicas may share. The first one has the number after `last`.
    pub(super) fn of(shared: Option<Arc<SharedSession>>, last: u64) -> Self {
        Self { open: Arc::new(Mutex::new(Open { last, logs: BTreeMap::new() })), shared }
    }

    /// A new stream. Of too many, the oldest that has ended is forgotten; those that go on are as many as there are requests.
    pub(super) fn open(&self) -> Arc<StreamLog> {
        let mut open = self.open.lock();
        if open.logs.len() >= STREAMS {
            let ended = open.logs.iter().find(|(_, log)| log.state.lock().ended).map(|(number, _)| *number);
            ended.and_then(|number| open.logs.remove(&number));
        }
        open.last += 1;
        let number = open.last;
        let shared = self.shared.clone();
        let log = Arc::new(StreamLog { number, state: Mutex::default(), changed: watch::Sender::new(()), shared });
        open.logs.insert(number, Arc::clone(&log));
        log
    }

    /// The stream of this number, if it is kept.
    pub(super) fn find(&self, number: u64) -> Option<Arc<StreamLog>> {
        self.open.lock().logs.get(&number).cloned()
    }

    /// Ends a stream, and forgets it after a while.
    pub(super) fn end(&self, log: &StreamLog) {
        log.end();
        let (open, number) = (Arc::downgrade(&self.open), log.number);
        tokio::spawn(async move {
            tokio::time::sleep(KEPT_FOR).await;
            if let Some(open) = open.upgrade() {
                open.lock().logs.remove(&number);
            }
        });
    }
}

/// One stream: what was said on it, and what waits to be read.
#[derive(Debug)]
pub(super) struct StreamLog {
    pub(super) number: u64,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    shared: Option<Arc<SharedSession>>,
}

#[derive(Debug, Default)]
struct State {
    /// The messages from number `first` on.
    messages: VecDeque<Bytes>,
    first: u64,
    bytes: usize,
    /// The number of the next message that is to be read.
    unread: u64,
    ended: bool,
    /// Counts the readers that came; the newest reads.
    reader: u64,
    is_read: bool,
}

impl State {
    fn next(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    fn is_full(&self) -> bool {
        self.is_read && self.next() - self.unread >= UNREAD as u64
    }
}

impl StreamLog {
    /// Adds a message; waits while a client that reads has enough to read.
    pub(super) async fn push(&self, message: Bytes) {
        let mut changed = self.changed.subscribe();
        while self.state.lock().is_full() {
            if changed.changed().await.is_err() {
                return;
            }
        }
        let mut state = self.state.lock();
        if let Some(shared) = &self.shared {
            shared.note(self.number, state.next(), message.clone());
        }
        state.bytes += message.len();
        state.messages.push_back(message);
        while state.messages.len() > KEPT || (state.bytes > KEPT_BYTES && state.messages.len() > 1) {
            // What a client that reads has not read yet is not dropped.
            if state.is_read && state.first >= state.unread {
                break;
            }
            let dropped = state.messages.pop_front().map_or(0, |dropped| dropped.len());
            state.bytes -= dropped;
            state.first += 1;
        }
        drop(state);
        self.changed.send_replace(());
    }

    fn end(&self) {
        self.state.lock().ended = true;
        if let Some(shared) = &self.shared {
            shared.end_stream(self.number);
        }
        self.changed.send_replace(());
    }

    /// Reads on from message number `from`. Whoever read before does not any more.
    pub(super) fn reader(self: &Arc<Self>, from: u64) -> LogReader {
        let mut state = self.state.lock();
        state.reader += 1;
        state.is_read = true;
        state.unread = from.max(state.first).min(state.next());
        let reader = state.reader;
        drop(state);
        let changed = self.changed.subscribe();
        self.changed.send_replace(());
        LogReader { log: Arc::clone(self), reader, changed }
    }
}

/// Reads one stream.
#[derive(Debug)]
pub(super) struct LogReader {
    log: Arc<StreamLog>,
    reader: u64,
    changed: watch::Receiver<()>,
}

impl LogReader {
    /// The next message and its number; `None` at the end of the stream, or when it is read elsewhere.
    pub(super) async fn next(&mut self) -> Option<(u64, Bytes)> {
        loop {
            self.changed.mark_unchanged();
            {
                let mut state = self.log.state.lock();
                if state.reader != self.reader {
                    return None;
                }
                let number = state.unread.max(state.first);
                let message = usize::try_from(number - state.first).ok().and_then(|at| state.messages.get(at).cloned());
                if let Some(message) = message {
                    state.unread = number + 1;
                    drop(state);
                    self.log.changed.send_replace(());
                    return Some((number, message));
                }
                if state.ended {
                    return None;
                }
            }
            self.changed.changed().await.ok()?;
        }
    }
}

impl Drop for LogReader {
    fn drop(&mut self) {
        let mut state = self.log.state.lock();
        if state.reader == self.reader {
            state.is_read = false;
        }
        drop(state);
        self.log.changed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::poll;
    use std::pin::pin;

    async fn push(log: &StreamLog, messages: std::ops::Range<u64>) {
        for number in messages {
            log.push(Bytes::from(number.to_string())).await;
        }
    }

    async fn rest(mut reader: LogReader) -> Vec<u64> {
        let mut read = Vec::new();
        while let Some((number, message)) = reader.next().await {
            assert_eq!(message, number.to_string());
            read.push(number);
        }
        read
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_comes_back_reads_on() {
        let streams = Streams::default();
        let log = streams.open();
        push(&log, 0..5).await;
        let mut reader = log.reader(0);
        for number in 0..3 {
            assert_eq!(reader.next().await.unwrap().0, number);
        }
        // The third one was lost on the way.
        let resumed = streams.find(log.number).unwrap().reader(2);
        assert!(reader.next().await.is_none(), "the stream is read elsewhere");
        push(&log, 5..7).await;
        streams.end(&log);
        assert_eq!(rest(resumed).await, [2, 3, 4, 5, 6]);
        assert_eq!(rest(log.reader(6)).await, [6], "for a while after the end, too");
        tokio::time::sleep(KEPT_FOR + Duration::from_secs(1)).await;
        assert!(streams.find(log.number).is_none());
    }

    #[tokio::test]
    async fn who_reads_slowly_slows_down_and_who_has_left_misses_the_oldest() {
        let streams = Streams::default();
        let log = streams.open();
        let mut reader = log.reader(0);
        push(&log, 0..UNREAD as u64).await;
        let mut more = pin!(log.push(Bytes::from(UNREAD.to_string())));
        assert!(poll!(&mut more).is_pending());
        reader.next().await;
        assert!(poll!(&mut more).is_ready());
        drop(reader);
        push(&log, UNREAD as u64 + 1..1000).await;
        streams.end(&log);
        let kept = rest(log.reader(1)).await;
        assert_eq!((kept.len(), kept.last()), (KEPT, Some(&999)));
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded_in_size_and_number() {
        let streams = Streams::default();
        let log = streams.open();
        for _ in 0..10 {
            log.push(Bytes::from(vec![0; KEPT_BYTES / 2])).await;
        }
        assert_eq!(log.state.lock().messages.len(), 2);
        let huge = Bytes::from(vec![0; KEPT_BYTES * 2]);
        log.push(huge).await;
        assert_eq!(log.state.lock().messages.len(), 1, "an answer of any size can be read once");
        let others: Vec<_> = (0..STREAMS).map(|_| streams.open()).collect();
        assert!(streams.find(log.number).is_some(), "its request is under way");
        streams.end(&others[5]);
        streams.open();
        assert!(streams.find(others[0].number).is_some() && streams.find(others[5].number).is_none());
    }
}
