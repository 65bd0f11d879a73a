//! The faults that stand, and the requests that meet them.

use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::request::{Effect, RequestFault, Seen};

/// A fault that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveFault {
    /// By which it is cleared.
    pub id: u64,
    /// The fault.
    pub fault: RequestFault,
    /// How many requests have met it.
    pub met: u64,
}

/// Ends its fault when it is dropped.
#[derive(Debug)]
#[must_use = "the fault ends when this is dropped"]
pub struct FaultGuard {
    id: u64,
    faults: Option<Arc<ActiveFaults>>,
}

impl FaultGuard {
    /// By which the fault is cleared.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Lets the fault stand until it is cleared by its id, or its duration is over.
    pub fn keep(mut self) -> u64 {
        self.faults = None;
        self.id
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        if let Some(faults) = &self.faults {
            faults.clear(self.id);
        }
    }
}

/// All faults of one server.
#[derive(Debug, Default)]
pub(crate) struct ActiveFaults {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    last_id: u64,
    faults: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    active: ActiveFault,
    ends: Option<Instant>,
    ended: CancellationToken,
}

/// What a request waits for, or how it is answered.
enum Meeting {
    Wait { ended: CancellationToken, until: Option<Instant> },
    Answer(Refusal),
}

/// How a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) retry_after: Option<u32>,
    pub(crate) message: String,
}

impl ActiveFaults {
    pub(super) fn add(self: &Arc<Self>, fault: RequestFault) -> FaultGuard {
        let mut entries = self.lock();
        entries.last_id += 1;
        let id = entries.last_id;
        let ends = fault.duration.map(|duration| Instant::now() + duration);
        let active = ActiveFault { id, fault, met: 0 };
        entries.faults.push(Entry { active, ends, ended: CancellationToken::new() });
        FaultGuard { id, faults: Some(Arc::clone(self)) }
    }

    pub(super) fn list(&self) -> Vec<ActiveFault> {
        let mut entries = self.lock();
        entries.forget_expired();
        entries.faults.iter().map(|entry| entry.active.clone()).collect()
    }

    pub(super) fn clear(&self, id: u64) -> bool {
        let mut entries = self.lock();
        entries.forget_expired();
        let before = entries.faults.len();
        entries.faults.retain(|entry| {
            let remains = entry.active.id != id;
            if !remains {
                entry.ended.cancel();
            }
            remains
        });
        entries.faults.len() < before
    }

    pub(super) fn clear_all(&self) -> usize {
        let mut entries = self.lock();
        entries.forget_expired();
        entries.faults.drain(..).map(|entry| entry.ended.cancel()).count()
    }

    /// Whether there is any fault: a request has nothing to look at else.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().faults.is_empty()
    }

    /// Lets a request meet the faults that select it. How it is refused, if it is.
    pub(crate) async fn meet(&self, seen: &Seen<'_>) -> Option<Refusal> {
        for meeting in self.meetings(seen) {
            match meeting {
                Meeting::Answer(refusal) => return Some(refusal),
                Meeting::Wait { ended, until } => {
                    let over = async {
                        match until {
                            Some(until) => tokio::time::sleep_until(until).await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        () = ended.cancelled() => {}
                        () = over => {}
                    }
                }
            }
        }
        None
    }

    /// What the request meets, in the order in which the faults began; nothing follows an answer.
    fn meetings(&self, seen: &Seen<'_>) -> Vec<Meeting> {
        let mut entries = self.lock();
        entries.forget_expired();
        let mut meetings = Vec::new();
        let mut now = Instant::now();
        for entry in &mut entries.faults {
            let fault = &entry.active.fault;
            let is_used_up = fault.times.is_some_and(|times| entry.active.met >= u64::from(times));
            if is_used_up || !fault.requests.select(seen) {
                continue;
            }
            entry.active.met += 1;
            match &fault.effect {
                Effect::Latency(latency) => {
                    now += *latency;
                    meetings.push(Meeting::Wait { ended: entry.ended.clone(), until: Some(now) });
                }
                Effect::Hang => meetings.push(Meeting::Wait { ended: entry.ended.clone(), until: entry.ends }),
                Effect::Answer { code, retry_after } => {
                    let message = format!("injected fault {}: {fault}", entry.active.id);
                    meetings.push(Meeting::Answer(Refusal { code: code.as_u16(), retry_after: *retry_after, message }));
                    break;
                }
            }
        }
        meetings
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock()
    }
}

impl Entries {
    fn forget_expired(&mut self) {
        let now = Instant::now();
        self.faults.retain(|entry| entry.ends.is_none_or(|ends| now < ends));
    }
}
