//! The queue of objects to reconcile: a plain state machine, driven with the time that it is.
//!
//! An object is in the queue at most once and is reconciled by one worker at a time. When it is asked for while it is
//! being reconciled, it is reconciled once more. A failure puts it back after a delay that grows with each failure in a
//! row, so that it does not keep others waiting.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::Target;

/// Delay after the first failure; it doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(250);
/// The longest delay.
const LONGEST_DELAY: Duration = Duration::from_mins(1);

/// The objects to reconcile.
#[derive(Debug, Default)]
pub struct Queue {
    ready: VecDeque<Target>,
    queued: BTreeSet<Target>,
    running: BTreeMap<Target, Again>,
    delayed: BTreeSet<(Instant, Target)>,
    failures: BTreeMap<Target, u32>,
}

/// Whether an object was asked for while it was being reconciled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    No,
    Yes,
}

impl Queue {
    /// Asks for `target`.
    pub fn add(&mut self, target: Target) {
        if let Some(again) = self.running.get_mut(&target) {
            *again = Again::Yes;
        } else if self.queued.insert(target.clone()) {
            self.delayed.retain(|(_, delayed)| *delayed != target);
            self.ready.push_back(target);
        }
    }

    /// Takes the next object that is due at `now`.
    pub fn take(&mut self, now: Instant) -> Option<Target> {
        while let Some((due, _)) = self.delayed.first()
            && *due <= now
        {
            if let Some((_, target)) = self.delayed.pop_first()
                && self.queued.insert(target.clone())
            {
                self.ready.push_back(target);
            }
        }
        let target = self.ready.pop_front()?;
        self.queued.remove(&target);
        self.running.insert(target.clone(), Again::No);
        Some(target)
    }

    /// `target` was reconciled.
    pub fn succeeded(&mut self, target: &Target) {
        self.failures.remove(target);
        if self.running.remove(target) == Some(Again::Yes) {
            self.add(target.clone());
        }
    }

    /// `target` could not be reconciled: it comes again. `jitter` is between 0 and 1 and spreads objects that failed
    /// together. Returns the delay.
    pub fn failed(&mut self, target: &Target, now: Instant, jitter: f64) -> Duration {
        self.running.remove(target);
        let failures = self.failures.entry(target.clone()).or_default();
        *failures += 1;
        let delay = FIRST_DELAY.saturating_mul(1 << (*failures - 1).min(16)).min(LONGEST_DELAY);
        let delay = delay.mul_f64(1.0 - 0.2 * jitter.clamp(0.0, 1.0));
        self.delayed.insert((now + delay, target.clone()));
        delay
    }

    /// When the next delayed object is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.delayed.first().map(|(due, _)| *due)
    }

    /// Whether nothing waits and nothing runs.
    pub fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.running.is_empty() && self.delayed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::runtime::{Kind, ObjectKey};

    fn target(name: &str) -> Target {
        Target::new(Kind::Entry, ObjectKey::new("ns", name))
    }

    #[test]
    fn an_object_is_queued_once() {
        let mut queue = Queue::default();
        queue.add(target("a"));
        queue.add(target("a"));
        let now = Instant::now();
        assert_eq!(queue.take(now), Some(target("a")));
        assert_eq!(queue.take(now), None);
    }

    #[test]
    fn an_object_that_changes_while_it_runs_runs_once_more() {
        let mut queue = Queue::default();
        let now = Instant::now();
        queue.add(target("a"));
        queue.take(now);
        queue.add(target("a"));
        queue.add(target("a"));
        assert_eq!(queue.take(now), None, "it runs at one worker at a time");
        queue.succeeded(&target("a"));
        assert_eq!(queue.take(now), Some(target("a")));
        queue.succeeded(&target("a"));
        assert!(queue.is_idle());
    }

    #[test]
    fn failures_delay_longer_and_longer_and_a_change_runs_at_once() {
        let mut queue = Queue::default();
        let now = Instant::now();
        let mut last = Duration::ZERO;
        for _ in 0..12 {
            queue.add(target("a"));
            assert_eq!(queue.take(now), Some(target("a")), "a change does not wait for the delay");
            let delay = queue.failed(&target("a"), now, 0.0);
            assert!(delay >= last && delay <= LONGEST_DELAY);
            last = delay;
        }
        assert_eq!(last, LONGEST_DELAY);
        assert_eq!(queue.take(now), None);
        assert_eq!(queue.take(queue.next_due().unwrap()), Some(target("a")));
        queue.succeeded(&target("a"));
        queue.add(target("a"));
        queue.take(now);
        assert_eq!(queue.failed(&target("a"), now, 0.0), FIRST_DELAY, "success forgets failures");
    }
}
