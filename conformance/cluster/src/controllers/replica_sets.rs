//! `ReplicaSets`: as many pods of one template as the spec says.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use kube::api::Patch;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::claims::{claimed, concerned};
use super::pod_control::{self, BURST, pod_of};
use super::pods::{Availability, availability, is_finished, is_ready, is_terminating, usefulness};
use super::runtime::{Context, ControllerError, drive, patch};

pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let client = context.client.clone();
    let controller = Controller::new(Api::<ReplicaSet>::all(client.clone()), watcher::Config::default());
    let of_pod = concerned(controller.store(), |set: &ReplicaSet| set.spec.as_ref().map(|spec| spec.selector.clone()));
    let controller = controller.watches(Api::<Pod>::all(client), watcher::Config::default(), of_pod);
    drive(controller, context, stop, reconcile).await;
}

async fn reconcile(seen: Arc<ReplicaSet>, context: Arc<Context>) -> Result<Action, ControllerError> {
    let namespace = seen.namespace().unwrap_or_default();
    let sets = Api::<ReplicaSet>::namespaced(context.client.clone(), &namespace);
    let Some(set) = sets.get_opt(&seen.name_any()).await? else {
        return Ok(Action::await_change());
    };
    let spec = set.spec.clone().unwrap_or_default();
    let pods = Api::<Pod>::namespaced(context.client.clone(), &namespace);
    let own = claimed(&pods, &set, &spec.selector, |pod| !is_finished(pod)).await?;
    let (terminating, active): (Vec<_>, Vec<_>) =
        own.into_iter().filter(|pod| !is_finished(pod)).partition(is_terminating);
    let mut active = active;
    if set.metadata.deletion_timestamp.is_none() {
        let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or_default();
        if active.len() < wanted {
            let missing = (wanted - active.len()).min(BURST);
            let mut pod = pod_of(&set, spec.template.clone().unwrap_or_default());
            pod.metadata.generate_name = Some(format!("{}-", set.name_any()));
            active.extend(pod_control::create(&context, &pods, &set, vec![pod; missing]).await?);
        } else if active.len() > wanted {
            // The least useful first.
            active.sort_by_key(usefulness);
            let surplus: Vec<Pod> = active.drain(..active.len() - wanted).take(BURST).collect();
            pod_control::delete(&context, &pods, &set, &surplus).await?;
        }
    }
    let now = context.now();
    let (status, next) = status(&set, &active, terminating.len(), now);
    if set.status.as_ref() != Some(&status) {
        sets.patch_status(&set.name_any(), &patch(), &Patch::Merge(status_patch(&status))).await?;
    }
    Ok(next.map_or_else(Action::await_change, Action::requeue))
}

/// The status, and when it changes by the mere passing of time.
fn status(
    set: &ReplicaSet,
    active: &[Pod],
    terminating: usize,
    now: Timestamp,
) -> (ReplicaSetStatus, Option<Duration>) {
    let spec = set.spec.clone().unwrap_or_default();
    let template_labels = spec.template.and_then(|template| template.metadata).and_then(|metadata| metadata.labels);
    let template_labels = template_labels.unwrap_or_default();
    let is_labelled = |pod: &&Pod| template_labels.iter().all(|(key, value)| pod.labels().get(key) == Some(value));
    let available: Vec<Availability> =
        active.iter().map(|pod| availability(pod, spec.min_ready_seconds.unwrap_or_default(), now)).collect();
    let next = available
        .iter()
        .filter_map(|availability| match availability {
            Availability::In(left) => Some(*left),
            Availability::Available | Availability::No => None,
        })
        .min();
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let positive = |number: usize| (number > 0).then(|| count(number));
    let status = ReplicaSetStatus {
        replicas: count(active.len()),
        fully_labeled_replicas: positive(active.iter().filter(is_labelled).count()),
        ready_replicas: positive(active.iter().filter(|pod| is_ready(pod)).count()),
        available_replicas: positive(available.iter().filter(|a| **a == Availability::Available).count()),
        terminating_replicas: Some(count(terminating)),
        observed_generation: set.metadata.generation,
        conditions: set.status.as_ref().and_then(|status| status.conditions.clone()),
    };
    (status, next)
}

/// A merge patch that also removes the counts that are zero.
fn status_patch(status: &ReplicaSetStatus) -> serde_json::Value {
    json!({"status": {
        "replicas": status.replicas,
        "fullyLabeledReplicas": status.fully_labeled_replicas,
        "readyReplicas": status.ready_replicas,
        "availableReplicas": status.available_replicas,
        "terminatingReplicas": status.terminating_replicas,
        "observedGeneration": status.observed_generation,
    }})
}
