//! The status of a Deployment: a pure computation.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::rolling::Strategy;

/// Computes the status from the sets; `new` is also part of `all`.
pub(super) fn status(
    deployment: &Deployment,
    new: Option<&ReplicaSet>,
    all: &[&ReplicaSet],
    now: Timestamp,
) -> DeploymentStatus {
    let spec = deployment.spec.clone().unwrap_or_default();
    let wanted = spec.replicas.unwrap_or(1);
    let previous = deployment.status.clone().unwrap_or_default();
    let sum = |count: fn(&k8s_openapi::api::apps::v1::ReplicaSetStatus) -> Option<i32>| -> i32 {
        all.iter().filter_map(|set| set.status.as_ref()).filter_map(count).sum()
    };
    let replicas = sum(|status| Some(status.replicas));
    let available = sum(|status| status.available_replicas);
    let updated = new.and_then(|set| set.status.as_ref()).map(|status| status.replicas).unwrap_or_default();
    let asked: i32 = all.iter().filter_map(|set| set.spec.as_ref()?.replicas).sum();
    let unavailable = (asked - available).max(0);
    let positive = |count: i32| (count > 0).then_some(count);

    let mut conditions = Conditions { list: previous.conditions.clone().unwrap_or_default(), now };
    let is_available = available >= Strategy::of(deployment).min_available(wanted);
    if is_available {
        conditions.set("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.");
    } else {
        let message = "Deployment does not have minimum availability.";
        conditions.set("Available", "False", "MinimumReplicasUnavailable", message);
    }
    let is_complete = updated == wanted && replicas == wanted && available == wanted;
    let has_advanced = updated > previous.updated_replicas.unwrap_or_default()
        || replicas - updated < previous.replicas.unwrap_or_default() - previous.updated_replicas.unwrap_or_default()
        || sum(|status| status.ready_replicas) > previous.ready_replicas.unwrap_or_default()
        || available > previous.available_replicas.unwrap_or_default();
    if let Some(set) = new {
        let name = set.name_any();
        if is_complete {
            let message = format!("ReplicaSet {name:?} has successfully progressed.");
            conditions.set("Progressing", "True", "NewReplicaSetAvailable", &message);
        } else if has_advanced {
            conditions.progress("ReplicaSetUpdated", &format!("ReplicaSet {name:?} is progressing."));
        } else if conditions.is_overdue(spec.progress_deadline_seconds) {
            let message = format!("ReplicaSet {name:?} has timed out progressing.");
            conditions.set("Progressing", "False", "ProgressDeadlineExceeded", &message);
        } else if conditions.find("Progressing").is_none() {
            conditions.progress("FoundNewReplicaSet", &format!("Found new replica set {name:?}"));
        }
    }
    DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: positive(replicas),
        updated_replicas: positive(updated),
        ready_replicas: positive(sum(|status| status.ready_replicas)),
        available_replicas: positive(available),
        unavailable_replicas: positive(unavailable),
        terminating_replicas: Some(sum(|status| status.terminating_replicas)),
        conditions: Some(conditions.list),
        collision_count: previous.collision_count,
    }
}

/// The status that tells of a new set, before anything has come of it: nothing else has been looked at.
pub(super) fn created(deployment: &Deployment, new: &ReplicaSet, now: Timestamp) -> DeploymentStatus {
    let previous = deployment.status.clone().unwrap_or_default();
    let mut conditions = Conditions { list: previous.conditions.clone().unwrap_or_default(), now };
    conditions.progress("NewReplicaSetCreated", &format!("Created new replica set {:?}", new.name_any()));
    DeploymentStatus { conditions: Some(conditions.list), ..previous }
}

/// When the Deployment's progress becomes overdue, if it does not go on.
pub(super) fn deadline(deployment: &Deployment, status: &DeploymentStatus) -> Option<Timestamp> {
    let seconds = deployment.spec.as_ref()?.progress_deadline_seconds?;
    let progressing = status.conditions.iter().flatten().find(|condition| condition.type_ == "Progressing")?;
    let is_open = progressing.status == "True" && progressing.reason.as_deref() != Some("NewReplicaSetAvailable");
    let since = progressing.last_update_time.as_ref().filter(|_| is_open)?.0;
    since.checked_add(jiff::SignedDuration::from_secs(seconds.into())).ok()
}

struct Conditions {
    list: Vec<DeploymentCondition>,
    now: Timestamp,
}

impl Conditions {
    fn find(&self, kind: &str) -> Option<&DeploymentCondition> {
        self.list.iter().find(|condition| condition.type_ == kind)
    }

    /// Sets a condition; its times stay when neither status nor reason changes.
    fn set(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        if self.find(kind).is_some_and(|old| old.status == status && old.reason.as_deref() == Some(reason)) {
            return;
        }
        self.put(kind, status, reason, message);
    }

    /// Notes progress: its time is what the deadline counts from.
    fn progress(&mut self, reason: &str, message: &str) {
        self.put("Progressing", "True", reason, message);
    }

    fn put(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let unchanged =
            self.find(kind).filter(|old| old.status == status).and_then(|old| old.last_transition_time.clone());
        let condition = DeploymentCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_update_time: Some(Time(self.now)),
            last_transition_time: Some(unchanged.unwrap_or(Time(self.now))),
        };
        self.list.retain(|old| old.type_ != kind);
        self.list.push(condition);
    }

    fn is_overdue(&self, seconds: Option<i32>) -> bool {
        let (Some(seconds), Some(progressing)) = (seconds, self.find("Progressing")) else {
            return false;
        };
        let is_settled = progressing.reason.as_deref() == Some("NewReplicaSetAvailable");
        let since = progressing.last_update_time.as_ref().map_or(self.now, |time| time.0);
        !is_settled && self.now.duration_since(since).as_secs() >= seconds.into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn objects(previous: &Value, set_status: &Value) -> (Deployment, ReplicaSet) {
        let template = json!({"spec": {"containers": []}});
        let spec = json!({"replicas": 2, "selector": {}, "template": template, "progressDeadlineSeconds": 600});
        let deployment = json!({"metadata": {"name": "web", "generation": 1}, "spec": spec, "status": previous});
        let deployment: Deployment = serde_json::from_value(deployment).unwrap();
        let set = json!({"metadata": {"name": "web-x"}, "spec": {"replicas": 2, "selector": {}}, "status": set_status});
        (deployment, serde_json::from_value(set).unwrap())
    }

    fn compute(previous: &Value, set_status: &Value, now: i64) -> DeploymentStatus {
        let (deployment, set) = objects(previous, set_status);
        status(&deployment, Some(&set), &[&set], Timestamp::from_second(now).unwrap())
    }

    /// The status of a Deployment whose first set has just been created.
    fn begun() -> Value {
        let (deployment, set) = objects(&json!({}), &json!({"replicas": 0}));
        let status = created(&deployment, &set, Timestamp::UNIX_EPOCH);
        assert_eq!(reasons(&status), ["Progressing True NewReplicaSetCreated"]);
        assert_eq!(status.observed_generation, None);
        serde_json::to_value(status).unwrap()
    }

    fn reasons(status: &DeploymentStatus) -> Vec<String> {
        let conditions = status.conditions.iter().flatten();
        conditions.map(|c| format!("{} {} {}", c.type_, c.status, c.reason.clone().unwrap_or_default())).collect()
    }

    #[test]
    fn a_rollout_goes_from_created_to_available() {
        let waiting = compute(&begun(), &json!({"replicas": 0}), 0);
        let expected = ["Progressing True NewReplicaSetCreated", "Available False MinimumReplicasUnavailable"];
        assert_eq!(reasons(&waiting), expected);
        let updated = compute(&serde_json::to_value(waiting).unwrap(), &json!({"replicas": 2}), 1);
        assert_eq!(updated.unavailable_replicas, Some(2));
        assert_eq!(reasons(&updated)[1], "Progressing True ReplicaSetUpdated");
        let all = json!({"replicas": 2, "readyReplicas": 2, "availableReplicas": 2});
        let available = compute(&serde_json::to_value(updated).unwrap(), &all, 2);
        let expected = ["Available True MinimumReplicasAvailable", "Progressing True NewReplicaSetAvailable"];
        assert_eq!(reasons(&available), expected);
    }

    #[test]
    fn a_rollout_without_progress_is_overdue_after_its_deadline() {
        let updated = serde_json::to_value(compute(&begun(), &json!({"replicas": 2}), 1)).unwrap();
        let waiting = compute(&updated, &json!({"replicas": 2}), 500);
        assert_eq!(reasons(&waiting)[1], "Progressing True ReplicaSetUpdated");
        let overdue = compute(&updated, &json!({"replicas": 2}), 700);
        assert_eq!(reasons(&overdue)[1], "Progressing False ProgressDeadlineExceeded");
    }
}
