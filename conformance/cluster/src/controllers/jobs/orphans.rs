//! Pods whose Job is gone: nobody counts them any more, and nothing may hold them.

use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use tokio_util::sync::CancellationToken;

use super::release;
use super::tally::has_finalizer;
use crate::controllers::runtime::{Context, ControllerError, drive};

/// The label of every pod of a Job.
const JOB_UID: &str = "batch.kubernetes.io/controller-uid";

pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let pods = Api::<Pod>::all(context.client.clone());
    let controller = Controller::new(pods, watcher::Config::default().labels(JOB_UID));
    drive(controller, context, stop, reconcile).await;
}

async fn reconcile(seen: Arc<Pod>, context: Arc<Context>) -> Result<Action, ControllerError> {
    if !has_finalizer(&seen) {
        return Ok(Action::await_change());
    }
    let namespace = seen.namespace().unwrap_or_default();
    let pods = Api::<Pod>::namespaced(context.client.clone(), &namespace);
    let Some(pod) = pods.get_opt(&seen.name_any()).await?.filter(has_finalizer) else {
        return Ok(Action::await_change());
    };
    let owner = pod.owner_references().iter().find(|owner| owner.controller == Some(true) && owner.kind == "Job");
    if let Some(owner) = owner {
        let job = Api::<Job>::namespaced(context.client.clone(), &namespace).get_opt(&owner.name).await?;
        if job.and_then(|job| job.uid()).as_ref() == Some(&owner.uid) {
            return Ok(Action::await_change());
        }
    }
    release(&pods, &pod).await?;
    Ok(Action::await_change())
}
