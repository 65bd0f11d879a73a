//! Pods that ask for what the node cannot do: they do not run, and say why.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Client, ResourceExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::is_deleted;
use crate::controllers::events::{EventType, Recorder};

/// The reason of the event and of the pod's status.
const REASON: &str = "Unsupported";

/// What of the pod this node does not do, in one sentence.
pub(super) fn find(pod: &Pod) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    if spec.active_deadline_seconds.is_some() {
        return Some("spec.activeDeadlineSeconds is not supported by the embedded node: remove it".to_owned());
    }
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let hooked = containers.filter(|container| container.lifecycle.as_ref().is_some_and(|l| l.post_start.is_some()));
    let name = hooked.map(|container| container.name.as_str()).next()?;
    Some(format!("lifecycle.postStart of container {name} is not supported by the embedded node: remove it"))
}

/// Says in an event and in the status why the pod does not run, and removes it when it is deleted.
///
/// It stays `Pending`: a failed one would be replaced by its controller again and again.
pub(super) async fn refuse(
    client: &Client,
    recorder: &Recorder,
    mut pod: watch::Receiver<Arc<Pod>>,
    gone: &CancellationToken,
    message: String,
) {
    let first = Arc::clone(&pod.borrow());
    let (name, uid) = (first.name_any(), first.uid());
    let pods: Api<Pod> = Api::namespaced(client.clone(), &first.namespace().unwrap_or_default());
    let status = serde_json::json!({"phase": "Pending", "reason": REASON, "message": message});
    recorder.record(first.as_ref(), EventType::Warning, REASON, message);
    let params = PatchParams { field_manager: Some("kubelet".to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(serde_json::json!({"metadata": {"uid": uid}, "status": status}));
    if let Err(error) = pods.patch_status(&name, &params, &patch).await {
        tracing::warn!(pod = name, %error, "failed to write the status of a pod");
    }
    tokio::select! {
        deleted = async { pod.wait_for(|pod| is_deleted(pod)).await.is_ok() } => if !deleted { return },
        () = gone.cancelled() => return,
    }
    let preconditions = Preconditions { uid, resource_version: None };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }.grace_period(0);
    if let Err(error) = pods.delete(&name, &params).await {
        tracing::debug!(pod = name, %error, "failed to remove a pod that never ran");
    }
}
