//! Calls at a fixed rate, and as many as there may be.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;

use crate::session::Session;

/// How long calls took, in order.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// The time within which so many of a hundred calls were answered, in milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    }
}

/// Calls over all sessions together at `rate` per second, for `time`. A call that had to wait for the one before it is counted
/// from when it was due: who is slow does not get fewer calls for it.
pub(crate) fn at_rate(sessions: &mut [Session], rate: u32, time: Duration) -> anyhow::Result<Latencies> {
    let period = Duration::from_secs(1) * u32::try_from(sessions.len())? / rate;
    let begin = Instant::now();
    let count = sessions.len();
    let taken = on_all(sessions, |index, session| {
        let first = begin + period * u32::try_from(index)? / u32::try_from(count)?;
        let mut taken = Vec::new();
        for number in 0.. {
            let due = first + period * number;
            if due > begin + time {
                break;
            }
            let early = due.saturating_duration_since(Instant::now());
            thread::sleep(early);
            let start = if early.is_zero() { due } else { Instant::now() };
            session.call()?;
            taken.push(start.elapsed());
        }
        Ok(taken)
    })?;
    let mut taken: Vec<Duration> = taken.into_iter().flatten().collect();
    taken.sort_unstable();
    Ok(Latencies(taken))
}

/// Makes so many calls on each session, one after the other.
pub(crate) fn at_once(sessions: &mut [Session], each: usize) -> anyhow::Result<()> {
    on_all(sessions, |_, session| (0..each).try_for_each(|_| session.call())).map(drop)
}

/// Runs `work` for all sessions at the same time.
fn on_all<T: Send>(
    sessions: &mut [Session],
    work: impl Fn(usize, &mut Session) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> =
            sessions.iter_mut().enumerate().map(|(index, session)| scope.spawn(move || work(index, session))).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a client panicked"))?).collect()
    })
}
