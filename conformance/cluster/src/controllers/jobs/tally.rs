//! Counting finished pods exactly once.
//!
//! A pod of a Job carries a finalizer until it is counted. Its uid goes into `status.uncountedTerminatedPods` first; then
//! the finalizer goes; then the counter rises as the uid leaves the list. A controller that stops in between goes on
//! where it was.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::{Job, JobStatus, UncountedTerminatedPods};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::{indexes, is_indexed};
use crate::controllers::pods::{is_failed, is_finished, is_succeeded, is_terminating};

/// The finalizer of pods that are not counted yet.
pub(super) const TRACKING: &str = "batch.kubernetes.io/job-tracking";

/// The counts of a Job.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    /// Counted for good.
    pub(super) succeeded: i32,
    pub(super) failed: i32,
    /// Finished, and not yet counted: by uid.
    pub(super) uncounted: UncountedTerminatedPods,
    /// The completed indexes of an indexed Job.
    pub(super) completed: BTreeSet<i32>,
    /// Pods whose finalizer may go once this tally is written.
    pub(super) release: Vec<String>,
}

impl Tally {
    /// Goes on from the status of the Job. `is_over` says that pods which still run do not count as failed any more,
    /// but lose their finalizer as well.
    pub(super) fn of(job: &Job, pods: &[Pod], is_over: bool) -> Self {
        let status = job.status.clone().unwrap_or_default();
        let previous = status.uncounted_terminated_pods.clone().unwrap_or_default();
        let is_tracked = |uid: &String| pods.iter().any(|pod| pod.uid().as_ref() == Some(uid) && has_finalizer(pod));
        let (succeeded_open, succeeded_done) = split(previous.succeeded, is_tracked);
        let (failed_open, failed_done) = split(previous.failed, is_tracked);
        let mut tally = Self {
            succeeded: status.succeeded.unwrap_or_default() + succeeded_done,
            failed: status.failed.unwrap_or_default() + failed_done,
            uncounted: UncountedTerminatedPods { succeeded: succeeded_open, failed: failed_open },
            completed: completed(&status),
            release: Vec::new(),
        };
        let indexes = is_indexed(job).then(|| 0..job.spec.as_ref().and_then(|spec| spec.completions).unwrap_or(0));
        for pod in pods.iter().filter(|pod| has_finalizer(pod)) {
            let index = indexes::of(pod).filter(|index| indexes.as_ref().is_some_and(|range| range.contains(index)));
            if is_succeeded(pod) {
                match (&indexes, index) {
                    (None, _) => note(&mut tally.uncounted.succeeded, pod),
                    // An index is completed once, by whichever pod.
                    (Some(_), Some(index)) => drop(tally.completed.insert(index)),
                    (Some(_), None) => {}
                }
            } else if counts_as_failed(job, pod) {
                if indexes.is_none() || index.is_some() {
                    note(&mut tally.uncounted.failed, pod);
                }
            } else if !is_over {
                continue;
            }
            tally.release.push(pod.name_any());
        }
        if indexes.is_some() {
            tally.succeeded = i32::try_from(tally.completed.len()).unwrap_or(i32::MAX);
        }
        tally
    }

    /// How many pods have succeeded, counted or not.
    pub(super) fn all_succeeded(&self) -> i32 {
        self.succeeded + length(self.uncounted.succeeded.as_ref())
    }

    /// How many pods have failed, counted or not.
    pub(super) fn all_failed(&self) -> i32 {
        self.failed + length(self.uncounted.failed.as_ref())
    }

    /// Whether every finished pod is counted.
    pub(super) fn is_settled(&self) -> bool {
        self.release.is_empty() && self.uncounted == UncountedTerminatedPods::default()
    }
}

/// Whether the pod is still to be counted.
pub(super) fn has_finalizer(pod: &Pod) -> bool {
    pod.finalizers().iter().any(|finalizer| finalizer == TRACKING)
}

/// A deleted pod has failed, unless the Job replaces only those that have ended.
fn counts_as_failed(job: &Job, pod: &Pod) -> bool {
    let policy = job.spec.as_ref().and_then(|spec| spec.pod_replacement_policy.as_deref());
    is_failed(pod) || (policy != Some("Failed") && is_terminating(pod) && !is_finished(pod))
}

fn completed(status: &JobStatus) -> BTreeSet<i32> {
    status.completed_indexes.as_deref().map(indexes::parse).unwrap_or_default()
}

/// The uids that are still tracked, and how many are not any more.
fn split(uids: Option<Vec<String>>, is_tracked: impl Fn(&String) -> bool) -> (Option<Vec<String>>, i32) {
    let (open, done): (Vec<_>, Vec<_>) = uids.into_iter().flatten().partition(is_tracked);
    ((!open.is_empty()).then_some(open), i32::try_from(done.len()).unwrap_or(i32::MAX))
}

fn note(uids: &mut Option<Vec<String>>, pod: &Pod) {
    let uids = uids.get_or_insert_default();
    if let Some(uid) = pod.uid().filter(|uid| !uids.contains(uid)) {
        uids.push(uid);
    }
}

fn length(uids: Option<&Vec<String>>) -> i32 {
    i32::try_from(uids.map_or(0, Vec::len)).unwrap_or(i32::MAX)
}
