//! The health of one backend as a state machine over what is seen of it.

use crate::egress::{Cause, EgressError};
use crate::status::{BackendStatus, Observation};
use jiff::Timestamp;
use std::time::Duration;

/// A success that takes longer than this makes a backend degraded.
const SLOW: Duration = Duration::from_secs(5);

/// Something that was seen of a backend, by a probe or by a live call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It answered a probe within this time.
    Answered(Duration),
    /// It answered a call; how long a tool takes says nothing about its server.
    Served,
    /// It refused credentials that the gateway itself holds.
    Refused,
    /// It could not be reached or did not speak MCP.
    Failed {
        /// The kind of failure.
        category: FailureCategory,
        /// The cause, for people.
        message: String,
    },
}

impl Event {
    /// The failure that `error` tells of.
    pub(super) fn failed(error: &EgressError) -> Self {
        Self::Failed { category: FailureCategory::of(error), message: error.to_string() }
    }
}

/// What kind of failure was seen last, in the words of `/api/backends/health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCategory {
    /// It refuses the gateway's credentials.
    Authentication,
    /// It did not answer in time.
    Timeout,
    /// It answers that it cannot serve.
    Unavailable,
    /// There is no connection to it.
    Connection,
    /// What it answers is not MCP.
    Other,
}

impl FailureCategory {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication_failed",
            Self::Timeout => "timeout",
            Self::Unavailable => "backend_unavailable",
            Self::Connection => "connection_failed",
            Self::Other => "health_check_failed",
        }
    }

    fn of(error: &EgressError) -> Self {
        match error.cause() {
            Cause::Unauthorized => Self::Authentication,
            Cause::Timeout => Self::Timeout,
            Cause::Dns | Cause::Tls | Cause::Refused | Cause::Blocked => Self::Connection,
            Cause::CircuitOpen | Cause::Overloaded => Self::Unavailable,
            Cause::Protocol if error.status().is_some_and(|status| status >= 500) => Self::Unavailable,
            Cause::Protocol => Self::Other,
        }
    }
}

/// Whether a backend in this state answers requests.
pub fn is_available(state: BackendStatus) -> bool {
    matches!(state, BackendStatus::Ready | BackendStatus::Degraded)
}

/// Moves `health` on by an event at `now`, and says whether the state changed.
///
/// A backend that answered before is given up after `threshold` failures in a row; one that never did, at the first.
pub(super) fn observe(health: &mut Observation, event: Event, threshold: u32, now: Timestamp) -> bool {
    let before = health.state;
    health.checked_at = Some(now);
    match event {
        Event::Answered(time) => {
            let slow = time > SLOW;
            health.state = if slow { BackendStatus::Degraded } else { BackendStatus::Ready };
            health.message = slow.then(|| format!("the backend took {} s to answer", time.as_secs_f32().round()));
            health.consecutive_failures = 0;
            health.failure = None;
        }
        Event::Served => {
            if health.state != BackendStatus::Degraded {
                health.state = BackendStatus::Ready;
                health.message = None;
            }
            health.consecutive_failures = 0;
            health.failure = None;
        }
        Event::Refused => {
            health.state = BackendStatus::Unauthenticated;
            health.message = Some("the backend refuses the credentials that it is sent".to_owned());
            health.consecutive_failures = 0;
            health.failure = Some(FailureCategory::Authentication);
        }
        Event::Failed { category, message } => {
            health.failure = Some(category);
            health.consecutive_failures = health.consecutive_failures.saturating_add(1);
            if !is_available(health.state) || health.consecutive_failures >= threshold {
                health.state = BackendStatus::Unavailable;
                health.message = Some(message);
            }
        }
    }
    let changed = health.state != before;
    if changed {
        health.transitioned_at = Some(now);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: Event = Event::Answered(Duration::from_millis(3));

    fn after(events: &[Event]) -> Observation {
        let mut health = Observation::default();
        for event in events {
            observe(&mut health, event.clone(), 3, Timestamp::UNIX_EPOCH);
        }
        health
    }

    fn failed() -> Event {
        Event::failed(&EgressError::new(Cause::Refused, "connection refused"))
    }

    #[test]
    fn a_backend_that_never_answered_is_unavailable_after_its_first_failure() {
        assert_eq!(after(&[]).state, BackendStatus::Unknown);
        let health = after(&[failed()]);
        assert_eq!(health.state, BackendStatus::Unavailable);
        assert_eq!(health.message.as_deref(), Some("connection refused"));
    }

    #[test]
    fn the_threshold_counts_for_a_backend_that_answered() {
        assert_eq!(after(&[OK, failed(), failed()]).state, BackendStatus::Ready);
        assert_eq!(after(&[OK, failed(), failed(), failed()]).state, BackendStatus::Unavailable);
        assert_eq!(after(&[OK, failed(), failed(), OK, failed(), failed()]).state, BackendStatus::Ready);
    }

    #[test]
    fn the_last_failure_has_a_category_until_there_is_an_answer() {
        let error = |cause| EgressError::new(cause, "why");
        for (error, expected) in [
            (error(Cause::Timeout), "timeout"),
            (error(Cause::Dns), "connection_failed"),
            (error(Cause::Tls), "connection_failed"),
            (error(Cause::Refused), "connection_failed"),
            (error(Cause::Blocked), "connection_failed"),
            (error(Cause::Protocol), "health_check_failed"),
            (error(Cause::Protocol).with_status(http::StatusCode::NOT_FOUND), "health_check_failed"),
            (error(Cause::Protocol).with_status(http::StatusCode::BAD_GATEWAY), "backend_unavailable"),
        ] {
            let seen = after(&[OK, Event::failed(&error)]).failure;
            assert_eq!(seen.map(FailureCategory::as_str), Some(expected), "{error:?}");
        }
        assert_eq!(after(&[Event::Refused]).failure, Some(FailureCategory::Authentication));
        for answer in [OK, Event::Served] {
            assert_eq!(after(&[failed(), answer]).failure, None);
        }
    }

    #[test]
    fn one_answer_makes_it_healthy_again() {
        let health = after(&[failed(), OK]);
        assert_eq!((health.state, health.message, health.consecutive_failures), (BackendStatus::Ready, None, 0));
    }

    #[test]
    fn a_slow_answer_degrades_and_a_refusal_is_told_apart() {
        assert_eq!(after(&[Event::Answered(Duration::from_secs(6))]).state, BackendStatus::Degraded);
        assert_eq!(after(&[Event::Answered(Duration::from_secs(6)), Event::Served]).state, BackendStatus::Degraded);
        assert_eq!(after(&[failed(), Event::Served]).state, BackendStatus::Ready);
        assert_eq!(after(&[OK, Event::Refused]).state, BackendStatus::Unauthenticated);
        assert_eq!(after(&[Event::Refused, failed()]).state, BackendStatus::Unavailable);
    }
}
