//! `PodDisruptionBudgets`: how many pods may go by eviction, told in the budget's status.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, OwnerReference, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{DynamicObject, ListParams};
use kube::core::{GroupVersionKind, SelectorExt};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use tokio_util::sync::CancellationToken;

use super::amounts::absolute;
use super::claims::parsed;
use super::events::EventType;
use super::pods::{is_finished, is_ready, is_terminating};
use super::runtime::{Context, ControllerError, drive, post};

/// How long an evicted pod may take to begin to end, before it counts as healthy again.
const NOTICED_WITHIN: Duration = Duration::from_mins(2);

pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let client = context.client.clone();
    let controller = Controller::new(Api::<PodDisruptionBudget>::all(client.clone()), watcher::Config::default());
    let budgets = controller.store();
    // A pod's labels may have changed: every budget of its namespace looks at it.
    let near = move |pod: Pod| {
        let namespace = pod.namespace();
        let near = budgets.state_filter(|budget: &PodDisruptionBudget| budget.namespace() == namespace);
        near.iter().map(|budget| ObjectRef::from_obj(budget.as_ref())).collect::<Vec<_>>()
    };
    let controller = controller.watches(Api::<Pod>::all(client), watcher::Config::default(), near);
    drive(controller, context, stop, reconcile).await;
}

async fn reconcile(seen: Arc<PodDisruptionBudget>, context: Arc<Context>) -> Result<Action, ControllerError> {
    let namespace = seen.namespace().unwrap_or_default();
    let budgets = Api::<PodDisruptionBudget>::namespaced(context.client.clone(), &namespace);
    let Some(budget) = budgets.get_opt(&seen.name_any()).await? else {
        return Ok(Action::await_change());
    };
    let pods = Api::<Pod>::namespaced(context.client.clone(), &namespace).list(&ListParams::default()).await?.items;
    let pods = selected(&budget, pods)?;
    if pods.is_empty() {
        context.recorder.record(&budget, EventType::Normal, "NoPods", "No matching pods found");
    }
    let spec = budget.spec.clone().unwrap_or_default();
    let expected =
        if counts_controllers(&spec) { scales(&context, &budget, &pods).await } else { Ok(count(pods.len())) };
    let now = context.now();
    let (status, next) = match expected {
        Ok(expected) => status(&budget, &pods, expected, now),
        Err(error) => {
            let message = format!("Failed to calculate the number of expected pods: {error}");
            context.recorder.record(&budget, EventType::Warning, "CalculateExpectedPodCountFailed", message);
            (failed(&budget, &error, now), None)
        }
    };
    if budget.status.as_ref() != Some(&status) {
        let changed = PodDisruptionBudget { status: Some(status), ..budget.clone() };
        budgets.replace_status(&budget.name_any(), &post(), &changed).await?;
    }
    Ok(next.map_or_else(Action::await_change, Action::requeue))
}

/// The budget's pods; a budget without a selector has none, an empty one selects them all.
fn selected(budget: &PodDisruptionBudget, mut pods: Vec<Pod>) -> Result<Vec<Pod>, ControllerError> {
    let Some(selector) = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref()) else {
        return Ok(Vec::new());
    };
    let selector = parsed(selector)?;
    pods.retain(|pod| selector.matches(pod.labels()));
    Ok(pods)
}

/// Whether the budget speaks of parts of what the pods' controllers want, rather than of a number of pods.
fn counts_controllers(spec: &PodDisruptionBudgetSpec) -> bool {
    spec.max_unavailable.is_some() || matches!(spec.min_available, Some(IntOrString::String(_)))
}

/// Why a pod's controller cannot be asked how many pods it wants.
#[derive(Debug, thiserror::Error)]
enum ScaleError {
    #[error("{kind} {name:?} of pod {pod:?} tells no number of replicas")]
    Unscalable { kind: String, name: String, pod: String },
    #[error(transparent)]
    Api(#[from] kube::Error),
}

/// How many pods the controllers of these pods want together.
async fn scales(context: &Context, budget: &PodDisruptionBudget, pods: &[Pod]) -> Result<i32, ScaleError> {
    let mut controllers: BTreeMap<String, (OwnerReference, &Pod)> = BTreeMap::new();
    let mut unmanaged = BTreeSet::new();
    for pod in pods {
        match pod.owner_references().iter().find(|owner| owner.controller == Some(true)) {
            Some(owner) => drop(controllers.insert(owner.uid.clone(), (owner.clone(), pod))),
            None => drop(unmanaged.insert(pod.name_any())),
        }
    }
    if !unmanaged.is_empty() {
        let message = format!(
            "pods {} have no controller, so that nothing tells how many there should be: set .spec.minAvailable to an integer",
            unmanaged.into_iter().collect::<Vec<_>>().join(", ")
        );
        context.recorder.record(budget, EventType::Warning, "UnmanagedPods", message);
    }
    let namespace = budget.namespace().unwrap_or_default();
    // Several sets may belong to one Deployment, which tells the number.
    let mut scales = BTreeMap::new();
    for (owner, pod) in controllers.into_values() {
        let (uid, replicas) = scale(&context.client, &namespace, owner, pod).await?;
        scales.insert(uid, replicas);
    }
    Ok(scales.values().sum())
}

/// The uid and the replicas of a pod's controller, or of the Deployment behind it.
async fn scale(
    client: &Client,
    namespace: &str,
    mut owner: OwnerReference,
    pod: &Pod,
) -> Result<(String, i32), ScaleError> {
    let unscalable = |owner: &OwnerReference| ScaleError::Unscalable {
        kind: owner.kind.clone(),
        name: owner.name.clone(),
        pod: pod.name_any(),
    };
    loop {
        let (group, version) = owner.api_version.rsplit_once('/').unwrap_or(("", &owner.api_version));
        let kind = GroupVersionKind::gvk(group, version, &owner.kind);
        let (resource, _) = kube::discovery::pinned_kind(client, &kind).await.map_err(|_| unscalable(&owner))?;
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
        if owner.kind == "ReplicaSet" {
            let set = api.get(&owner.name).await?;
            let above = set.owner_references().iter().find(|above| above.controller == Some(true));
            if let Some(above) = above.filter(|above| above.kind == "Deployment") {
                owner = above.clone();
                continue;
            }
        }
        let scale = api.get_scale(&owner.name).await.map_err(|_| unscalable(&owner))?;
        let replicas = scale.spec.and_then(|spec| spec.replicas);
        return Ok((owner.uid, replicas.unwrap_or_default()));
    }
}

/// The status, and when it changes by the mere passing of time.
fn status(
    budget: &PodDisruptionBudget,
    pods: &[Pod],
    expected: i32,
    now: Timestamp,
) -> (PodDisruptionBudgetStatus, Option<Duration>) {
    let spec = budget.spec.clone().unwrap_or_default();
    let desired = match (&spec.max_unavailable, &spec.min_available) {
        (Some(unavailable), _) => (expected - absolute(unavailable, expected, true)).max(0),
        (None, Some(available)) => absolute(available, expected, true),
        (None, None) => 0,
    };
    let (disrupted, next) = still_disrupted(budget, pods, now);
    let is_healthy = |pod: &&Pod| {
        !is_finished(pod) && !is_terminating(pod) && is_ready(pod) && !disrupted.contains_key(&pod.name_any())
    };
    let healthy = count(pods.iter().filter(is_healthy).count());
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    let (value, reason) = if allowed > 0 { (true, "SufficientPods") } else { (false, "InsufficientPods") };
    let status = PodDisruptionBudgetStatus {
        observed_generation: budget.metadata.generation,
        disruptions_allowed: Some(allowed),
        current_healthy: Some(healthy),
        desired_healthy: Some(desired),
        expected_pods: Some(expected),
        disrupted_pods: Some(disrupted).filter(|pods| !pods.is_empty()),
        conditions: Some(conditions(budget, value, reason, "", now)),
    };
    (status, next)
}

/// The status of a budget whose pods cannot be counted: nothing may be disrupted.
fn failed(budget: &PodDisruptionBudget, error: &ScaleError, now: Timestamp) -> PodDisruptionBudgetStatus {
    PodDisruptionBudgetStatus {
        observed_generation: budget.metadata.generation,
        disruptions_allowed: Some(0),
        conditions: Some(conditions(budget, false, "SyncFailed", &error.to_string(), now)),
        ..budget.status.clone().unwrap_or_default()
    }
}

/// The evicted pods whose deletion has not been seen yet.
fn still_disrupted(
    budget: &PodDisruptionBudget,
    pods: &[Pod],
    now: Timestamp,
) -> (BTreeMap<String, Time>, Option<Duration>) {
    let mut disrupted = budget.status.as_ref().and_then(|status| status.disrupted_pods.clone()).unwrap_or_default();
    let left = |since: &Time| {
        let deadline = SignedDuration::try_from(NOTICED_WITHIN).unwrap_or_default();
        Duration::try_from(deadline - now.duration_since(since.0)).unwrap_or_default()
    };
    disrupted.retain(|name, since| {
        let is_waiting = pods.iter().any(|pod| pod.name_any() == *name && !is_terminating(pod));
        is_waiting && !left(since).is_zero()
    });
    let next = disrupted.values().map(left).min();
    (disrupted, next)
}

fn conditions(
    budget: &PodDisruptionBudget,
    value: bool,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> Vec<Condition> {
    let value = if value { "True" } else { "False" };
    let old = budget.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let unchanged = old.into_iter().find(|old| old.type_ == "DisruptionAllowed" && old.status == value);
    vec![Condition {
        type_: "DisruptionAllowed".to_owned(),
        status: value.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: budget.metadata.generation,
        last_transition_time: unchanged.map_or(Time(now), |old| old.last_transition_time.clone()),
    }]
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, ready: bool, ending: bool) -> Pod {
        let status = if ready { "True" } else { "False" };
        let deleted = ending.then_some("1970-01-01T00:00:00Z");
        serde_json::from_value(json!({"metadata": {"name": name, "deletionTimestamp": deleted},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": status}]}}))
        .unwrap()
    }

    fn computed(spec: &Value, disrupted: &Value, pods: &[Pod], expected: i32, now: i64) -> PodDisruptionBudgetStatus {
        let status = json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0,
                            "disruptedPods": disrupted});
        let budget = json!({"metadata": {"name": "b", "generation": 3}, "spec": spec, "status": status});
        let budget = serde_json::from_value(budget).unwrap();
        status_of(&budget, pods, expected, now)
    }

    fn status_of(budget: &PodDisruptionBudget, pods: &[Pod], expected: i32, now: i64) -> PodDisruptionBudgetStatus {
        status(budget, pods, expected, Timestamp::from_second(now).unwrap()).0
    }

    #[test]
    fn healthy_pods_beyond_the_desired_ones_may_be_disrupted() {
        let pods = [pod("a", true, false), pod("b", true, false), pod("c", false, false), pod("d", true, true)];
        for (spec, expected, desired, allowed) in [
            (json!({"minAvailable": 1}), 4, 1, 1),
            (json!({"minAvailable": 2}), 4, 2, 0),
            (json!({"minAvailable": "50%"}), 3, 2, 0),
            (json!({"minAvailable": "20%"}), 4, 1, 1),
            (json!({"maxUnavailable": 3}), 4, 1, 1),
            (json!({"maxUnavailable": "30%"}), 3, 2, 0),
            (json!({"maxUnavailable": 9}), 4, 0, 2),
            (json!({"minAvailable": 0}), 0, 0, 0),
        ] {
            let status = computed(&spec, &json!({}), &pods, expected, 0);
            assert_eq!((status.current_healthy, status.desired_healthy), (Some(2), Some(desired)), "{spec}");
            assert_eq!(status.disruptions_allowed, Some(allowed), "{spec}");
            let condition = &status.conditions.unwrap()[0];
            let reason = if allowed > 0 { "SufficientPods" } else { "InsufficientPods" };
            assert_eq!((condition.reason.as_str(), condition.observed_generation), (reason, Some(3)));
        }
    }

    #[test]
    fn an_evicted_pod_is_not_healthy_until_its_end_is_overdue() {
        let pods = [pod("a", true, false), pod("b", true, false)];
        let evicted = json!({"a": "1970-01-01T00:00:00Z", "gone": "1970-01-01T00:00:00Z"});
        let soon = computed(&json!({"minAvailable": 1}), &evicted, &pods, 2, 60);
        assert_eq!((soon.current_healthy, soon.disrupted_pods.unwrap().len()), (Some(1), 1));
        let late = computed(&json!({"minAvailable": 1}), &evicted, &pods, 2, 120);
        assert_eq!((late.current_healthy, late.disrupted_pods), (Some(2), None));
    }
}
