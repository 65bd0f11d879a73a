//! Deployments: one `ReplicaSet` per revision of the template, and the rollout from one to the next.

mod hash;
mod proportional;
mod rolling;
mod sets;
mod status;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus, ReplicaSet};
use kube::api::Patch;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::rolling::{Strategy, next_sizes};
use self::sets::{NewSet, Sets};
use super::claims::concerned;
use super::events::EventType;
use super::runtime::{Context, ControllerError, drive, patch};

/// The number of the revision, on a Deployment and on its sets.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// How many old revisions are kept when the spec does not say.
const HISTORY: i32 = 10;

pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let client = context.client.clone();
    let controller = Controller::new(Api::<Deployment>::all(client.clone()), watcher::Config::default());
    let of_set = concerned(controller.store(), |deployment: &Deployment| {
        deployment.spec.as_ref().map(|spec| spec.selector.clone())
    });
    let controller = controller.watches(Api::<ReplicaSet>::all(client), watcher::Config::default(), of_set);
    drive(controller, context, stop, reconcile).await;
}

async fn reconcile(seen: Arc<Deployment>, context: Arc<Context>) -> Result<Action, ControllerError> {
    let namespace = seen.namespace().unwrap_or_default();
    let deployments = Api::<Deployment>::namespaced(context.client.clone(), &namespace);
    let Some(mut deployment) = deployments.get_opt(&seen.name_any()).await? else {
        return Ok(Action::await_change());
    };
    if deployment.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let mut sets = Sets::of(&context, &deployment).await?;
    let is_paused = deployment.spec.as_ref().and_then(|spec| spec.paused).unwrap_or_default();
    let now = context.now();
    if !is_paused
        && sets.ensure_new(&context, &mut deployment).await? == NewSet::Created
        && let Some(new) = sets.current()
    {
        let change = status_patch(&status::created(&deployment, new, now), new.annotations().get(REVISION));
        deployment = deployments.patch_status(&deployment.name_any(), &patch(), &Patch::Merge(change)).await?;
    }
    roll(&context, &deployment, &mut sets, is_paused).await?;
    if !is_paused {
        sets.remove_history(&deployment).await?;
    }

    let status = status::status(&deployment, sets.current(), &sets.all(), now);
    let revision = sets.current().and_then(|set| set.annotations().get(REVISION));
    if deployment.status.as_ref() != Some(&status) || deployment.annotations().get(REVISION) != revision {
        let change = Patch::Merge(status_patch(&status, revision));
        deployments.patch_status(&deployment.name_any(), &patch(), &change).await?;
    }
    let overdue = status::deadline(&deployment, &status).map(|deadline| deadline.duration_since(now));
    Ok(match overdue.and_then(|left| Duration::try_from(left).ok()) {
        // The deadline counts whole seconds.
        Some(left) => Action::requeue(left + Duration::from_secs(1)),
        None => Action::await_change(),
    })
}

/// Gives every set its next size.
async fn roll(
    context: &Context,
    deployment: &Deployment,
    sets: &mut Sets,
    is_paused: bool,
) -> Result<(), ControllerError> {
    let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let strategy = Strategy::of(deployment);
    let sizes: Vec<(String, i32)> = if is_paused || proportional::is_resized(replicas, &sets.all()) {
        // Resized first, rolled on afterwards; a paused Deployment is only resized.
        let existing = deployment.status.as_ref().and_then(|status| status.replicas).unwrap_or_default();
        let newest = sets.all().into_iter().max_by_key(|set| sets::revision(set));
        proportional::sizes(replicas, strategy, &sets.all(), newest, existing)
    } else if let Some(new) = sets.current() {
        let old = sets.old();
        let (new_size, old_sizes) = next_sizes(replicas, strategy, new, &old);
        let old = old.iter().zip(old_sizes).map(|(set, size)| (set.name_any(), size));
        std::iter::once((new.name_any(), new_size)).chain(old).collect()
    } else {
        Vec::new()
    };
    for (name, size) in sizes {
        let Some(before) = sets.scale(&name, size, replicas, strategy.max_replicas(replicas)).await? else {
            continue;
        };
        let direction = if size > before { "up" } else { "down" };
        let message = format!("Scaled {direction} replica set {name} from {before} to {size}");
        context.recorder.record(deployment, EventType::Normal, "ScalingReplicaSet", message);
    }
    Ok(())
}

/// A merge patch that also removes the counts that are zero. The revision goes with the status, in one write.
fn status_patch(status: &DeploymentStatus, revision: Option<&String>) -> Value {
    let metadata = revision.map(|revision| json!({"annotations": {REVISION: revision}}));
    json!({"metadata": metadata.unwrap_or_else(|| json!({})), "status": {
        "observedGeneration": status.observed_generation,
        "replicas": status.replicas,
        "updatedReplicas": status.updated_replicas,
        "readyReplicas": status.ready_replicas,
        "availableReplicas": status.available_replicas,
        "unavailableReplicas": status.unavailable_replicas,
        "terminatingReplicas": status.terminating_replicas,
        "collisionCount": status.collision_count,
        "conditions": status.conditions,
    }})
}
