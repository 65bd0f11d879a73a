//! Writing conditions: their times change only when what they say does.

use std::borrow::Cow;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use operator_api::{Condition, Statement, find_condition};

/// How many characters a message may have: the API server refuses more.
const MAX_MESSAGE: usize = 32768;

/// The conditions that a controller writes.
#[derive(Debug)]
pub struct Conditions<'a> {
    live: &'a [Condition],
    generation: Option<i64>,
    now: Timestamp,
    written: Vec<Condition>,
}

impl<'a> Conditions<'a> {
    /// Starts from the conditions that the object has at `generation`, at the time `now`.
    pub fn new(live: &'a [Condition], generation: Option<i64>, now: Timestamp) -> Self {
        Self { live, generation, now, written: Vec::new() }
    }

    /// Says whether `kind` holds, and why.
    pub fn set(
        &mut self,
        kind: impl Into<Cow<'static, str>>,
        holds: bool,
        reason: impl Into<&'static str>,
        message: impl Into<String>,
    ) {
        let kind = kind.into();
        let status = if holds { "True" } else { "False" };
        let since = find_condition(self.live, &kind)
            .filter(|live| live.status == status)
            .map_or(Time(self.now), |live| live.last_transition_time.clone());
        let statement = Statement {
            type_: kind.into_owned(),
            status: status.to_owned(),
            reason: reason.into().to_owned(),
            message: bounded(message.into()),
        };
        self.written.push(Condition::new(statement, self.generation, since));
    }

    /// The conditions, to be written.
    pub fn finish(self) -> Vec<Condition> {
        self.written
    }
}

/// The message, cut where it is too long to be written.
fn bounded(message: String) -> String {
    const MARK: &str = " ...";
    if message.len() <= MAX_MESSAGE || message.chars().count() <= MAX_MESSAGE {
        return message;
    }
    message.chars().take(MAX_MESSAGE - MARK.len()).chain(MARK.chars()).collect()
}

/// The time that conditions tell: whole seconds.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_message_is_never_too_long_to_be_written() {
        assert_eq!(bounded("short".to_owned()), "short");
        assert_eq!(bounded("é".repeat(MAX_MESSAGE)).chars().count(), MAX_MESSAGE);
        let cut = bounded("é".repeat(MAX_MESSAGE + 1));
        assert_eq!(cut.chars().count(), MAX_MESSAGE);
        assert!(cut.ends_with("é ..."));
    }
}
