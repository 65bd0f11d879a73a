//! `StatefulSets`: pods with a name of their own each, in order.
//!
//! What to do is decided in [`plan`]; this module reads, acts and writes. Persistent volumes do not exist here: a set
//! with `volumeClaimTemplates` is refused by an event.

mod identity;
mod plan;
mod revisions;

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use tokio_util::sync::CancellationToken;

use self::plan::{Plan, Which, plan, status};
use self::revisions::Revisions;
use super::claims::{claimed, concerned};
use super::events::EventType;
use super::pod_control::delete_one;
use super::runtime::{Context, ControllerError, drive, has_code, post};

pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let client = context.client.clone();
    let controller = Controller::new(Api::<StatefulSet>::all(client.clone()), watcher::Config::default());
    let of_pod = concerned(controller.store(), |set: &StatefulSet| set.spec.as_ref().map(|spec| spec.selector.clone()));
    let controller = controller.watches(Api::<Pod>::all(client), watcher::Config::default(), of_pod);
    drive(controller, context, stop, reconcile).await;
}

async fn reconcile(seen: Arc<StatefulSet>, context: Arc<Context>) -> Result<Action, ControllerError> {
    let namespace = seen.namespace().unwrap_or_default();
    let sets = Api::<StatefulSet>::namespaced(context.client.clone(), &namespace);
    let Some(set) = sets.get_opt(&seen.name_any()).await? else {
        return Ok(Action::await_change());
    };
    let spec = set.spec.clone().unwrap_or_default();
    if spec.volume_claim_templates.is_some_and(|templates| !templates.is_empty()) {
        let message = "spec.volumeClaimTemplates is not supported by the embedded controllers: use an emptyDir volume";
        context.recorder.record(&set, EventType::Warning, "Unsupported", message);
        return Ok(Action::await_change());
    }
    let pods = Api::<Pod>::namespaced(context.client.clone(), &namespace);
    let own = claimed(&pods, &set, &spec.selector, |pod| identity::ordinal(&set, pod).is_some()).await?;
    if set.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let revisions = Revisions::of(&context, &set).await?;
    let now = context.now();
    let plan = plan(&set, &own, &revisions.update.name, now);
    let next = plan.next;
    let names = (revisions.current.name.as_str(), revisions.update.name.as_str());
    let status = status(&set, &own, names, revisions.collisions, now);
    perform(&context, &pods, &set, &revisions, plan).await?;
    if set.status.as_ref() != Some(&status) {
        let changed = StatefulSet { status: Some(status), ..set.clone() };
        sets.replace_status(&set.name_any(), &post(), &changed).await?;
    }
    let used = own.iter().filter_map(identity::revision).cloned().collect();
    revisions.remove_history(&set, &used).await?;
    Ok(next.map_or_else(Action::await_change, Action::requeue))
}

async fn perform(
    context: &Context,
    pods: &Api<Pod>,
    set: &StatefulSet,
    revisions: &Revisions,
    plan: Plan,
) -> Result<(), ControllerError> {
    let name = set.name_any();
    let record = |kind, reason, message| context.recorder.record(set, kind, reason, message);
    for (pod, has_failed) in plan.recreate {
        let (reason, what) =
            if has_failed { ("RecreatingFailedPod", "failed") } else { ("RecreatingTerminatedPod", "terminated") };
        let namespace = set.namespace().unwrap_or_default();
        let message = format!("StatefulSet {namespace}/{name} is recreating {what} Pod {}", pod.name_any());
        record(EventType::Warning, reason, message);
        delete(context, pods, set, &pod).await?;
    }
    for (ordinal, which) in plan.create {
        let revision = match which {
            Which::Current => &revisions.current,
            Which::Update => &revisions.update,
        };
        let pod = identity::pod(set, ordinal, revision);
        match pods.create(&post(), &pod).await {
            Ok(pod) => {
                let message = format!("create Pod {} in StatefulSet {name} successful", pod.name_any());
                record(EventType::Normal, "SuccessfulCreate", message);
            }
            // The pod before it still has the name; its end is seen.
            Err(error) if has_code(&error, 409) => {}
            Err(error) => {
                let message = format!("create Pod {} in StatefulSet {name} failed error: {error}", pod.name_any());
                record(EventType::Warning, "FailedCreate", message);
                return Err(error.into());
            }
        }
    }
    for pod in plan.delete {
        delete(context, pods, set, &pod).await?;
    }
    Ok(())
}

async fn delete(context: &Context, pods: &Api<Pod>, set: &StatefulSet, pod: &Pod) -> Result<(), ControllerError> {
    if delete_one(pods, pod).await? {
        let message = format!("delete Pod {} in StatefulSet {} successful", pod.name_any(), set.name_any());
        context.recorder.record(set, EventType::Normal, "SuccessfulDelete", message);
    }
    Ok(())
}
