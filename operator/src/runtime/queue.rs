//! The queue of objects to reconcile: a plain state machine, driven with the time that it is.
//!
//! An object is in the queue at most once and is reconciled by one worker at a time. When it is asked for while it is
//! being reconciled, it is reconciled once more. A failure puts it back after a delay that grows with each failure in a
//! row; objects that failed last time wait in a line of their own and never take more than [`RETRY_SLOTS`] places at the
//! workers, so that they keep no others waiting, even if each of them hangs until it is cut off.

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
/// How many objects that failed last time are reconciled at once.
const RETRY_SLOTS: usize = 4;

/// The objects to reconcile.
#[derive(Debug, Default)]
pub struct Queue {
    /// Objects that did not fail last time.
    ready: VecDeque<Target>,
    /// Objects that did.
    retries: VecDeque<Target>,
    /// Since when each object of the two has been waiting.
    queued: BTreeMap<Target, Instant>,
    running: BTreeMap<Target, Run>,
    delayed: BTreeSet<(Instant, Target)>,
    /// When each object of `delayed` is due.
    due: BTreeMap<Target, Instant>,
    failures: BTreeMap<Target, u32>,
}

/// An object that is being reconciled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// Whether it was asked for meanwhile.
    again: bool,
    /// Whether it failed last time.
    retry: bool,
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Objects that could be reconciled now.
    pub ready: usize,
    /// Objects that are being reconciled.
    pub running: usize,
    /// Objects that failed and wait to be tried again.
    pub delayed: usize,
    /// How long the object that waits longest has been ready.
    pub oldest: Duration,
}

impl Queue {
    /// Asks for `target`.
    pub fn add(&mut self, target: Target, now: Instant) {
        if let Some(run) = self.running.get_mut(&target) {
            run.again = true;
            return;
        }
        if let Some(due) = self.due.remove(&target) {
            self.delayed.remove(&(due, target.clone()));
        }
        self.enqueue(target, now);
    }

    fn enqueue(&mut self, target: Target, now: Instant) {
        if self.queued.contains_key(&target) {
            return;
        }
        self.queued.insert(target.clone(), now);
        let line = if self.failures.contains_key(&target) { &mut self.retries } else { &mut self.ready };
        line.push_back(target);
    }

    /// Takes the next object that is due at `now`.
    pub fn take(&mut self, now: Instant) -> Option<Target> {
        while let Some((due, _)) = self.delayed.first()
            && *due <= now
        {
            if let Some((_, target)) = self.delayed.pop_first() {
                self.due.remove(&target);
                self.enqueue(target, now);
            }
        }
        let retrying = self.running.values().filter(|run| run.retry).count();
        let retried = if retrying < RETRY_SLOTS { self.retries.pop_front() } else { None };
        let retry = retried.is_some();
        let target = retried.or_else(|| self.ready.pop_front())?;
        self.queued.remove(&target);
        self.running.insert(target.clone(), Run { again: false, retry });
        Some(target)
    }

    /// `target` was reconciled.
    pub fn succeeded(&mut self, target: &Target, now: Instant) {
        self.failures.remove(target);
        if self.running.remove(target).is_some_and(|run| run.again) {
            self.add(target.clone(), now);
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
        self.due.insert(target.clone(), now + delay);
        delay
    }

    /// When the next delayed object is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.delayed.first().map(|(due, _)| *due)
    }

    /// Whether nothing waits and nothing runs.
    pub fn is_idle(&self) -> bool {
        self.queued.is_empty() && self.running.is_empty() && self.delayed.is_empty()
    }

    /// How full it is.
    pub fn state(&self, now: Instant) -> State {
        let first = [&self.ready, &self.retries].into_iter().filter_map(|line| self.queued.get(line.front()?));
        State {
            ready: self.queued.len(),
            running: self.running.len(),
            delayed: self.delayed.len(),
            oldest: first.min().map_or(Duration::ZERO, |since| now - *since),
        }
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
        let now = Instant::now();
        queue.add(target("a"), now);
        queue.add(target("a"), now);
        assert_eq!(queue.take(now), Some(target("a")));
        assert_eq!(queue.take(now), None);
    }

    #[test]
    fn an_object_that_changes_while_it_runs_runs_once_more() {
        let mut queue = Queue::default();
        let now = Instant::now();
        queue.add(target("a"), now);
        queue.take(now);
        queue.add(target("a"), now);
        queue.add(target("a"), now);
        assert_eq!(queue.take(now), None, "it runs at one worker at a time");
        queue.succeeded(&target("a"), now);
        assert_eq!(queue.take(now), Some(target("a")));
        queue.succeeded(&target("a"), now);
        assert!(queue.is_idle());
    }

    #[test]
    fn failures_delay_longer_and_longer_and_a_change_runs_at_once() {
        let mut queue = Queue::default();
        let now = Instant::now();
        let mut last = Duration::ZERO;
        for _ in 0..12 {
            queue.add(target("a"), now);
            assert_eq!(queue.take(now), Some(target("a")), "a change does not wait for the delay");
            let delay = queue.failed(&target("a"), now, 0.0);
            assert!(delay >= last && delay <= LONGEST_DELAY);
            last = delay;
        }
        assert_eq!(last, LONGEST_DELAY);
        assert_eq!(queue.take(now), None);
        let due = queue.next_due().unwrap();
        assert_eq!(queue.take(due), Some(target("a")));
        queue.succeeded(&target("a"), due);
        queue.add(target("a"), due);
        queue.take(due);
        assert_eq!(queue.failed(&target("a"), due, 0.0), FIRST_DELAY, "success forgets failures");
    }

    #[test]
    fn objects_that_keep_failing_leave_room_for_the_others() {
        let mut queue = Queue::default();
        let mut now = Instant::now();
        for name in 0..20 {
            queue.add(target(&format!("poisoned-{name:02}")), now);
            let taken = queue.take(now).unwrap();
            queue.failed(&taken, now, 0.0);
        }
        now += LONGEST_DELAY;
        for _ in 0..RETRY_SLOTS {
            assert!(queue.take(now).is_some());
        }
        assert_eq!(queue.take(now), None, "the rest of them waits, although there would be room");
        queue.add(target("sound"), now);
        assert_eq!(queue.take(now), Some(target("sound")));
        queue.failed(&target("poisoned-00"), now, 0.0);
        assert_eq!(queue.take(now), Some(target("poisoned-04")));
    }

    #[test]
    fn the_state_counts_each_object_once() {
        let mut queue = Queue::default();
        let start = Instant::now();
        for name in ["fails", "runs", "waits"] {
            queue.add(target(name), start);
        }
        let later = start + Duration::from_secs(3);
        queue.take(later);
        queue.failed(&target("fails"), later, 0.0);
        queue.take(later);
        let oldest = Duration::from_secs(3);
        assert_eq!(queue.state(later), State { ready: 1, running: 1, delayed: 1, oldest });
    }
}
