//! The time that a request takes, without the time during which its client is asked something.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Measures the time since its start, but for pauses.
#[derive(Debug)]
pub struct Clock(watch::Sender<Reading>);

#[derive(Debug, Clone, Copy)]
struct Reading {
    /// What had passed when it last began to run.
    spent: Duration,
    running_since: Instant,
    pauses: usize,
}

impl Clock {
    /// A clock that runs.
    pub fn start() -> Arc<Self> {
        let reading = Reading { spent: Duration::ZERO, running_since: Instant::now(), pauses: 0 };
        Arc::new(Self(watch::Sender::new(reading)))
    }

    /// Stops the clock until what is returned, and every other pause, is dropped.
    pub fn pause(self: &Arc<Self>) -> Pause {
        self.0.send_modify(|reading| {
            if reading.pauses == 0 {
                reading.spent += reading.running_since.elapsed();
            }
            reading.pauses += 1;
        });
        Pause(Arc::clone(self))
    }

    /// Waits until so much time has passed.
    pub async fn reaches(&self, limit: Duration) {
        let mut readings = self.0.subscribe();
        loop {
            let reading = *readings.borrow_and_update();
            let left = limit.saturating_sub(reading.spent);
            tokio::select! {
                () = tokio::time::sleep_until(reading.running_since + left), if reading.pauses == 0 => return,
                Ok(()) = readings.changed() => {}
            }
        }
    }
}

/// A pause of a [`Clock`].
#[derive(Debug)]
pub struct Pause(Arc<Clock>);

impl Drop for Pause {
    fn drop(&mut self) {
        self.0.0.send_modify(|reading| {
            reading.pauses -= 1;
            reading.running_since = Instant::now();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_do_not_count() {
        let (clock, started) = (Clock::start(), Instant::now());
        let reached = clock.reaches(Duration::from_secs(10));
        let pausing = async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            let (one, two) = (clock.pause(), clock.pause());
            tokio::time::sleep(Duration::from_mins(3)).await;
            drop(one);
            tokio::time::sleep(Duration::from_mins(1)).await;
            drop(two);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = reached => {}
            () = pausing => {}
        }
        assert_eq!(started.elapsed(), Duration::from_secs(10) + Duration::from_mins(4));
    }
}
