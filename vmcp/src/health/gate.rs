//! The record of health as the gate before the backends: their circuit breakers decide who passes.

use std::time::Duration;

use jiff::Timestamp;

use super::Health;
use crate::backend::Backend;
use crate::circuit::{Circuit, Moment};
use crate::egress::{EgressError, Gate, Ticket, Verdict};
use crate::status::CircuitState;

/// The ticket of requests that no circuit breaker judges.
const UNJUDGED: Ticket = Ticket(0);

impl Gate for Health {
    fn admit(&self, backend: &Backend) -> Result<Ticket, EgressError> {
        // Closed circuits are looked at without contention.
        if let Some(ticket) = self.look(backend, |circuit| circuit.map_or(Some(UNJUDGED), Circuit::ticket)) {
            return Ok(ticket);
        }
        let now = Moment::now();
        self.change(backend, |circuit| circuit.admit(now).map_err(|shut| circuit.left_alone(shut)))
            .unwrap_or(Ok(UNJUDGED))
    }

    fn settle(&self, backend: &Backend, ticket: Ticket, verdict: Verdict) {
        if verdict == Verdict::Overdue {
            self.doubt(&backend.name).notify_one();
        }
        if self.look(backend, |circuit| circuit.is_none_or(|circuit| circuit.is_indifferent_to(ticket, &verdict))) {
            return;
        }
        let opened = self.change(backend, |circuit| {
            circuit.settle(ticket, verdict, Moment::now());
            circuit.state() == CircuitState::Open
        });
        if opened == Some(true) {
            // A probe tries as soon as it may.
            self.doubt(&backend.name).notify_one();
        }
    }

    fn is_shut(&self, backend: &Backend) -> bool {
        self.look(backend, |circuit| circuit.is_some_and(|circuit| circuit.state() == CircuitState::Open))
    }
}

impl Health {
    /// How long nothing will reach `backend`.
    pub(super) fn shut_for(&self, backend: &Backend) -> Duration {
        self.look(backend, |circuit| circuit.map_or(Duration::ZERO, |circuit| circuit.open_for(Moment::now())))
    }

    fn look<T>(&self, backend: &Backend, at: impl FnOnce(Option<&Circuit>) -> T) -> T {
        if self.judgement.load().circuits.is_none() {
            return at(None);
        }
        let states = self.states.borrow();
        at(states.get(&backend.name).and_then(|seen| seen.circuit.as_ref()))
    }

    /// Changes a circuit; who follows the record hears of it when its state is another one.
    fn change<T>(&self, backend: &Backend, change: impl FnOnce(&mut Circuit) -> T) -> Option<T> {
        let mut outcome = None;
        self.states.send_if_modified(|states| {
            let Some(seen) = states.get_mut(&backend.name) else { return false };
            let status = seen.status();
            let Some(circuit) = seen.circuit.as_mut() else { return false };
            let before = circuit.state();
            outcome = Some(change(circuit));
            let now = circuit.state();
            if now != before {
                let reason = circuit.reason();
                tracing::info!(backend = backend.name, ?before, ?now, reason, "a circuit breaker changed");
            }
            if seen.status() != status {
                seen.transitioned_at = Some(Timestamp::now());
            }
            now != before
        });
        outcome
    }
}
