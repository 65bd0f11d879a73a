//! The circuit breaker as a state machine: it stops requests to a backend, or to a token endpoint, that keeps failing.
//!
//! Closed, it counts failures in a row. At the threshold it opens: no request passes until its time-out. Then it is half
//! open: one request passes, and its outcome closes the circuit or opens it again.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::egress::{Cause, EgressError, Ticket, Verdict};
use crate::status::CircuitState;

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitSettings {
    /// Failures in a row that open it.
    pub threshold: u32,
    /// Time until it lets one request try again.
    pub timeout: Duration,
}

/// A moment on both clocks: one that measures and one that people read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    instant: Instant,
    time: Timestamp,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { instant: Instant::now(), time: Timestamp::now() }
    }
}

/// The circuit of one backend or token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circuit {
    settings: CircuitSettings,
    phase: Phase,
    /// Counts phases. What a request of an earlier phase has found out is out of date.
    epoch: u64,
    changed_at: Option<Timestamp>,
    /// The failure that opened the circuit last.
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
    },
    /// One request tries; if nothing is heard of it until then, another one may.
    HalfOpen {
        until: Instant,
    },
}

/// How long no request passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shut(Duration);

impl Circuit {
    /// A closed circuit. Its tickets start at `epoch`, so that those of an earlier circuit of the same name are not taken for
    /// its own.
    pub(crate) fn new(settings: CircuitSettings, epoch: u64) -> Self {
        let phase = Phase::Closed { failures: 0 };
        Self { settings, phase, epoch, changed_at: None, reason: String::new() }
    }

    /// From now on other settings count. An open circuit stays open for as long as it said.
    pub(crate) fn configure(&mut self, settings: CircuitSettings) {
        self.settings = settings;
    }

    /// The state, in the words of the status.
    pub fn state(&self) -> CircuitState {
        match self.phase {
            Phase::Closed { .. } => CircuitState::Closed,
            Phase::Open { .. } => CircuitState::Open,
            Phase::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    /// When the state changed last, if it ever did.
    pub fn changed_at(&self) -> Option<Timestamp> {
        self.changed_at
    }

    /// The failure that opened it last.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// How long it stays open.
    pub(crate) fn open_for(&self, now: Moment) -> Duration {
        match self.phase {
            Phase::Open { until } => until.saturating_duration_since(now.instant),
            Phase::Closed { .. } | Phase::HalfOpen { .. } => Duration::ZERO,
        }
    }

    /// The ticket of a request that passes without any change of the circuit.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        matches!(self.phase, Phase::Closed { .. }).then_some(Ticket(self.epoch))
    }

    /// Whether `verdict` would leave everything as it is.
    pub(crate) fn is_indifferent_to(&self, ticket: Ticket, verdict: &Verdict) -> bool {
        ticket.0 != self.epoch
            || match self.phase {
                Phase::Closed { failures } => match verdict {
                    Verdict::Answered => failures == 0,
                    Verdict::Failed(_) => false,
                    Verdict::Overdue | Verdict::Nothing => true,
                },
                Phase::Open { .. } => true,
                Phase::HalfOpen { .. } => false,
            }
    }

    /// The answer to a request that does not pass.
    pub(crate) fn left_alone(&self, Shut(wait): Shut) -> EgressError {
        let (threshold, reason, seconds) = (self.settings.threshold, &self.reason, wait.as_secs_f32().ceil());
        let message = match self.phase {
            Phase::HalfOpen { .. } => {
                format!("its circuit breaker is half open, another request tries it after: {reason}")
            }
            Phase::Open { .. } | Phase::Closed { .. } => format!(
                "its circuit breaker is open after {threshold} failures in a row, the last one was: {reason}; it is tried \
                 again in {seconds} s"
            ),
        };
        EgressError::new(Cause::CircuitOpen, message)
    }

    /// Lets a request pass, or says how long it would have to wait.
    pub(crate) fn admit(&mut self, now: Moment) -> Result<Ticket, Shut> {
        match self.phase {
            Phase::Closed { .. } => {}
            Phase::Open { until } | Phase::HalfOpen { until } if now.instant < until => {
                return Err(Shut(until.duration_since(now.instant)));
            }
            Phase::Open { .. } | Phase::HalfOpen { .. } => {
                self.turn(Phase::HalfOpen { until: now.instant + self.settings.timeout }, now);
            }
        }
        Ok(Ticket(self.epoch))
    }

    /// Takes note of what became of a request that passed.
    pub(crate) fn settle(&mut self, ticket: Ticket, verdict: Verdict, now: Moment) {
        if ticket.0 != self.epoch {
            return;
        }
        let open = Phase::Open { until: now.instant + self.settings.timeout };
        match (self.phase, verdict) {
            (Phase::Closed { .. }, Verdict::Answered) => self.phase = Phase::Closed { failures: 0 },
            (Phase::Closed { failures }, Verdict::Failed(_)) if failures + 1 < self.settings.threshold => {
                self.phase = Phase::Closed { failures: failures + 1 };
            }
            (Phase::Closed { .. } | Phase::HalfOpen { .. }, Verdict::Failed(reason)) => {
                self.turn(open, now);
                self.reason = reason;
            }
            (Phase::HalfOpen { .. }, Verdict::Answered) => self.turn(Phase::Closed { failures: 0 }, now),
            // Nobody knows better than before: the next request tries.
            (Phase::HalfOpen { .. }, Verdict::Overdue | Verdict::Nothing) => {
                self.phase = Phase::HalfOpen { until: now.instant };
            }
            (Phase::Closed { .. }, Verdict::Overdue | Verdict::Nothing) | (Phase::Open { .. }, _) => {}
        }
    }

    fn turn(&mut self, phase: Phase, now: Moment) {
        let before = self.state();
        self.phase = phase;
        self.epoch = self.epoch.wrapping_add(1);
        if self.state() != before {
            self.changed_at = Some(now.time);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const TIMEOUT: u64 = 60;

    /// What happens to a circuit, at a second.
    enum Step {
        /// A request starts; it passes or not.
        Asked(u64, Result<(), u64>),
        /// The request that started as the nth to pass ends.
        Ended(u64, usize, Verdict),
    }
    use Step::{Asked, Ended};
    use Verdict::{Answered, Nothing, Overdue};

    fn failed() -> Verdict {
        Verdict::Failed("no connection".to_owned())
    }

    fn after(threshold: u32, steps: Vec<Step>) -> (Circuit, Vec<CircuitState>) {
        let start = Instant::now();
        let at = |second| Moment {
            instant: start + Duration::from_secs(second),
            time: Timestamp::from_second(i64::try_from(second).unwrap()).unwrap(),
        };
        let settings = CircuitSettings { threshold, timeout: Duration::from_secs(TIMEOUT) };
        let (mut circuit, mut tickets, mut states) = (Circuit::new(settings, u64::MAX), Vec::new(), Vec::new());
        for (index, step) in steps.into_iter().enumerate() {
            match step {
                Asked(second, expected) => {
                    let admitted = circuit.admit(at(second));
                    let found = admitted.map(drop).map_err(|Shut(wait)| wait.as_secs());
                    assert_eq!(found, expected, "step {index}");
                    tickets.extend(admitted.ok());
                }
                Ended(second, request, verdict) => circuit.settle(tickets[request], verdict, at(second)),
            }
            states.push(circuit.state());
        }
        (circuit, states)
    }

    fn last(threshold: u32, steps: Vec<Step>) -> CircuitState {
        after(threshold, steps).0.state()
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_starts_the_count_over() {
        use CircuitState::{Closed, Open};
        let ask = || Asked(0, Ok(()));
        let row = |verdicts: Vec<Verdict>| {
            let ends = verdicts.into_iter().enumerate().map(|(index, verdict)| Ended(1, index, verdict));
            (0..5).map(|_| ask()).chain(ends).collect::<Vec<_>>()
        };
        for (verdicts, expected) in [
            (vec![failed(), failed()], Closed),
            (vec![failed(), failed(), failed()], Open),
            (vec![failed(), failed(), Answered, failed(), failed()], Closed),
            (vec![failed(), failed(), Nothing, failed()], Open),
            (vec![failed(), Overdue, failed(), Overdue, failed()], Open),
            (vec![Overdue, Overdue, Overdue, Overdue, Overdue], Closed),
        ] {
            let case = format!("{verdicts:?}");
            assert_eq!(last(3, row(verdicts)), expected, "{case}");
        }
        let (circuit, _) = after(1, vec![ask(), Ended(7, 0, failed())]);
        assert_eq!((circuit.reason(), circuit.changed_at()), ("no connection", Timestamp::from_second(7).ok()));
    }

    #[test]
    fn open_it_lets_nothing_pass_until_its_time_out_and_then_one_request() {
        use CircuitState::{Closed, HalfOpen, Open};
        let tried = |verdict: Verdict, then: Result<(), u64>| {
            vec![
                Asked(0, Ok(())),
                Ended(0, 0, failed()),
                Asked(0, Err(60)),
                Asked(59, Err(1)),
                Asked(60, Ok(())),
                Asked(61, Err(59)),
                Ended(62, 1, verdict),
                Asked(62, then),
            ]
        };
        let shared = [Closed, Open, Open, Open, HalfOpen, HalfOpen];
        for (verdict, then, states) in [
            (Answered, Ok(()), [Closed, Closed]),
            (failed(), Err(60), [Open, Open]),
            (Nothing, Ok(()), [HalfOpen, HalfOpen]),
            (Overdue, Ok(()), [HalfOpen, HalfOpen]),
        ] {
            let case = format!("{verdict:?}");
            assert_eq!(after(1, tried(verdict, then)).1, [&shared[..], &states[..]].concat(), "{case}");
        }
    }

    #[test]
    fn a_trial_that_nothing_is_heard_of_gives_way_to_another() {
        let steps = || vec![Asked(0, Ok(())), Ended(0, 0, failed()), Asked(60, Ok(())), Asked(120, Ok(()))];
        let with = |more: Vec<Step>| last(1, steps().into_iter().chain(more).collect());
        assert_eq!(with(vec![Ended(121, 1, failed())]), CircuitState::HalfOpen, "its outcome is out of date");
        assert_eq!(with(vec![Ended(121, 2, Answered)]), CircuitState::Closed);
    }

    #[test]
    fn what_earlier_requests_find_out_says_nothing_about_a_later_phase() {
        let two = || vec![Asked(0, Ok(())), Asked(0, Ok(())), Ended(1, 0, failed())];
        assert_eq!(last(1, two().into_iter().chain([Ended(2, 1, Answered)]).collect()), CircuitState::Open);
        let recovered = vec![Asked(61, Ok(())), Ended(62, 2, Answered), Ended(63, 1, failed()), Asked(63, Ok(()))];
        assert_eq!(last(1, two().into_iter().chain(recovered).collect()), CircuitState::Closed);
    }
}
