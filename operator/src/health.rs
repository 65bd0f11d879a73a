//! `/healthz` and `/readyz`, and what they are judged by.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::runtime::{observed::Shared, worker::Work};

/// How long objects may wait without that any is begun or ended. A reconciliation is cut off long before.
const STUCK: Duration = Duration::from_mins(2);

/// The tasks that must not end before the operator does.
#[derive(Debug, Clone, Default)]
pub struct Tasks(Arc<Mutex<BTreeSet<String>>>);

impl Tasks {
    /// The task `name` lives as long as the guard, and should live until `stop` is cancelled.
    pub(crate) fn alive(&self, name: impl Into<String>, stop: CancellationToken) -> Alive {
        Alive { tasks: self.clone(), name: name.into(), stop }
    }

    /// The tasks that ended too early.
    fn dead(&self) -> Vec<String> {
        self.0.lock().iter().cloned().collect()
    }
}

/// A task that lives.
#[derive(Debug)]
pub(crate) struct Alive {
    tasks: Tasks,
    name: String,
    stop: CancellationToken,
}

impl Drop for Alive {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() {
            let name = std::mem::take(&mut self.name);
            self.tasks.0.lock().insert(name);
        }
    }
}

/// What the operator is judged by.
#[derive(Clone)]
pub struct Health {
    /// The caches.
    pub(crate) shared: Shared,
    /// The queue.
    pub(crate) work: Work,
    /// The watches and the worker.
    pub(crate) tasks: Tasks,
}

impl Health {
    /// Why the process should be started anew; `None` when it should not. An API server that does not answer is no reason.
    pub fn problem(&self, now: Instant) -> Option<String> {
        if let Some(dead) = self.tasks.dead().first() {
            return Some(format!("{dead} has ended\n"));
        }
        let idle = self.work.stuck_for(now);
        (idle > STUCK).then(|| format!("objects wait, and none was reconciled for {} s\n", idle.as_secs()))
    }

    /// Serves `/healthz` and `/readyz`.
    pub fn router(self) -> Router {
        Router::new().route("/healthz", get(live)).route("/readyz", get(ready)).with_state(self)
    }
}

async fn live(State(health): State<Health>) -> (StatusCode, String) {
    match health.problem(Instant::now()) {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(problem) => (StatusCode::INTERNAL_SERVER_ERROR, problem),
    }
}

/// Ready when the caches have been filled once; one that stands by is ready too.
async fn ready(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.shared.read().synced() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the objects of the cluster have not been listed yet\n")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::runtime::{Kind, ObjectKey, Target};

    fn health() -> Health {
        Health { shared: Shared::default(), work: Work::default(), tasks: Tasks::default() }
    }

    #[test]
    fn a_task_that_ends_before_the_operator_is_told() {
        let health = health();
        let stop = CancellationToken::new();
        let (watch, worker) =
            (health.tasks.alive("a watch", stop.clone()), health.tasks.alive("the worker", stop.clone()));
        assert_eq!(health.problem(Instant::now()), None);
        drop(watch);
        assert_eq!(health.problem(Instant::now()).as_deref(), Some("a watch has ended\n"));
        stop.cancel();
        drop(worker);
        assert_eq!(health.tasks.dead(), ["a watch"], "an operator that ends ends its tasks");
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_takes_nothing_is_stuck_once_it_has_begun() {
        let health = health();
        health.work.add([Target::new(Kind::Group, ObjectKey::new("a", "b"))]);
        let hour = Duration::from_hours(1);
        assert_eq!(health.problem(Instant::now() + hour), None, "a replica that stands by reconciles nothing");
        health.work.begun();
        assert_eq!(health.problem(Instant::now() + STUCK), None);
        assert!(health.problem(Instant::now() + hour).unwrap().contains("none was reconciled"));
    }
}
