//! Making and deleting pods from a template, and the events that tell of it.

use futures::future::join_all;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Resource, ResourceExt};

use super::events::EventType;
use super::runtime::{Context, ControllerError, controller_reference, has_code, post};

/// How many pods are made or deleted in one go.
pub(super) const BURST: usize = 500;

/// A pod of a template that its owner controls; its name is still to be set.
pub(super) fn pod_of<K: Resource<DynamicType = ()>>(owner: &K, template: PodTemplateSpec) -> Pod {
    let metadata = template.metadata.unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            namespace: owner.meta().namespace.clone(),
            labels: metadata.labels,
            annotations: metadata.annotations,
            finalizers: metadata.finalizers,
            owner_references: Some(vec![controller_reference(owner)]),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    }
}

/// Makes pods; stops at the first that is refused.
pub(super) async fn create<K: Resource<DynamicType = ()>>(
    context: &Context,
    api: &Api<Pod>,
    owner: &K,
    pods: Vec<Pod>,
) -> Result<Vec<Pod>, ControllerError> {
    let params = post();
    let created = join_all(pods.iter().map(|pod| api.create(&params, pod))).await;
    let mut result = Vec::with_capacity(created.len());
    for pod in created {
        match pod {
            Ok(pod) => {
                let message = format!("Created pod: {}", pod.name_any());
                context.recorder.record(owner, EventType::Normal, "SuccessfulCreate", message);
                result.push(pod);
            }
            Err(error) => {
                context.recorder.record(owner, EventType::Warning, "FailedCreate", format!("Error creating: {error}"));
                return Err(error.into());
            }
        }
    }
    Ok(result)
}

/// Deletes pods. One that is gone already, or that is another by now, is none of ours.
pub(super) async fn delete<'a, K: Resource<DynamicType = ()>>(
    context: &Context,
    api: &Api<Pod>,
    owner: &K,
    pods: impl IntoIterator<Item = &'a Pod>,
) -> Result<(), ControllerError> {
    for pod in pods {
        if delete_one(api, pod).await? {
            let message = format!("Deleted pod: {}", pod.name_any());
            context.recorder.record(owner, EventType::Normal, "SuccessfulDelete", message);
        }
    }
    Ok(())
}

/// Deletes this very pod; whether it was there.
pub(super) async fn delete_one(api: &Api<Pod>, pod: &Pod) -> Result<bool, ControllerError> {
    let preconditions = Preconditions { uid: pod.uid(), resource_version: None };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    match api.delete(&pod.name_any(), &params).await {
        Ok(_) => Ok(true),
        Err(error) if has_code(&error, 404) || has_code(&error, 409) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
