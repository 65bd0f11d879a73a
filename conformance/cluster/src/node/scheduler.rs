//! The scheduler: binds each new pod to a node.
//!
//! A node is fit when it is ready, not cordoned, and carries the labels of the pod's `nodeSelector`. Everything else that
//! a real scheduler weighs does not matter with one node.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Binding, Node, ObjectReference, Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::controllers::events::{EventType, Recorder};

const NAME: &str = "default-scheduler";

struct Context {
    client: Client,
    recorder: Recorder,
}

/// Runs until it is told to stop.
pub(crate) async fn run(client: Client, recorder: Recorder, stop: CancellationToken) {
    let controller = Controller::new(Api::<Pod>::all(client.clone()), watcher::Config::default());
    let store = controller.store();
    let pending = move |_: Node| {
        let pods = store.state_filter(|pod: &Pod| is_pending(pod));
        pods.iter().map(|pod| ObjectRef::from_obj(pod.as_ref())).collect::<Vec<_>>()
    };
    controller
        .watches(Api::<Node>::all(client.clone()), watcher::Config::default(), pending)
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(schedule, |_, _, _| Action::requeue(Duration::from_secs(1)), Arc::new(Context { client, recorder }))
        .for_each(|_| std::future::ready(()))
        .await;
}

fn is_pending(pod: &Pod) -> bool {
    let spec = pod.spec.clone().unwrap_or_default();
    spec.node_name.is_none()
        && pod.metadata.deletion_timestamp.is_none()
        && spec.scheduler_name.is_none_or(|scheduler| scheduler == NAME)
        && spec.scheduling_gates.is_none_or(|gates| gates.is_empty())
}

async fn schedule(pod: Arc<Pod>, context: Arc<Context>) -> kube::Result<Action> {
    if !is_pending(&pod) {
        return Ok(Action::await_change());
    }
    let nodes = Api::<Node>::all(context.client.clone()).list(&ListParams::default()).await?.items;
    let namespace = pod.namespace().unwrap_or_default();
    let pods = Api::<Pod>::namespaced(context.client.clone(), &namespace);
    let Some(node) = nodes.iter().find(|node| is_fit(node, &pod)) else {
        report_unschedulable(&pods, &pod, nodes.len(), &context.recorder).await?;
        return Ok(Action::await_change());
    };
    let node = node.name_any();
    let binding = Binding {
        metadata: ObjectMeta {
            name: Some(pod.name_any()),
            namespace: Some(namespace.clone()),
            uid: pod.uid(),
            ..ObjectMeta::default()
        },
        target: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Node".to_owned()),
            name: Some(node.clone()),
            ..ObjectReference::default()
        },
    };
    let bound = pods.create_subresource::<_, Value>("binding", &pod.name_any(), &PostParams::default(), &binding).await;
    match bound {
        Ok(_) => {
            let message = format!("Successfully assigned {namespace}/{} to {node}", pod.name_any());
            context.recorder.record(pod.as_ref(), EventType::Normal, "Scheduled", message);
        }
        // Bound or deleted since the pod was seen: there will be an event.
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => {}
        Err(error) => return Err(error),
    }
    Ok(Action::await_change())
}

fn is_fit(node: &Node, pod: &Pod) -> bool {
    let spec = node.spec.clone().unwrap_or_default();
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let is_ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let wanted = pod.spec.iter().flat_map(|spec| spec.node_selector.iter().flatten());
    let has_labels = wanted.into_iter().all(|(key, value)| node.labels().get(key) == Some(value));
    is_ready && !spec.unschedulable.unwrap_or_default() && has_labels
}

async fn report_unschedulable(pods: &Api<Pod>, pod: &Pod, nodes: usize, recorder: &Recorder) -> kube::Result<()> {
    let message = if nodes == 0 {
        "no nodes available to schedule pods".to_owned()
    } else {
        format!("0/{nodes} nodes are available: {nodes} node(s) didn't match Pod's node selector or are not ready.")
    };
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let is_known = conditions
        .into_iter()
        .any(|condition| condition.type_ == "PodScheduled" && condition.message.as_deref() == Some(&message));
    if is_known {
        return Ok(());
    }
    let condition = PodCondition {
        type_: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        reason: Some("Unschedulable".to_owned()),
        message: Some(message.clone()),
        observed_generation: pod.metadata.generation,
        last_transition_time: Some(Time(Timestamp::now())),
        last_probe_time: None,
    };
    let params = PatchParams { field_manager: Some("kube-scheduler".to_owned()), ..PatchParams::default() };
    let patch = json!({"status": {"conditions": [condition]}});
    pods.patch_status(&pod.name_any(), &params, &Patch::Strategic(patch)).await?;
    recorder.record(pod, EventType::Warning, "FailedScheduling", message);
    Ok(())
}
