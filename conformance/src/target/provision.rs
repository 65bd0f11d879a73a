//! What every target does to its cluster by the API alone: make objects, wait for them, read logs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::TargetError;
use crate::diagnostic::Source;
use crate::language::{Library, Moment, Validation};
use crate::objects::{ApiError, Objects, Verb, Write, watch};

/// Creates the objects of a text with YAML documents, and waits until its definitions are established and its
/// Deployments available.
///
/// # Errors
///
/// When the text is no YAML, when the API server refuses an object, and when one is not ready in time.
pub async fn install(objects: &Objects, manifests: &Source) -> Result<(), TargetError> {
    let manifests = Library::objects(manifests).map_err(|error| TargetError::Cluster(error.to_string()))?;
    for object in &manifests {
        create(objects, object).await?;
    }
    let within = Moment::Ready.ordinary();
    for crd in manifests.iter().filter(|object| object["kind"] == "CustomResourceDefinition") {
        let holds = |live: &Value| condition(live, "Established") == Some("True");
        until(objects, crd, "is established", within, holds).await?;
    }
    for deployment in manifests.iter().filter(|object| object["kind"] == "Deployment") {
        let holds = |live: &Value| condition(live, "Available") == Some("True");
        until(objects, deployment, "is available", within, holds).await?;
    }
    Ok(())
}

/// Creates an object.
pub(super) async fn create(objects: &Objects, object: &Value) -> Result<(), ApiError> {
    let kind = objects.kinds.of(object).await?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = text(&object["metadata"]["namespace"]);
    let name = text(&object["metadata"]["name"]);
    let answer = objects
        .write(&Write {
            kind: &kind,
            namespace: &namespace,
            name: &name,
            verb: Verb::Create,
            status: false,
            validation: Validation::Strict,
            body: object,
        })
        .await?;
    answer.accepted(&format!("{} {name}", kind.kind)).map(|_| ())
}

/// Waits until the live version of an object is so.
pub(super) async fn until(
    objects: &Objects,
    object: &Value,
    what: &str,
    within: Duration,
    holds: impl Fn(&Value) -> bool,
) -> Result<(), TargetError> {
    let kind = objects.kinds.of(object).await?;
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let mut last = Value::Null;
    let mut versions = watch(objects.client(), &kind, namespace, Some(name), None);
    let waiting = async {
        while let Some(seen) = versions.next().await {
            if let Some(live) = seen.get(name) {
                if holds(live) {
                    return;
                }
                last = live["status"].clone();
            }
        }
    };
    if tokio::time::timeout(within, waiting).await.is_ok() {
        return Ok(());
    }
    let mut state = format!("its status is {last}");
    if kind.kind == "Deployment" {
        state.push_str(&pod_states(objects, namespace).await);
    }
    Err(TargetError::NotReady { what: format!("{} {name} {what}", kind.kind), within, state })
}

/// The status of a condition.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)?["status"].as_str()
}

/// Makes a namespace, and waits for what a cluster puts into each.
pub(super) async fn make_namespace(
    objects: &Objects,
    name: &str,
    labels: &Value,
    within: Duration,
) -> Result<(), TargetError> {
    create(objects, &namespace(name, labels)).await?;
    until_filled(objects, name, within).await
}

/// A namespace.
pub(super) fn namespace(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

/// Waits for what a cluster puts into each namespace.
pub(super) async fn until_filled(objects: &Objects, name: &str, within: Duration) -> Result<(), TargetError> {
    // What the cluster itself puts into every namespace is no scenario's doing: it must be there before.
    for (kind, own) in [("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")] {
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": own, "namespace": name}});
        until(objects, &object, "is there", within, |_| true).await?;
    }
    Ok(())
}

/// Removes a namespace, without waiting for its end.
pub(super) async fn remove_namespace(objects: &Objects, name: &str) -> Result<(), TargetError> {
    let kind = objects.kinds.named("namespace").await?;
    objects.delete(&kind, "", name).await?;
    Ok(())
}

/// What the containers of a pod wrote, and wrote before their last restart; empty when the pod is gone.
pub(super) async fn logs(objects: &Objects, namespace: &str, pod: &str) -> String {
    let pods: Api<Pod> = Api::namespaced(objects.client().clone(), namespace);
    let Ok(Some(object)) = pods.get_opt(pod).await else {
        return String::new();
    };
    let statuses = object.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    let restarts: BTreeMap<&str, i32> =
        statuses.into_iter().flatten().map(|status| (status.name.as_str(), status.restart_count)).collect();
    let mut text = String::new();
    for container in object.spec.iter().flat_map(|spec| &spec.containers) {
        let restarted = restarts.get(container.name.as_str()).is_some_and(|count| *count > 0);
        for previous in [true, false] {
            if previous && !restarted {
                continue;
            }
            let parameters = LogParams { container: Some(container.name.clone()), previous, ..LogParams::default() };
            // A container that has not started yet has written nothing.
            text.push_str(&pods.logs(&object.name_any(), &parameters).await.unwrap_or_default());
        }
    }
    text
}

async fn pod_states(objects: &Objects, namespace: &str) -> String {
    let Ok(kind) = objects.kinds.named("pod").await else {
        return String::new();
    };
    let pods = objects.list(&kind, namespace, None).await.unwrap_or_default();
    let mut text = String::new();
    for pod in pods {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let logs = logs(objects, namespace, name).await;
        let tail: Vec<&str> = logs.lines().rev().take(5).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        let _ = write!(text, "; pod {name} wrote: {}", tail.join(" / "));
    }
    text
}
