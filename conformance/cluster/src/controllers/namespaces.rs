//! The deletion of namespaces: first everything in it goes, then the namespace itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Namespace, NamespaceCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DeleteParams, ListParams, Patch};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::objects::{Change, Object, Objects};
use super::runtime::{Context, ControllerError, has_code, patch, post};

/// How soon a namespace is looked at again after a failure.
const RETRY: Duration = Duration::from_millis(50);

/// The finalizer of every namespace, in its spec.
const FINALIZER: &str = "kubernetes";

/// Runs until it is told to stop.
pub(super) async fn run(context: Arc<Context>, objects: Objects, stop: CancellationToken) {
    let mut changes = objects.subscribe();
    let mut due = BTreeSet::new();
    loop {
        let change = tokio::select! {
            () = stop.cancelled() => return,
            change = changes.recv() => change,
            () = tokio::time::sleep(RETRY), if !due.is_empty() => Err(RecvError::Lagged(0)),
        };
        match change {
            Ok(change) => due.extend(concerned(&objects, &change)),
            Err(RecvError::Lagged(_)) => {
                let ending = objects.all().into_iter().filter(|object| is_ending(object));
                due.extend(ending.map(|object| object.name.clone()));
            }
            Err(RecvError::Closed) => return,
        }
        // A namespace's content goes object by object: look once for all that went already.
        if !changes.is_empty() {
            continue;
        }
        for name in std::mem::take(&mut due) {
            if let Err(error) = clear(&context, &objects, &name).await {
                tracing::debug!(error = &error as &dyn std::error::Error, name, "a namespace is cleared again");
                due.insert(name);
            }
        }
    }
}

fn is_ending(object: &Object) -> bool {
    object.kind.group.is_empty() && object.kind.name == "Namespace" && object.is_deleting
}

/// The namespace that a change brings forward: one that began to end, or one that may have lost its last object.
fn concerned(objects: &Objects, change: &Change) -> Option<String> {
    match change {
        Change::Applied(object) => is_ending(object).then(|| object.name.clone()),
        Change::Deleted(object) => {
            let namespace = object.namespace.as_ref()?;
            objects.is_namespace_ending(namespace).then(|| namespace.clone())
        }
        Change::Listed => None,
    }
}

/// Deletes what is in an ending namespace, and the namespace when nothing is left.
async fn clear(context: &Context, objects: &Objects, name: &str) -> Result<(), ControllerError> {
    let namespaces = Api::<Namespace>::all(context.client.clone());
    let Some(namespace) = namespaces.get_opt(name).await? else {
        return Ok(());
    };
    if namespace.metadata.deletion_timestamp.is_none() {
        return Ok(());
    }
    let mut remaining = Vec::new();
    for kind in objects.kinds().into_iter().filter(|kind| kind.namespaced) {
        let api = kind.api(&context.client, Some(name));
        if api.list_metadata(&ListParams::default().limit(1)).await?.items.is_empty() {
            continue;
        }
        match api.delete_collection(&DeleteParams::background(), &ListParams::default()).await {
            // Not every kind can be deleted as a whole.
            Err(error) if !has_code(&error, 405) && !has_code(&error, 404) => {
                return Err(error.into());
            }
            _ => {}
        }
        let left = api.list_metadata(&ListParams::default()).await?.items;
        if !left.is_empty() {
            let finalizers = left.iter().flat_map(|object| object.finalizers().to_vec()).collect();
            remaining.push(Remaining {
                resource: resource_name(&kind.plural, &kind.group),
                count: left.len(),
                finalizers,
            });
        }
    }
    if !remaining.is_empty() {
        return report(context, &namespaces, &namespace, &remaining).await;
    }
    let events = Api::<Event>::namespaced(context.client.clone(), name);
    events.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    finalize(&namespaces, namespace).await
}

struct Remaining {
    resource: String,
    count: usize,
    finalizers: Vec<String>,
}

fn resource_name(plural: &str, group: &str) -> String {
    if group.is_empty() { format!("{plural}.") } else { format!("{plural}.{group}") }
}

async fn finalize(namespaces: &Api<Namespace>, mut namespace: Namespace) -> Result<(), ControllerError> {
    let spec = namespace.spec.get_or_insert_default();
    let finalizers = spec.finalizers.get_or_insert_default();
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    let name = namespace.name_any();
    match namespaces.replace_subresource("finalize", &name, &post(), &namespace).await {
        Err(error) if !has_code(&error, 404) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Tells by conditions what the namespace still waits for.
async fn report(
    context: &Context,
    namespaces: &Api<Namespace>,
    namespace: &Namespace,
    remaining: &[Remaining],
) -> Result<(), ControllerError> {
    let mut counts: Vec<_> =
        remaining.iter().map(|left| format!("{} has {} resource instances", left.resource, left.count)).collect();
    counts.sort_unstable();
    let mut finalizers: Vec<_> = remaining.iter().flat_map(|left| &left.finalizers).collect();
    finalizers.sort_unstable();
    finalizers.dedup();
    let finalizers: Vec<_> = finalizers
        .into_iter()
        .map(|name| {
            let count = remaining.iter().flat_map(|left| &left.finalizers).filter(|own| *own == name).count();
            format!("{name} in {count} resource instances")
        })
        .collect();
    let mut wanted = vec![
        (
            "NamespaceDeletionDiscoveryFailure",
            "False",
            "ResourcesDiscovered",
            "All resources successfully discovered".to_owned(),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".to_owned(),
        ),
        (
            "NamespaceDeletionContentFailure",
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization".to_owned(),
        ),
        (
            "NamespaceContentRemaining",
            "True",
            "SomeResourcesRemain",
            format!("Some resources are remaining: {}", counts.join(", ")),
        ),
    ];
    wanted.push(if finalizers.is_empty() {
        let message = "All content-preserving finalizers finished".to_owned();
        ("NamespaceFinalizersRemaining", "False", "ContentHasNoFinalizers", message)
    } else {
        let message = format!("Some content in the namespace has finalizers remaining: {}", finalizers.join(", "));
        ("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", message)
    });
    let present = namespace.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    let conditions: Vec<_> = wanted
        .into_iter()
        .map(|(kind, status, reason, message)| {
            let old = present.iter().find(|old| old.type_ == kind && old.status == status);
            NamespaceCondition {
                type_: kind.to_owned(),
                status: status.to_owned(),
                reason: Some(reason.to_owned()),
                message: Some(message),
                last_transition_time: old
                    .and_then(|old| old.last_transition_time.clone())
                    .or_else(|| Some(Time(context.now()))),
            }
        })
        .collect();
    if conditions == present {
        return Ok(());
    }
    let change = json!({"status": {"conditions": conditions}});
    match namespaces.patch_status(&namespace.name_any(), &patch(), &Patch::Merge(change)).await {
        Err(error) if !has_code(&error, 404) => Err(error.into()),
        _ => Ok(()),
    }
}
