//! How every backend fares: fed by probes and by live calls, read by `/status` and by the status of the custom resource.
//!
//! Health informs. It never changes a name, and a call to an unavailable backend is still tried, unless its circuit breaker
//! is open.

mod gate;
mod probe;
mod state;

pub use probe::{BackendNews, ProbeSchedule, probe_all};
pub use state::{Event, FailureCategory, is_available};

use crate::backend::{Backend, Backends};
use crate::circuit::{Circuit, CircuitSettings};
use crate::egress::{Cause, EgressError};
use crate::status::{BackendStatus, Observation, Observations};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Successes are recorded at most this often, so that calls do not contend for the record.
const RESOLUTION_MILLISECONDS: i64 = 1000;

/// The shared record of health. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Health {
    judgement: Arc<ArcSwap<Judgement>>,
    states: Arc<watch::Sender<Observations>>,
    /// Who waits to probe a backend that has come into doubt.
    doubts: Arc<Mutex<HashMap<String, Arc<Notify>>>>,
}

/// How failures count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Judgement {
    threshold: u32,
    circuits: Option<CircuitSettings>,
}

impl Health {
    /// An empty record; `threshold` failures in a row make a healthy backend unavailable.
    pub fn new(threshold: u32) -> Self {
        Self {
            judgement: Arc::new(ArcSwap::from_pointee(Judgement { threshold: threshold.max(1), circuits: None })),
            states: Arc::new(watch::Sender::new(Observations::new())),
            doubts: Arc::default(),
        }
    }

    /// The same with a circuit breaker before every backend, if any.
    #[must_use]
    pub fn with_circuits(self, settings: Option<CircuitSettings>) -> Self {
        self.judgement.rcu(|judgement| Judgement { circuits: settings, ..**judgement });
        self
    }

    /// From now on failures of `backends` count like this. What was found out so far stays, and so do circuits that are
    /// open.
    pub fn configure(&self, threshold: u32, circuits: Option<CircuitSettings>, backends: &Backends) {
        let judgement = Judgement { threshold: threshold.max(1), circuits };
        if *self.judgement.swap(Arc::new(judgement)) == judgement {
            return;
        }
        self.states.send_modify(|states| {
            for (name, seen) in states {
                let epoch = backends.get(name).map_or(0, |backend| backend.identity);
                seen.circuit = circuits.map(|settings| match seen.circuit.take() {
                    Some(mut circuit) => {
                        circuit.configure(settings);
                        circuit
                    }
                    None => Circuit::new(settings, epoch),
                });
            }
        });
    }

    /// Follows the health of all backends.
    pub fn subscribe(&self) -> watch::Receiver<Observations> {
        self.states.subscribe()
    }

    /// Records how a probe of `backend` went that took `time`.
    pub fn record_probe(&self, backend: &Backend, time: Duration, outcome: Result<(), &EgressError>) {
        self.record(backend, Event::Answered(time), outcome);
    }

    /// Records the MCP revision that was agreed on with `backend`.
    pub fn record_revision(&self, backend: &Backend, revision: &str) {
        self.states.send_if_modified(|states| match states.get_mut(&backend.name) {
            Some(health) if health.revision.as_deref() != Some(revision) => {
                health.revision = Some(revision.to_owned());
                true
            }
            _ => false,
        });
    }

    /// Records how a live request went. That a tool takes too long does not make its server unhealthy.
    pub fn record_call(&self, backend: &Backend, outcome: Result<(), &EgressError>) {
        if !matches!(outcome, Err(error) if error.cause() == Cause::Timeout) {
            self.record(backend, Event::Served, outcome);
        }
    }

    /// Records how a request for a list went.
    pub fn record_list(&self, backend: &Backend, outcome: Result<(), &EgressError>) {
        self.record(backend, Event::Served, outcome);
    }

    /// How `backend` fares, if it is configured.
    pub fn state(&self, backend: &str) -> Option<BackendStatus> {
        self.states.borrow().get(backend).map(Observation::status)
    }

    /// Whether `backend` is known not to answer.
    pub fn is_down(&self, backend: &Backend) -> bool {
        self.state(&backend.name) == Some(BackendStatus::Unavailable)
    }

    fn record(&self, backend: &Backend, success: Event, outcome: Result<(), &EgressError>) {
        let event = match outcome {
            Ok(()) => success,
            // The backend was not even asked.
            Err(error)
                if error.is_at_token_endpoint() || matches!(error.cause(), Cause::CircuitOpen | Cause::Overloaded) =>
            {
                return;
            }
            Err(error) if error.cause() == Cause::Unauthorized => match error.status() {
                // Without a status there was no token to present.
                None => return,
                // A user's rights say nothing about the backend but that it is there.
                Some(_) if backend.auth.is_user_scoped() => success,
                Some(_) => Event::Refused,
            },
            Err(error) => Event::failed(error),
        };
        self.observe(&backend.name, event);
    }

    /// Records an event; of a backend that is not configured nothing is recorded.
    pub fn observe(&self, backend: &str, event: Event) {
        let now = Timestamp::now();
        if self.states.borrow().get(backend).is_some_and(|state| is_recorded(state, &event, now)) {
            return;
        }
        let is_served = event == Event::Served;
        let mut is_back = false;
        self.states.send_if_modified(|states| {
            let Some(health) = states.get_mut(backend) else { return false };
            let before = health.state;
            if state::observe(health, event, self.judgement.load().threshold, now) {
                tracing::info!(
                    backend,
                    before = before.as_str(),
                    now = health.state.as_str(),
                    reason = health.message,
                    "the health of a backend changed"
                );
                is_back = is_served;
            }
            true
        });
        if is_back {
            // Its news are heard in the session of the probe, which has failed so far.
            self.doubt(backend).notify_one();
        }
    }

    /// Starts over for new and changed backends and forgets the others. `previous` is what was configured before.
    pub fn follow(&self, previous: &Backends, current: &Backends) {
        self.states.send_modify(|states| {
            *states = current
                .iter()
                .map(|(name, backend)| {
                    let same = previous.get(name).is_some_and(|old| old.identity == backend.identity);
                    let health = states.remove(name).filter(|_| same);
                    (name.clone(), health.unwrap_or_else(|| self.unobserved(backend)))
                })
                .collect();
        });
        self.lock_doubts().retain(|name, _| current.contains_key(name));
    }

    fn unobserved(&self, backend: &Backend) -> Observation {
        let circuit = self.judgement.load().circuits.map(|settings| Circuit::new(settings, backend.identity));
        Observation { circuit, ..Observation::default() }
    }

    /// What tells that `backend` should be probed out of turn. Any number of reasons are one.
    fn doubt(&self, backend: &str) -> Arc<Notify> {
        Arc::clone(self.lock_doubts().entry(backend.to_owned()).or_default())
    }

    fn lock_doubts(&self) -> parking_lot::MutexGuard<'_, HashMap<String, Arc<Notify>>> {
        self.doubts.lock()
    }
}

/// Whether an event tells nothing new.
fn is_recorded(health: &Observation, event: &Event, now: Timestamp) -> bool {
    let recent =
        health.checked_at.is_some_and(|last| now.as_millisecond() - last.as_millisecond() < RESOLUTION_MILLISECONDS);
    recent
        && matches!(event, Event::Answered(_) | Event::Served)
        && health.state == BackendStatus::Ready
        && health.consecutive_failures == 0
}
