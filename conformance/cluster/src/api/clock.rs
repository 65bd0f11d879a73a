//! Where the server takes the time from.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The server's source of the present time.
///
/// Timestamps in metadata, token lifetimes and deletion deadlines all come from here.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The default clock: the system's time at its creation plus what tokio's clock has advanced since, so that
/// `tokio::time::pause` and `advance` govern the timestamps of objects too.
#[derive(Debug)]
pub struct TokioClock {
    epoch: Timestamp,
    started: Instant,
}

impl Default for TokioClock {
    fn default() -> Self {
        Self { epoch: Timestamp::now(), started: Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::ZERO);
        self.epoch.checked_add(elapsed).unwrap_or(self.epoch)
    }
}

/// Formats a time as metadata has it: RFC 3339 in UTC with a resolution of seconds.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
