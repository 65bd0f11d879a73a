//! The journal of a world: every request that arrived, in the order in which it was answered.
//!
//! It is bounded by count and by bytes; what is cut, oldest first, is said in the log. Readers wait for entries by
//! subscribing, never by asking again.

mod body;
mod certificate;
mod dns;
mod entry;
mod filter;
mod log;
mod redaction;
mod telemetry;
mod weight;

use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::Arc;

use futures::Stream;
use tokio::sync::watch;

pub use body::RecordedBody;
pub use certificate::CertificateFacts;
pub use dns::{DnsFacts, DnsTransport};
pub(crate) use entry::version_text;
pub use entry::{HttpFacts, JournalEntry, ResponseFacts, TlsFacts, TokenFacts};
pub use filter::{Condition, ConditionError};
pub use log::TRAFFIC;
pub use redaction::REDACTED;
pub use telemetry::{LogFacts, MetricFacts, OriginFacts, PointFacts, SpanFacts, TelemetryFacts};

/// How much a journal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// At most so many entries.
    pub entries: usize,
    /// At most about so many bytes of memory.
    pub bytes: usize,
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self { entries: 20_000, bytes: 64 * 1024 * 1024 }
    }
}

/// The journal of one world. Clones show the same journal.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

struct Shared {
    limits: JournalLimits,
    kept: Mutex<Kept>,
    next: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    entries: VecDeque<Weighed>,
    /// What they weigh together.
    bytes: usize,
    /// Sequence number of the next entry.
    next: u64,
    /// Whether the log has said already that entries are cut.
    cut: bool,
}

struct Weighed {
    entry: Arc<JournalEntry>,
    weight: usize,
}

impl Journal {
    /// An empty journal: of a world to come, or of one whose entries are [taken over](Self::take_over) from elsewhere.
    #[must_use]
    pub fn new(limits: JournalLimits) -> Self {
        let (next, _) = watch::channel(0);
        Self { shared: Arc::new(Shared { limits, kept: Mutex::default(), next }) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.shared.kept.lock()
    }

    /// Appends an entry under the next number, which it returns, and wakes whoever waits for one.
    pub(crate) fn record(&self, mut entry: JournalEntry) -> u64 {
        let kept = self.kept();
        let sequence = kept.next;
        entry.sequence = sequence;
        entry.log();
        self.append(kept, entry);
        sequence
    }

    /// Appends an entry of another simulator's journal under the number that it has there; one that is here already is
    /// passed over.
    pub fn take_over(&self, entry: JournalEntry) {
        let kept = self.kept();
        if entry.sequence >= kept.next {
            self.append(kept, entry);
        }
    }

    fn append(&self, mut kept: MutexGuard<'_, Kept>, entry: JournalEntry) {
        kept.next = entry.sequence + 1;
        let weight = entry.weight();
        kept.bytes += weight;
        kept.entries.push_back(Weighed { entry: Arc::new(entry), weight });
        while kept.entries.len() > self.shared.limits.entries
            || (kept.bytes > self.shared.limits.bytes && kept.entries.len() > 1)
        {
            let Some(oldest) = kept.entries.pop_front() else {
                break;
            };
            kept.bytes -= oldest.weight;
            if !kept.cut {
                kept.cut = true;
                tracing::warn!(
                    entries = self.shared.limits.entries,
                    bytes = self.shared.limits.bytes,
                    "the journal is full: its oldest entries are dropped from now on"
                );
            }
        }
        let next = kept.next;
        drop(kept);
        self.shared.next.send_replace(next);
    }

    /// All entries that are kept, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Arc<JournalEntry>> {
        self.kept().entries.iter().map(|kept| Arc::clone(&kept.entry)).collect()
    }

    /// The entries from now on and those that are kept, one after the other.
    #[must_use]
    pub fn subscribe(&self) -> JournalSubscription {
        self.subscribe_from(0)
    }

    /// The entries whose sequence number is `sequence` or higher, one after the other.
    #[must_use]
    pub fn subscribe_from(&self, sequence: u64) -> JournalSubscription {
        JournalSubscription { journal: self.clone(), position: sequence, next: self.shared.next.subscribe() }
    }

    /// Waits until the journal has come to `position`. The caller bounds the wait.
    pub async fn reaches(&self, position: u64) {
        // The sender lives in `self`, so this ends only when the position is reached.
        let _ = self.shared.next.subscribe().wait_for(|next| *next >= position).await;
    }

    /// Sequence number that the next entry will have: an entry with this number or a higher one is newer than this moment.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.kept().next
    }

    /// The first entry for which `matches` holds: a kept one, or else the next that arrives. The caller bounds the wait.
    pub async fn wait_for(&self, mut matches: impl FnMut(&JournalEntry) -> bool) -> Arc<JournalEntry> {
        let mut subscription = self.subscribe();
        loop {
            let entry = subscription.next().await;
            if matches(&entry) {
                return entry;
            }
        }
    }

    /// Forgets all entries. Sequence numbers go on.
    pub fn clear(&self) {
        let mut kept = self.kept();
        kept.entries.clear();
        kept.bytes = 0;
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept = self.kept();
        formatter.debug_struct("Journal").field("entries", &kept.entries.len()).field("bytes", &kept.bytes).finish()
    }
}

/// A reader of a journal. It misses nothing, except entries that were cut before it came to them.
#[derive(Debug)]
pub struct JournalSubscription {
    journal: Journal,
    position: u64,
    next: watch::Receiver<u64>,
}

impl JournalSubscription {
    /// The next entry, as soon as there is one. Safe to cancel.
    pub async fn next(&mut self) -> Arc<JournalEntry> {
        loop {
            self.next.mark_unchanged();
            if let Some(entry) = self.ready() {
                return entry;
            }
            // The sender lives in `self.journal`, so this ends only with a change.
            let _ = self.next.changed().await;
        }
    }

    /// The next entry, if it is there already.
    pub fn ready(&mut self) -> Option<Arc<JournalEntry>> {
        let kept = self.journal.kept();
        let first = kept.entries.front()?.entry.sequence;
        let index = usize::try_from(self.position.saturating_sub(first)).ok()?;
        let entry = Arc::clone(&kept.entries.get(index)?.entry);
        drop(kept);
        self.position = entry.sequence + 1;
        Some(entry)
    }

    /// The subscription as an endless stream.
    pub fn into_stream(self) -> impl Stream<Item = Arc<JournalEntry>> + Send {
        futures::stream::unfold(self, |mut subscription| async move {
            let entry = subscription.next().await;
            Some((entry, subscription))
        })
    }
}
