//! How long a Job waits before it replaces a failed pod.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use crate::controllers::pods::{is_failed, is_succeeded};

/// The longest delay, in initial delays: ten minutes for ten seconds.
const LIMIT: u32 = 60;

/// What is left of the delay: `base` after the first failure since the last success, doubled with each further one.
///
/// It follows from the pods that are still there, so that nothing must be remembered.
pub(super) fn remaining(pods: &[Pod], now: Timestamp, base: Duration) -> Option<Duration> {
    let last_success = pods.iter().filter(|pod| is_succeeded(pod)).filter_map(ended_at).max();
    let failures = pods.iter().filter(|pod| is_failed(pod)).filter_map(ended_at);
    let failures: Vec<Timestamp> = failures.filter(|at| last_success.is_none_or(|success| *at > success)).collect();
    let last = failures.iter().max()?;
    let doublings = u32::try_from(failures.len() - 1).unwrap_or(u32::MAX);
    let factor = 2_u32.checked_pow(doublings).unwrap_or(LIMIT).min(LIMIT);
    let passed = Duration::try_from(now.duration_since(*last)).unwrap_or_default();
    (base * factor).checked_sub(passed).filter(|left| !left.is_zero())
}

/// When the last container of a pod ended; when the pod stopped being ready if no container tells.
fn ended_at(pod: &Pod) -> Option<Timestamp> {
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.iter().flatten();
    let ends = containers.filter_map(|container| container.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref());
    let unready = || {
        let ready = status.conditions.iter().flatten().find(|condition| condition.type_ == "Ready")?;
        ready.last_transition_time.as_ref().map(|time| time.0)
    };
    let created = || pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    ends.map(|time| time.0).max().or_else(unready).or_else(created)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn pod(phase: &str, ended: i64) -> Pod {
        let at = Timestamp::from_second(ended).unwrap().to_string();
        let state = json!({"terminated": {"exitCode": 0, "finishedAt": at}});
        let container =
            json!({"name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state});
        serde_json::from_value(json!({"status": {"phase": phase, "containerStatuses": [container]}})).unwrap()
    }

    fn left(pods: &[Pod], now: i64) -> u64 {
        remaining(pods, Timestamp::from_second(now).unwrap(), Duration::from_secs(10)).unwrap_or_default().as_secs()
    }

    #[test]
    fn the_delay_doubles_with_each_failure_since_the_last_success() {
        assert_eq!(left(&[], 0), 0);
        assert_eq!(left(&[pod("Failed", 100)], 100), 10);
        assert_eq!(left(&[pod("Failed", 100)], 107), 3);
        assert_eq!(left(&[pod("Failed", 100)], 110), 0);
        assert_eq!(left(&[pod("Failed", 100), pod("Failed", 120)], 120), 20);
        assert_eq!(left(&[pod("Failed", 100), pod("Succeeded", 110), pod("Failed", 120)], 120), 10);
        assert_eq!(left(&[pod("Failed", 100), pod("Succeeded", 110)], 110), 0);
        let many: Vec<Pod> = (0..40).map(|second| pod("Failed", second)).collect();
        assert_eq!(left(&many, 39), 600);
    }
}
