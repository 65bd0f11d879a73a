//! What a Job needs next: a pure computation.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{Job, JobSpec, JobStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::conditions::{Conditions, Failure, Outcome, ended_at};
use super::tally::Tally;
use super::{back_off, indexes, is_indexed};
use crate::controllers::events::EventType;
use crate::controllers::pods::{is_finished, is_ready, is_terminating, usefulness};

/// An event about the Job.
pub(super) type Announcement = (EventType, &'static str, &'static str);

/// What to do, in this order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Running pods that are not wanted any more.
    pub(super) delete: Vec<Pod>,
    /// Pods to make: the completion index of each, in an indexed Job.
    pub(super) create: Vec<Option<i32>>,
    /// What the Job's status becomes.
    pub(super) status: JobStatus,
    /// Pods that lose the tracking finalizer when the status is written.
    pub(super) release: Vec<String>,
    pub(super) events: Vec<Announcement>,
    /// When to look again if nothing happens.
    pub(super) next: Option<Duration>,
}

/// Decides from the Job, its pods and the time. `base` is the first back-off delay.
pub(super) fn plan(job: &Job, pods: &[Pod], now: Timestamp, base: Duration) -> Plan {
    let previous = job.status.clone().unwrap_or_default();
    let is_deleted = job.metadata.deletion_timestamp.is_some();
    let is_over = is_deleted || ended_at(&previous).is_some();
    let tally = Tally::of(job, pods, is_over);
    let mut planner = Planner {
        job,
        spec: job.spec.clone().unwrap_or_default(),
        active: pods.iter().filter(|pod| !is_finished(pod) && !is_terminating(pod)).collect(),
        terminating: pods.iter().filter(|pod| !is_finished(pod) && is_terminating(pod)).collect(),
        conditions: Conditions::new(&previous, now),
        plan: Plan { status: previous, ..Plan::default() },
        tally,
        now,
    };
    if !is_over {
        planner.start();
        planner.decide(pods, base);
    }
    planner.finish()
}

struct Planner<'a> {
    job: &'a Job,
    spec: JobSpec,
    active: Vec<&'a Pod>,
    terminating: Vec<&'a Pod>,
    conditions: Conditions,
    tally: Tally,
    plan: Plan,
    now: Timestamp,
}

impl Planner<'_> {
    fn is_suspended(&self) -> bool {
        self.spec.suspend.unwrap_or_default()
    }

    /// The Job's time runs from its first moment that it is not suspended.
    fn start(&mut self) {
        let has_changed = self.conditions.outcome() == Outcome::Open && self.conditions.suspend(self.is_suspended());
        if self.is_suspended() {
            self.plan.status.start_time = None;
        } else if self.plan.status.start_time.is_none() || has_changed {
            self.plan.status.start_time = Some(Time(self.now));
        }
        if has_changed {
            let (reason, message) =
                if self.is_suspended() { ("Suspended", "Job suspended") } else { ("Resumed", "Job resumed") };
            self.plan.events.push((EventType::Normal, reason, message));
        }
    }

    fn decide(&mut self, pods: &[Pod], base: Duration) {
        let outcome = match self.conditions.outcome() {
            Outcome::Open => self.outcome(pods),
            decided => decided,
        };
        if outcome != Outcome::Open {
            self.delete_all();
            self.conditions.announce(outcome);
            if self.tally.is_settled() && self.plan.delete.is_empty() && self.terminating.is_empty() {
                self.conclude(outcome);
            }
        } else if self.is_suspended() {
            self.delete_all();
        } else {
            self.scale(pods, base);
        }
    }

    fn conclude(&mut self, outcome: Outcome) {
        self.conditions.conclude(outcome);
        self.plan.events.push(match outcome {
            Outcome::Failing(failure) => (EventType::Warning, failure.reason(), failure.message()),
            Outcome::Succeeding | Outcome::Open => {
                self.plan.status.completion_time = Some(Time(self.now));
                (EventType::Normal, "Completed", "Job completed")
            }
        });
    }

    fn outcome(&mut self, pods: &[Pod]) -> Outcome {
        let limit = self.spec.backoff_limit.unwrap_or(6);
        if self.tally.all_failed() > limit || has_restarted_too_often(&self.spec, pods, limit) {
            return Outcome::Failing(Failure::BackoffLimitExceeded);
        }
        if let (Some(seconds), Some(start)) = (self.spec.active_deadline_seconds, &self.plan.status.start_time) {
            let deadline = start.0.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
            match Duration::try_from(deadline.duration_since(self.now)) {
                Ok(left) if !left.is_zero() => self.look_again(left),
                _ => return Outcome::Failing(Failure::DeadlineExceeded),
            }
        }
        let is_complete = match self.spec.completions {
            Some(completions) => self.tally.all_succeeded() >= completions,
            // Pods of a work queue agree among themselves when the work is done.
            None => self.tally.all_succeeded() > 0 && self.active.is_empty(),
        };
        if is_complete { Outcome::Succeeding } else { Outcome::Open }
    }

    /// Makes or deletes pods until as many run as the Job wants.
    fn scale(&mut self, pods: &[Pod], base: Duration) {
        let active = count(self.active.len());
        let parallelism = self.spec.parallelism.unwrap_or(1).max(0);
        let wanted = match self.spec.completions {
            Some(completions) => (completions - self.tally.all_succeeded()).clamp(0, parallelism),
            None if self.tally.all_succeeded() > 0 => active.min(parallelism),
            None => parallelism,
        };
        if active > wanted {
            self.active.sort_by_key(|pod| usefulness(pod));
            let surplus = usize::try_from(active - wanted).unwrap_or_default();
            self.plan.delete = self.active.drain(..surplus).cloned().collect();
            return;
        }
        let replaces_ended_only = self.spec.pod_replacement_policy.as_deref() == Some("Failed");
        let held = if replaces_ended_only { count(self.terminating.len()) } else { 0 };
        let missing = usize::try_from(wanted - active - held).unwrap_or_default();
        if missing == 0 {
            return;
        }
        match back_off::remaining(pods, self.now, base) {
            Some(left) => self.look_again(left),
            None => self.plan.create = self.new_pods(missing, replaces_ended_only),
        }
    }

    fn new_pods(&self, missing: usize, replaces_ended_only: bool) -> Vec<Option<i32>> {
        if !is_indexed(self.job) {
            return vec![None; missing];
        }
        let mut taken = self.tally.completed.clone();
        taken.extend(self.active.iter().filter_map(|pod| indexes::of(pod)));
        if replaces_ended_only {
            taken.extend(self.terminating.iter().filter_map(|pod| indexes::of(pod)));
        }
        let all = 0..self.spec.completions.unwrap_or_default();
        all.filter(|index| !taken.contains(index)).take(missing).map(Some).collect()
    }

    fn delete_all(&mut self) {
        self.plan.delete = std::mem::take(&mut self.active).into_iter().cloned().collect();
    }

    fn look_again(&mut self, after: Duration) {
        self.plan.next = Some(self.plan.next.map_or(after, |next| next.min(after)));
    }

    fn finish(mut self) -> Plan {
        let positive = |number: i32| (number > 0).then_some(number);
        let has_ended = ended_at(&self.plan.status).is_some();
        let ready = count(self.active.iter().filter(|pod| is_ready(pod)).count());
        let status = &mut self.plan.status;
        status.conditions = self.conditions.into_list();
        if !has_ended {
            status.active = positive(count(self.active.len() + self.plan.create.len()));
            status.ready = Some(ready);
            status.terminating = Some(count(self.terminating.len() + self.plan.delete.len()));
        }
        status.succeeded = positive(self.tally.succeeded);
        status.failed = positive(self.tally.failed);
        if is_indexed(self.job) {
            status.completed_indexes = Some(indexes::text(&self.tally.completed)).filter(|text| !text.is_empty());
        }
        status.uncounted_terminated_pods = Some(self.tally.uncounted);
        self.plan.release = self.tally.release;
        self.plan
    }
}

/// Containers that restart in their pod count against the limit too.
fn has_restarted_too_often(spec: &JobSpec, pods: &[Pod], limit: i32) -> bool {
    if spec.template.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()) != Some("OnFailure") {
        return false;
    }
    let statuses = pods.iter().filter(|pod| !is_finished(pod)).filter_map(|pod| pod.status.as_ref());
    let containers = statuses.flat_map(|status| {
        status.container_statuses.iter().flatten().chain(status.init_container_statuses.iter().flatten())
    });
    let restarts: i32 = containers.map(|container| container.restart_count).sum();
    if limit == 0 { restarts > 0 } else { restarts >= limit }
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
