//! What controllers ask of pods.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

/// Whether the pod's Ready condition is true.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    ready_since(pod).is_some()
}

/// Since when the pod is ready.
fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let mut conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.find(|condition| condition.type_ == "Ready" && condition.status == "True")?;
    Some(ready.last_transition_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0))
}

/// When the pod counts as available: ready for `minReadySeconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Availability {
    Available,
    /// If it stays ready that long.
    In(Duration),
    No,
}

pub(crate) fn availability(pod: &Pod, min_ready_seconds: i32, now: Timestamp) -> Availability {
    let Some(since) = ready_since(pod) else {
        return Availability::No;
    };
    let needed = jiff::SignedDuration::from_secs(min_ready_seconds.into());
    match Duration::try_from(needed - now.duration_since(since)) {
        Ok(left) if !left.is_zero() && min_ready_seconds > 0 => Availability::In(left),
        _ => Availability::Available,
    }
}

/// Whether the pod has ended for good.
pub(crate) fn is_finished(pod: &Pod) -> bool {
    is_succeeded(pod) || is_failed(pod)
}

/// Whether the pod is being deleted.
pub(crate) fn is_terminating(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Orders pods by what would be lost with them: unscheduled before scheduled, pending before running, unready before
/// ready, young before old.
pub(crate) fn usefulness(pod: &Pod) -> (bool, bool, bool, std::cmp::Reverse<Option<Timestamp>>) {
    let is_scheduled = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    let is_running = phase(pod) == Some("Running");
    let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    (is_scheduled, is_running, is_ready(pod), std::cmp::Reverse(created))
}

/// Whether all containers of the pod ended well.
pub(crate) fn is_succeeded(pod: &Pod) -> bool {
    phase(pod) == Some("Succeeded")
}

/// Whether the pod ended, and not well.
pub(crate) fn is_failed(pod: &Pod) -> bool {
    phase(pod) == Some("Failed")
}

fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}
