//! The scale subresource.

use std::sync::Arc;

use http::Method;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::case::cases;
use crate::refusal::refusal;
use crate::world::World;

cases! { "scale":
    scale_shows_and_sets_the_replicas,
    scale_is_applied_with_an_owner,
    a_stale_scale_is_a_conflict,
    fewer_than_no_replicas_are_refused,
}

async fn scale_shows_and_sets_the_replicas(world: Arc<World>) {
    let documents = world.documents();
    world.create_document("a", 4).await;
    let scale = documents.get_scale("a").await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(4));
    let patch = Patch::Merge(json!({"spec": {"replicas": 6}}));
    documents.patch_scale("a", &PatchParams::default(), &patch).await.unwrap();
    let scaled = documents.get("a").await.unwrap();
    assert_eq!((scaled.spec.copies, scaled.metadata.generation), (6, Some(2)));
}

fn applied(replicas: i32) -> Patch<Value> {
    Patch::Apply(
        json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}, "spec": {"replicas": replicas}}),
    )
}

async fn scale_is_applied_with_an_owner(world: Arc<World>) {
    let deployments = world.api::<Deployment>();
    let template =
        json!({"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "d"}}, "template": template}});
    deployments.patch("d", &PatchParams::apply("owner"), &Patch::Apply(deployment)).await.unwrap();
    let scaler = PatchParams::apply("scaler");
    let (code, _, message) = refusal(deployments.patch_scale("d", &scaler, &applied(1)).await);
    assert_eq!(
        (code, message.as_str()),
        (409, "Apply failed with 1 conflict: conflict with \"owner\": .spec.replicas")
    );
    let answer = deployments.patch_scale("d", &scaler.force(), &applied(1)).await.unwrap();
    assert_eq!(answer.spec.unwrap().replicas, Some(1));
    let deployment = deployments.get("d").await.unwrap();
    assert_eq!(deployment.spec.unwrap().replicas, Some(1));
    let entries = deployment.metadata.managed_fields.unwrap();
    let entry = entries.iter().find(|entry| entry.manager.as_deref() == Some("scaler")).unwrap();
    assert_eq!((entry.operation.as_deref(), entry.subresource.as_deref()), (Some("Apply"), Some("scale")));
    assert_eq!(entry.api_version.as_deref(), Some("apps/v1"));
    assert_eq!(entry.fields_v1.as_ref().unwrap().0, json!({"f:spec": {"f:replicas": {}}}));
}

async fn a_stale_scale_is_a_conflict(world: Arc<World>) {
    let old = world.create_document("a", 4).await;
    let patch = Patch::Merge(json!({"spec": {"copies": 5}}));
    world.documents().patch("a", &PatchParams::default(), &patch).await.unwrap();
    let stale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": {"name": "a", "namespace": world.namespace(), "resourceVersion": old.metadata.resource_version},
        "spec": {"replicas": 6}});
    let answer = world.send(Method::PUT, &world.documents_path("/a/scale"), &[], &stale).await;
    assert_eq!((answer.code, &answer.body["reason"]), (409, &json!("Conflict")));
}

async fn fewer_than_no_replicas_are_refused(world: Arc<World>) {
    world.create_document("a", 4).await;
    let patch = Patch::Merge(json!({"spec": {"replicas": -1}}));
    let (code, _, message) = refusal(world.documents().patch_scale("a", &PatchParams::default(), &patch).await);
    assert_eq!(code, 422);
    assert!(message.contains("spec.replicas: Invalid value: -1: "), "{message}");
}
