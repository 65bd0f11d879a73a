//! How long to wait before a backend that failed is asked again.

use std::time::Duration;

/// The longest pause.
pub(super) const LONGEST: Duration = Duration::from_secs(30);
/// How often a pause is doubled: enough for any to become the longest that is a second at first.
const DOUBLINGS: u32 = 5;

/// The pause after so many attempts in vain: `first`, doubled by each of them.
pub(super) fn after(failures: u32, first: Duration) -> Duration {
    first.saturating_mul(1 << failures.min(DOUBLINGS)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let seconds = [0, 1, 4, 5, 6, u32::MAX].map(|failures| after(failures, Duration::from_secs(1)).as_secs());
        assert_eq!(seconds, [1, 2, 16, 30, 30, 30]);
        assert_eq!(after(0, Duration::MAX), LONGEST);
    }
}
