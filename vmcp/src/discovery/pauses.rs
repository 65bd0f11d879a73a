//! How long a watch that failed waits before it is tried again.

use std::time::Duration;

use kube::runtime::utils::Backoff;
use tokio::time::Instant;

/// The first pause.
const FIRST: Duration = Duration::from_millis(100);
/// The longest, which keeps repairs quick.
const LONGEST: Duration = Duration::from_secs(5);
/// A watch that has been quiet for so long after a pause has worked.
const HEALTHY: Duration = Duration::from_secs(10);

/// Pauses that double, until the watch has worked for a while.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    last: Option<(Duration, Instant)>,
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let pause = match self.last {
            Some((last, over)) if now < over + HEALTHY => (last * 2).min(LONGEST),
            _ => FIRST,
        };
        self.last = Some((pause, now + pause));
        Some(pause)
    }
}

impl Backoff for Pauses {
    /// Nothing: this is called for whatever a watch says, and before it is answered at all it says that it begins.
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::{StreamExt, stream};
    use kube::runtime::WatchStreamExt;

    /// Seconds from the start until each of so many refused attempts.
    async fn attempts(count: usize) -> Vec<f32> {
        let start = Instant::now();
        let refused = stream::iter([Ok("it begins"), Err("it is refused")]).cycle();
        let attempts = refused.backoff(Pauses::default()).filter(|outcome| std::future::ready(outcome.is_err()));
        attempts.take(count).map(|_| start.elapsed().as_secs_f32()).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_while_every_attempt_begins_and_is_refused() {
        let times = attempts(9).await;
        let pauses: Vec<_> = times.windows(2).map(|pair| ((pair[1] - pair[0]) * 10.0).round()).collect();
        assert_eq!(pauses, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 50.0, 50.0], "in tenths of a second");
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_worked_for_a_while_starts_anew() {
        let mut pauses = Pauses::default();
        for expected in [100, 200, 400] {
            assert_eq!(pauses.next().unwrap(), Duration::from_millis(expected));
        }
        tokio::time::advance(HEALTHY + Duration::from_secs(1)).await;
        assert_eq!(pauses.next().unwrap(), FIRST);
    }
}
