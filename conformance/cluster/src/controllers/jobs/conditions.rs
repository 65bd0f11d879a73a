//! The conditions of a Job, and how it ends.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{JobCondition, JobStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Why a Job failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    BackoffLimitExceeded,
    DeadlineExceeded,
}

impl Failure {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::BackoffLimitExceeded => "BackoffLimitExceeded",
            Self::DeadlineExceeded => "DeadlineExceeded",
        }
    }

    pub(super) fn message(self) -> &'static str {
        match self {
            Self::BackoffLimitExceeded => "Job has reached the specified backoff limit",
            Self::DeadlineExceeded => "Job was active longer than specified deadline",
        }
    }
}

/// Where a Job is heading. Once it heads for an end, it does not turn back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Open,
    Succeeding,
    Failing(Failure),
}

const COMPLETED: (&str, &str) = ("CompletionsReached", "Reached expected number of succeeded pods");

/// The conditions while they are worked on.
#[derive(Debug)]
pub(super) struct Conditions {
    list: Vec<JobCondition>,
    now: Timestamp,
}

impl Conditions {
    pub(super) fn new(status: &JobStatus, now: Timestamp) -> Self {
        Self { list: status.conditions.clone().unwrap_or_default(), now }
    }

    pub(super) fn into_list(self) -> Option<Vec<JobCondition>> {
        (!self.list.is_empty()).then_some(self.list)
    }

    /// What was decided before.
    pub(super) fn outcome(&self) -> Outcome {
        if self.is_true("SuccessCriteriaMet") {
            return Outcome::Succeeding;
        }
        let target =
            self.list.iter().find(|condition| condition.type_ == "FailureTarget" && condition.status == "True");
        match target.map(|condition| condition.reason.as_deref()) {
            Some(Some("DeadlineExceeded")) => Outcome::Failing(Failure::DeadlineExceeded),
            Some(_) => Outcome::Failing(Failure::BackoffLimitExceeded),
            None => Outcome::Open,
        }
    }

    pub(super) fn is_true(&self, kind: &str) -> bool {
        self.list.iter().any(|condition| condition.type_ == kind && condition.status == "True")
    }

    /// Tells that the Job will end so, while its last pods do.
    pub(super) fn announce(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Open => {}
            Outcome::Succeeding => drop(self.set("SuccessCriteriaMet", true, COMPLETED.0, COMPLETED.1)),
            Outcome::Failing(failure) => drop(self.set("FailureTarget", true, failure.reason(), failure.message())),
        }
    }

    /// Tells that the Job has ended so.
    pub(super) fn conclude(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Open => {}
            Outcome::Succeeding => drop(self.set("Complete", true, COMPLETED.0, COMPLETED.1)),
            Outcome::Failing(failure) => drop(self.set("Failed", true, failure.reason(), failure.message())),
        }
    }

    /// Tells whether the Job is suspended; whether that is new. A Job that never was says nothing about it.
    pub(super) fn suspend(&mut self, is_suspended: bool) -> bool {
        if is_suspended {
            return self.set("Suspended", true, "JobSuspended", "Job suspended");
        }
        self.is_true("Suspended") && self.set("Suspended", false, "JobResumed", "Job resumed")
    }

    fn set(&mut self, kind: &str, value: bool, reason: &str, message: &str) -> bool {
        let status = if value { "True" } else { "False" };
        if self.list.iter().any(|old| old.type_ == kind && old.status == status) {
            return false;
        }
        let condition = JobCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_probe_time: Some(Time(self.now)),
            last_transition_time: Some(Time(self.now)),
        };
        match self.list.iter_mut().find(|old| old.type_ == kind) {
            Some(old) => *old = condition,
            None => self.list.push(condition),
        }
        true
    }
}

/// When the Job ended, if it has.
pub(super) fn ended_at(status: &JobStatus) -> Option<Timestamp> {
    let mut conditions = status.conditions.iter().flatten();
    let end = conditions.find(|c| matches!(c.type_.as_str(), "Complete" | "Failed") && c.status == "True")?;
    Some(end.last_transition_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0))
}
