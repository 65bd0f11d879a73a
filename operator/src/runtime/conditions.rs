//! Writing conditions: their times change only when what they say does.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use operator_api::find_condition;

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
        kind: impl Into<&'static str>,
        holds: bool,
        reason: impl Into<&'static str>,
        message: impl Into<String>,
    ) {
        let kind = kind.into();
        let status = if holds { "True" } else { "False" };
        let since = find_condition(self.live, kind)
            .filter(|live| live.status == status)
            .map_or(Time(self.now), |live| live.last_transition_time.clone());
        self.written.push(Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.into().to_owned(),
            message: message.into(),
            observed_generation: self.generation,
            last_transition_time: since,
        });
    }

    /// The conditions, to be written.
    pub fn finish(self) -> Vec<Condition> {
        self.written
    }
}

/// The time that conditions tell: whole seconds.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
