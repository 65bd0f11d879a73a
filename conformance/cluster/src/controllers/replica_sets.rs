//! `ReplicaSets`: as many pods of one template as the spec says.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, Patch, Preconditions};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::events::EventType;
use super::pods::{Availability, availability, is_finished, is_ready, is_terminating};
use super::runtime::{
    Context, ControllerError, controller_reference, drive, has_code, is_controlled_by, patch, post, retry, selected_by,
    tracked,
};

/// How many pods are made or deleted in one go.
const BURST: usize = 500;

pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let client = context.client.clone();
    let controller = Controller::new(Api::<ReplicaSet>::all(client.clone()), watcher::Config::default())
        .owns(Api::<Pod>::all(client), watcher::Config::default())
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(|object, context| tracked(object.clone(), context.clone(), reconcile(object, context)), retry, context);
    drive(controller).await;
}

async fn reconcile(seen: Arc<ReplicaSet>, context: Arc<Context>) -> Result<Action, ControllerError> {
    let namespace = seen.namespace().unwrap_or_default();
    let sets = Api::<ReplicaSet>::namespaced(context.client.clone(), &namespace);
    let Some(set) = sets.get_opt(&seen.name_any()).await? else {
        return Ok(Action::await_change());
    };
    let spec = set.spec.clone().unwrap_or_default();
    let pods = Api::<Pod>::namespaced(context.client.clone(), &namespace);
    let mut own = Vec::new();
    for pod in pods.list(&selected_by(&spec.selector)?).await?.items {
        if is_controlled_by(&pod, set.uid().as_deref()) {
            own.push(pod);
        } else if let Some(pod) = adopt(&pods, pod, &set).await? {
            own.push(pod);
        }
    }
    let (terminating, active): (Vec<_>, Vec<_>) =
        own.into_iter().filter(|pod| !is_finished(pod)).partition(is_terminating);
    let mut active = active;
    if set.metadata.deletion_timestamp.is_none() {
        let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or_default();
        if active.len() < wanted {
            let missing = (wanted - active.len()).min(BURST);
            active.extend(create(&context, &pods, &set, missing).await?);
        } else if active.len() > wanted {
            delete_surplus(&context, &pods, &set, &mut active, wanted).await?;
        }
    }
    let now = Timestamp::now();
    let (status, next) = status(&set, &active, terminating.len(), now);
    if set.status.as_ref() != Some(&status) {
        sets.patch_status(&set.name_any(), &patch(), &Patch::Merge(status_patch(&status))).await?;
    }
    Ok(next.map_or_else(Action::await_change, Action::requeue))
}

/// Takes over a pod that the selector selects and nobody controls.
async fn adopt(pods: &Api<Pod>, pod: Pod, set: &ReplicaSet) -> Result<Option<Pod>, ControllerError> {
    let is_controlled = pod.owner_references().iter().any(|owner| owner.controller == Some(true));
    if is_controlled || is_terminating(&pod) || set.metadata.deletion_timestamp.is_some() {
        return Ok(None);
    }
    let mut owners = pod.owner_references().to_vec();
    owners.push(controller_reference(set));
    let change = json!({"metadata": {"uid": pod.uid(), "ownerReferences": owners}});
    match pods.patch(&pod.name_any(), &patch(), &Patch::Merge(change)).await {
        Ok(pod) => Ok(Some(pod)),
        Err(error) if has_code(&error, 404) || has_code(&error, 409) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn create(
    context: &Context,
    pods: &Api<Pod>,
    set: &ReplicaSet,
    count: usize,
) -> Result<Vec<Pod>, ControllerError> {
    let pod = pod_of(set);
    let params = post();
    let created = join_all((0..count).map(|_| pods.create(&params, &pod))).await;
    let mut result = Vec::with_capacity(count);
    for pod in created {
        match pod {
            Ok(pod) => {
                let message = format!("Created pod: {}", pod.name_any());
                context.recorder.record(set, EventType::Normal, "SuccessfulCreate", message);
                result.push(pod);
            }
            Err(error) => {
                context.recorder.record(set, EventType::Warning, "FailedCreate", format!("Error creating: {error}"));
                return Err(error.into());
            }
        }
    }
    Ok(result)
}

fn pod_of(set: &ReplicaSet) -> Pod {
    let template = set.spec.as_ref().and_then(|spec| spec.template.clone()).unwrap_or_default();
    let metadata = template.metadata.unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", set.name_any())),
            namespace: set.namespace(),
            labels: metadata.labels,
            annotations: metadata.annotations,
            finalizers: metadata.finalizers,
            owner_references: Some(vec![controller_reference(set)]),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    }
}

async fn delete_surplus(
    context: &Context,
    pods: &Api<Pod>,
    set: &ReplicaSet,
    active: &mut Vec<Pod>,
    wanted: usize,
) -> Result<(), ControllerError> {
    // The least useful first.
    active.sort_by_key(usefulness);
    let surplus: Vec<Pod> = active.drain(..active.len() - wanted).take(BURST).collect();
    for pod in surplus {
        let preconditions = Preconditions { uid: pod.uid(), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match pods.delete(&pod.name_any(), &params).await {
            Ok(_) => {
                let message = format!("Deleted pod: {}", pod.name_any());
                context.recorder.record(set, EventType::Normal, "SuccessfulDelete", message);
            }
            Err(error) if has_code(&error, 404) || has_code(&error, 409) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Orders pods by what would be lost with them: unscheduled before scheduled, pending before running, unready before
/// ready, young before old.
fn usefulness(pod: &Pod) -> (bool, bool, bool, std::cmp::Reverse<Option<Timestamp>>) {
    let is_scheduled = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    let is_running = pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"));
    let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    (is_scheduled, is_running, is_ready(pod), std::cmp::Reverse(created))
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
