//! When a container that ended is started again.

use std::time::Duration;

use tokio::time::Instant;

/// The longest delay, for the default initial delay of 10 s.
const LIMIT: u32 = 30;

/// A container that ran that much longer than the initial delay starts anew with it.
const FORGIVEN_AFTER: u32 = 60;

/// The delays before a container's restarts: none before the first, then doubling from the initial delay to thirty times
/// it. A run of sixty times the initial delay (10 minutes by default) forgets the past.
#[derive(Debug)]
pub(super) struct BackOff {
    initial: Duration,
    next: Duration,
}

impl BackOff {
    pub(super) fn new(initial: Duration) -> Self {
        Self { initial, next: Duration::ZERO }
    }

    /// The delay before the next start of a container that ran since `started`.
    pub(super) fn delay(&mut self, started: Instant) -> Duration {
        if started.elapsed() >= self.initial * FORGIVEN_AFTER {
            self.next = Duration::ZERO;
        }
        let delay = self.next;
        self.next = if delay.is_zero() { self.initial } else { (delay * 2).min(self.initial * LIMIT) };
        delay
    }
}

/// Whether containers of a kind are started again after they ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

impl RestartPolicy {
    /// Reads a policy's name; `Always` when there is none.
    pub(super) fn parse(name: Option<&str>) -> Self {
        match name {
            Some("Never") => Self::Never,
            Some("OnFailure") => Self::OnFailure,
            _ => Self::Always,
        }
    }

    /// Whether a container that ended with this code is started again.
    pub(super) fn restarts(self, code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => code != 0,
            Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_from_the_initial_one_to_a_limit() {
        let mut back_off = BackOff::new(Duration::from_secs(10));
        let delays: Vec<u64> = (0..8).map(|_| back_off.delay(Instant::now()).as_secs()).collect();
        assert_eq!(delays, [0, 10, 20, 40, 80, 160, 300, 300]);
    }
}
