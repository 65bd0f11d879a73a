//! The events of a session that a client can ask for again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

/// Events that a session remembers.
const MOST_EVENTS: usize = 1024;
/// Their bytes.
const MOST_BYTES: usize = 1024 * 1024;

/// The name of an event: its stream, and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EventId {
    pub(super) stream: u64,
    pub(super) number: u64,
}

impl EventId {
    /// Reads what a client sends back.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (stream, number) = text.split_once('-')?;
        Some(Self { stream: stream.parse().ok()?, number: number.parse().ok()? })
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.stream, self.number)
    }
}

/// The newest events of a session. The oldest go first.
#[derive(Default)]
pub(super) struct ReplayLog {
    events: VecDeque<(EventId, Bytes)>,
    bytes: usize,
}

impl ReplayLog {
    pub(super) fn record(&mut self, id: EventId, event: Bytes) {
        self.bytes += event.len();
        self.events.push_back((id, event));
        while self.events.len() > MOST_EVENTS || self.bytes > MOST_BYTES {
            static SAID: AtomicBool = AtomicBool::new(false);
            let Some((_, event)) = self.events.pop_front() else { break };
            self.bytes -= event.len();
            if !SAID.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "a session has {MOST_EVENTS} events or {MOST_BYTES} bytes to replay: the oldest are forgotten"
                );
            }
        }
    }

    /// The events of the stream that came after `last`; `None` when that one was never sent or is forgotten.
    pub(super) fn after(&self, last: EventId) -> Option<Vec<Bytes>> {
        let start = self.events.iter().position(|(id, _)| *id == last)?;
        let later = self.events.iter().skip(start + 1).filter(|(id, _)| id.stream == last.stream);
        Some(later.map(|(_, event)| event.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn id(stream: u64, number: u64) -> EventId {
        EventId { stream, number }
    }

    #[test]
    fn only_later_events_of_the_same_stream_come_again() {
        let mut log = ReplayLog::default();
        for (stream, number, text) in [(1, 0, "a"), (2, 0, "b"), (1, 1, "c"), (1, 2, "d")] {
            log.record(id(stream, number), Bytes::from_static(text.as_bytes()));
        }
        assert_eq!(log.after(EventId::parse("1-0").unwrap()).unwrap(), ["c", "d"]);
        assert_eq!(log.after(id(2, 0)).unwrap(), Vec::<Bytes>::new());
        assert_eq!(log.after(id(3, 0)), None);
    }

    #[test]
    fn what_is_remembered_is_bounded_by_count_and_bytes() {
        let mut log = ReplayLog::default();
        for number in 0..=MOST_EVENTS as u64 {
            log.record(id(1, number), Bytes::from_static(b"x"));
        }
        assert!(log.after(id(1, 0)).is_none() && log.after(id(1, 1)).is_some());
        log.record(id(2, 0), vec![0; MOST_BYTES].into());
        assert!(log.after(id(1, MOST_EVENTS as u64)).is_none() && log.after(id(2, 0)).is_some());
    }
}
