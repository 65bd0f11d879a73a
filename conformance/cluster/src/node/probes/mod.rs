//! Probes of containers: whether one has started, is alive, is ready.
//!
//! The rules are a kubelet's: the first check comes `initialDelaySeconds` after the start, the next every
//! `periodSeconds`; `successThreshold` and `failureThreshold` checks in a row change the result; liveness and readiness
//! wait for the startup probe. In one thing this node is quicker: until a probe has succeeded for the first time, and
//! within its first period, a failed startup or readiness check is repeated after some milliseconds without being
//! counted. A pod that needs 30 ms to listen is then ready after 40 ms and not after a whole period.

mod check;
mod tls;

use std::time::Duration;

use k8s_openapi::api::core::v1::Probe;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub(crate) use check::{Target, run_hook};

/// Which probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Startup,
    Readiness,
    Liveness,
}

impl Kind {
    /// The name that events use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }
}

/// What a probe tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// One check failed.
    Failed { kind: Kind, message: String },
    /// The result changed.
    Turned { kind: Kind, success: bool },
}

/// The checks in a row that make a result.
#[derive(Debug)]
struct Threshold {
    success: u32,
    failure: u32,
    row: u32,
    last: Option<bool>,
}

impl Threshold {
    fn new(probe: &Probe) -> Self {
        let positive = |value: Option<i32>, default| {
            value.and_then(|v| u32::try_from(v).ok()).filter(|v| *v > 0).unwrap_or(default)
        };
        Self {
            success: positive(probe.success_threshold, 1),
            failure: positive(probe.failure_threshold, 3),
            row: 0,
            last: None,
        }
    }

    /// Counts a check; the result when its threshold is reached.
    fn count(&mut self, success: bool) -> Option<bool> {
        self.row = if self.last == Some(success) { self.row.saturating_add(1) } else { 1 };
        self.last = Some(success);
        let needed = if success { self.success } else { self.failure };
        (self.row >= needed).then_some(success)
    }
}

/// The first of the quick repetitions; each next waits twice as long.
const QUICK_REPETITION: Duration = Duration::from_millis(5);

/// Runs one probe until it is dropped. `started` turns true when the container's startup probe succeeded.
pub(crate) async fn run(
    kind: Kind,
    probe: Probe,
    target: Target,
    mut started: watch::Receiver<bool>,
    reports: mpsc::Sender<Report>,
) {
    let seconds =
        |value: Option<i32>, default| Duration::from_secs(value.and_then(|v| u64::try_from(v).ok()).unwrap_or(default));
    let period = seconds(probe.period_seconds, 10).max(Duration::from_secs(1));
    let begin = Instant::now() + seconds(probe.initial_delay_seconds, 0);
    if kind != Kind::Startup && started.wait_for(|started| *started).await.is_err() {
        return;
    }
    let mut next = begin.max(Instant::now());
    let quick_until = if kind == Kind::Liveness { next } else { next + period };
    let mut quick = QUICK_REPETITION;
    let mut threshold = Threshold::new(&probe);
    // A container is alive until shown otherwise, and neither started nor ready until shown.
    let mut result = kind == Kind::Liveness;
    loop {
        tokio::time::sleep_until(next).await;
        let outcome = check::check(&probe, &target).await;
        if outcome.is_err() && !result && Instant::now() + quick < quick_until {
            next = Instant::now() + quick;
            quick *= 2;
            continue;
        }
        next += period;
        if next < Instant::now() {
            next = Instant::now();
        }
        let success = outcome.is_ok();
        if let Err(message) = outcome
            && reports.send(Report::Failed { kind, message }).await.is_err()
        {
            return;
        }
        if let Some(reached) = threshold.count(success)
            && (reached != result || (kind == Kind::Startup && !reached))
        {
            result = reached;
            if reports.send(Report::Turned { kind, success: reached }).await.is_err() {
                return;
            }
            if kind == Kind::Startup {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
