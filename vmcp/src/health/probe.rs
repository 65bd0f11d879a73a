//! Probes: every backend is asked at once when it appears or changes, and then at an interval.
//!
//! A probe is a `ping` in a session of its own. A backend whose credentials belong to users is probed without any:
//! that it refuses shows that it is there.

use super::Health;
use crate::backend::{Backend, Backends, Caller};
use crate::discovery::Snapshot;
use crate::egress::{BackendSession, Cause, Egress, EgressError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// When and for how long backends are probed.
#[derive(Debug, Clone, Copy)]
pub struct ProbeSchedule {
    /// Time between two probes of a backend.
    pub interval: Duration,
    /// How long one probe may take.
    pub timeout: Duration,
}

/// Probes all backends, following what discovery publishes, until `stop`; then ends the probes' sessions.
pub async fn probe_all(
    mut discovered: watch::Receiver<Snapshot>,
    egress: Egress,
    health: Health,
    schedule: ProbeSchedule,
    stop: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let mut probes: BTreeMap<String, (u64, DropGuard)> = BTreeMap::new();
    let mut previous = Backends::default();
    loop {
        let current = Arc::clone(&discovered.borrow_and_update().backends);
        health.follow(&previous, &current);
        probes.retain(|name, (identity, _)| current.get(name).is_some_and(|backend| backend.identity == *identity));
        for (name, backend) in current.iter() {
            probes.entry(name.clone()).or_insert_with(|| {
                let stop = stop.child_token();
                tasks.spawn(probe(Arc::clone(backend), egress.clone(), health.clone(), schedule, stop.clone()));
                (backend.identity, stop.drop_guard())
            });
        }
        previous = current;
        tokio::select! {
            () = stop.cancelled() => break,
            // Without discovery nothing changes any more.
            Ok(()) = discovered.changed() => {}
        }
    }
    drop(probes);
    tasks.close();
    tasks.wait().await;
}

/// Probes one backend until `stop`.
async fn probe(
    backend: Arc<Backend>,
    egress: Egress,
    health: Health,
    schedule: ProbeSchedule,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(schedule.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let session = egress.open(&backend, &Caller::probe());
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let started = Instant::now();
        let outcome = tokio::select! {
            () = stop.cancelled() => break,
            outcome = ping(&session, schedule.timeout) => outcome,
        };
        if let Err(error) = &outcome {
            tracing::debug!(backend = backend.name, %error, "a probe failed");
        }
        health.record_probe(&backend, started.elapsed(), outcome.as_ref().copied());
    }
    session.close().await;
}

/// Any answer will do, also an error: it shows that the backend speaks MCP.
async fn ping(session: &BackendSession, timeout: Duration) -> Result<(), EgressError> {
    match tokio::time::timeout(timeout, session.request(&Caller::probe(), "ping", None, timeout)).await {
        Ok(answer) => answer.map(drop),
        Err(_) => Err(EgressError::new(Cause::Timeout, format!("the backend did not answer within {timeout:?}"))),
    }
}
