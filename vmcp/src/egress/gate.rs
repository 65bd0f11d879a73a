//! The gate before a backend: it lets requests pass or answers them at once, and hears what became of those that passed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::EgressError;
use super::http_client::timed_out;
use crate::backend::{Backend, Caller, Purpose};

/// Decides whether a backend is asked. Whoever holds the health of backends implements it.
pub trait Gate: fmt::Debug + Send + Sync {
    /// Lets one request to `backend` pass, or says why it does not.
    fn admit(&self, backend: &Backend) -> Result<Ticket, EgressError>;

    /// Hears what became of a request that passed.
    fn settle(&self, backend: &Backend, ticket: Ticket, verdict: Verdict);

    /// Whether the backend is left alone: what no request waits for is not sent either.
    fn is_shut(&self, backend: &Backend) -> bool;
}

/// Tells the requests that pass a gate apart by when they did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(pub u64);

/// What one request has shown of its backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is there: it answered, be it with an error of the protocol or with a refusal.
    Answered,
    /// It could not be reached, or what came back is not the protocol; the reason, for people.
    Failed(String),
    /// The time was up. Either the backend hangs or the tool takes its time.
    Overdue,
    /// Nothing: it was not reached for a reason of somebody else's, or nobody waited any more.
    Nothing,
}

impl Verdict {
    /// What the outcome of a request shows.
    fn of(outcome: Result<(), &EgressError>) -> Self {
        match outcome {
            Ok(()) => Self::Answered,
            Err(error) if error.shows_presence() => Self::Answered,
            Err(error) if error.is_outage() => Self::Failed(error.to_string()),
            Err(_) => Self::Nothing,
        }
    }

    /// What it shows that there was no answer within the time of a request. Any server answers a probe at once.
    fn overdue(purpose: Purpose, bound: Duration) -> Self {
        match purpose {
            Purpose::Call => Self::Overdue,
            Purpose::Probe => Self::Failed(format!("no answer within {bound:?}")),
        }
    }
}

/// Lets everything pass.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NoGate;

impl Gate for NoGate {
    fn admit(&self, _: &Backend) -> Result<Ticket, EgressError> {
        Ok(Ticket(0))
    }

    fn settle(&self, _: &Backend, _: Ticket, _: Verdict) {}

    fn is_shut(&self, _: &Backend) -> bool {
        false
    }
}

/// A request that passed the gate. When it is dropped unsettled, nobody waited for its end.
pub(super) struct Pass<'a> {
    gate: &'a Arc<dyn Gate>,
    backend: &'a Backend,
    ticket: Option<Ticket>,
}

impl<'a> Pass<'a> {
    /// Passes the gate, if it lets.
    pub(super) fn through(gate: &'a Arc<dyn Gate>, backend: &'a Backend) -> Result<Self, EgressError> {
        let ticket = Some(gate.admit(backend)?);
        Ok(Self { gate, backend, ticket })
    }

    /// The request of `caller` has ended, or its time was up.
    pub(super) fn settled<T>(
        mut self,
        caller: &Caller,
        bound: Duration,
        outcome: Result<Result<T, EgressError>, impl Sized>,
    ) -> Result<T, EgressError> {
        self.tell(match &outcome {
            Ok(outcome) => Verdict::of(outcome.as_ref().map(drop)),
            Err(_) => Verdict::overdue(caller.purpose, bound),
        });
        outcome.unwrap_or_else(|_| Err(timed_out(bound)))
    }

    fn tell(&mut self, verdict: Verdict) {
        if let Some(ticket) = self.ticket.take() {
            self.gate.settle(self.backend, ticket, verdict);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.tell(Verdict::Nothing);
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::egress::Cause;

    #[test]
    fn what_is_counted_against_a_backend_is_what_it_did_itself() {
        let error = |cause| EgressError::new(cause, "why");
        let with = |cause, status| error(cause).with_status(status);
        let failed = || Verdict::Failed("why".to_owned());
        for (error, expected) in [
            (error(Cause::Dns), failed()),
            (error(Cause::Tls), failed()),
            (error(Cause::Refused), failed()),
            // Of the connection: the time of the request itself is judged where it is bounded.
            (error(Cause::Timeout), failed()),
            (error(Cause::Protocol), failed()),
            (with(Cause::Protocol, StatusCode::OK), failed()),
            (with(Cause::Protocol, StatusCode::INTERNAL_SERVER_ERROR), failed()),
            (with(Cause::Protocol, StatusCode::SERVICE_UNAVAILABLE), failed()),
            (error(Cause::Protocol).answered(), Verdict::Answered),
            (with(Cause::Unauthorized, StatusCode::UNAUTHORIZED), Verdict::Answered),
            (with(Cause::Unauthorized, StatusCode::FORBIDDEN), Verdict::Answered),
            (with(Cause::Protocol, StatusCode::NOT_FOUND), Verdict::Answered),
            (with(Cause::Protocol, StatusCode::TOO_MANY_REQUESTS), Verdict::Answered),
            (with(Cause::Protocol, StatusCode::FOUND), Verdict::Answered),
            (error(Cause::Unauthorized), Verdict::Nothing),
            (timed_out(Duration::from_secs(1)), Verdict::Nothing),
            (error(Cause::Blocked), Verdict::Nothing),
            (error(Cause::CircuitOpen), Verdict::Nothing),
            (error(Cause::Timeout).at_token_endpoint(), Verdict::Nothing),
            (with(Cause::Protocol, StatusCode::BAD_GATEWAY).at_token_endpoint(), Verdict::Nothing),
        ] {
            assert_eq!(Verdict::of(Err(&error)), expected, "{error:?}");
        }
        assert_eq!(Verdict::of(Ok(())), Verdict::Answered);
    }

    #[test]
    fn a_call_that_takes_long_is_no_failure_and_a_probe_that_does_is_one() {
        let bound = Duration::from_secs(5);
        assert_eq!(Verdict::overdue(Purpose::Call, bound), Verdict::Overdue);
        assert_eq!(Verdict::overdue(Purpose::Probe, bound), Verdict::Failed("no answer within 5s".to_owned()));
    }
}
