//! The clock of a world: real time, and what it was moved ahead.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// So far a clock can be moved ahead of real time: a century.
const FARTHEST: Duration = Duration::from_hours(24 * 36_525);

/// The clock of one world. Clones show the same time.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    ahead: Arc<watch::Sender<Duration>>,
}

impl Default for Clock {
    /// A clock that shows real time.
    fn default() -> Self {
        Self { ahead: Arc::new(watch::Sender::new(Duration::ZERO)) }
    }
}

impl Clock {
    /// What time it is in the world.
    pub(crate) fn now(&self) -> Timestamp {
        let ahead = *self.ahead.borrow();
        Timestamp::now().checked_add(ahead).unwrap_or(Timestamp::MAX)
    }

    /// Moves the clock ahead, so that what waits for it waits so much less. `false` when that would be too far.
    pub(crate) fn advance(&self, by: Duration) -> bool {
        self.ahead.send_if_modified(|ahead| {
            let moved = ahead.checked_add(by).filter(|moved| *moved <= FARTHEST);
            moved.map(|moved| *ahead = moved).is_some()
        })
    }

    /// Waits until so much time has gone by in the world.
    pub(crate) async fn sleep(&self, length: Duration) {
        let begun = Instant::now();
        let mut ahead = self.ahead.subscribe();
        let first = *ahead.borrow();
        loop {
            let moved = ahead.borrow_and_update().saturating_sub(first);
            let left = length.saturating_sub(moved).saturating_sub(begun.elapsed());
            tokio::select! {
                () = sleep(left) => return,
                // The sender lives in `self`: this ends with a change alone.
                _ = ahead.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_woken_when_the_clock_is_moved() {
        let clock = Clock::default();
        let begun = Instant::now();
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_mins(10)).await }
        });
        sleep(Duration::from_secs(100)).await;
        assert!(clock.advance(Duration::from_secs(450)));
        waiting.await.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(150));
    }

    #[test]
    fn a_clock_does_not_leave_its_century() {
        let clock = Clock::default();
        assert!(clock.advance(Duration::from_hours(1)));
        assert!(clock.now() > Timestamp::now().checked_add(Duration::from_mins(59)).unwrap());
        assert!(!clock.advance(FARTHEST));
        assert!(!clock.advance(Duration::MAX));
    }
}
