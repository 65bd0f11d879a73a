//! What other servers for tests get wrong, so that controllers loop for ever or miss something.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use http::{Method, Request};
use http_body_util::BodyExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

use crate::case::cases;
use crate::documents::DocumentStatus;
use crate::refusal::refusal;
use crate::world::World;

cases! { "pitfalls":
    an_update_without_the_last_finalizer_ends_the_object,
    an_applied_configuration_without_the_last_finalizer_ends_the_object,
    no_write_without_a_change_is_told_to_watches,
    a_custom_object_in_protobuf_is_of_an_unsupported_media_type,
    without_a_status_subresource_the_generation_counts_the_status,
    an_update_of_the_status_changes_neither_spec_nor_metadata,
    an_update_without_the_status_keeps_it,
    the_revision_in_an_applied_configuration_is_a_precondition,
    an_applied_configuration_may_be_yaml,
    times_of_metadata_have_seconds_and_those_of_leases_microseconds,
}

const HOLD: &str = "print.example.com/queue";

async fn an_update_without_the_last_finalizer_ends_the_object(world: Arc<World>) {
    let documents = world.documents();
    let mut object = world.document("a", 1);
    object.metadata.finalizers = Some(vec![HOLD.into()]);
    documents.create(&PostParams::default(), &object).await.unwrap();
    let mut object = documents.delete("a", &DeleteParams::default()).await.unwrap().left().unwrap();
    let revision = object.resource_version().unwrap();
    object.metadata.finalizers = None;
    documents.replace("a", &PostParams::default(), &object).await.unwrap();
    assert!(documents.get_opt("a").await.unwrap().is_none());
    let events = documents.watch(&WatchParams::default(), &revision).await.unwrap();
    let event = events.boxed().next().await.unwrap().unwrap();
    assert!(matches!(event, WatchEvent::Deleted(_)), "{event:?}");
}

async fn an_applied_configuration_without_the_last_finalizer_ends_the_object(world: Arc<World>) {
    let documents = world.documents();
    let apply = |finalizers: &[&str]| {
        world.applied("a", json!({"metadata": {"finalizers": finalizers}, "spec": {"copies": 1}}))
    };
    let manager = PatchParams::apply("printer");
    documents.patch("a", &manager, &apply(&[HOLD])).await.unwrap();
    documents.delete("a", &DeleteParams::default()).await.unwrap();
    documents.patch("a", &manager, &apply(&[])).await.unwrap();
    assert!(documents.get_opt("a").await.unwrap().is_none());
}

async fn no_write_without_a_change_is_told_to_watches(world: Arc<World>) {
    let documents = world.documents();
    world.create_document("a", 1).await;
    let (plain, post) = (PatchParams::default(), PostParams::default());
    let status = Patch::Merge(json!({"status": {"printed": 1}}));
    documents.patch_status("a", &plain, &status).await.unwrap();
    let manager = PatchParams::apply("printer").force();
    let applied = world.applied("a", json!({"spec": {"copies": 1}}));
    documents.patch("a", &manager, &applied).await.unwrap();
    let applied_status = world.applied("a", json!({"status": {"printed": 1}}));
    let before = documents.patch_status("a", &manager, &applied_status).await.unwrap();
    let revision = before.resource_version().unwrap();

    // In another second: a time in managedFields that is renewed would be a change.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let replace = json!([{"op": "replace", "path": "/spec/copies", "value": 1}]);
    let replace: json_patch::Patch = serde_json::from_value(replace).unwrap();
    let writes = [
        documents.replace("a", &post, &before).await,
        documents.replace_status("a", &post, &before).await,
        documents.patch("a", &plain, &Patch::Merge(json!({"spec": {"copies": 1}}))).await,
        documents.patch("a", &plain, &Patch::Json::<()>(replace)).await,
        documents.patch_status("a", &plain, &status).await,
        documents.patch("a", &manager, &applied).await,
        documents.patch_status("a", &manager, &applied_status).await,
    ];
    for written in writes {
        assert_eq!(written.unwrap().resource_version().unwrap(), revision);
    }
    let events = documents.watch(&WatchParams::default().timeout(1), &revision).await.unwrap();
    let events: Vec<_> = events.collect().await;
    assert!(events.iter().all(|event| matches!(event, Ok(WatchEvent::Bookmark(_)))), "{events:?}");
}

async fn a_custom_object_in_protobuf_is_of_an_unsupported_media_type(world: Arc<World>) {
    let headers = [("content-type", "application/vnd.kubernetes.protobuf")];
    let answer = world.send(Method::POST, &world.documents_path(""), &headers, &json!({})).await;
    assert_eq!((answer.code, &answer.body["reason"]), (415, &json!("UnsupportedMediaType")));
}

async fn without_a_status_subresource_the_generation_counts_the_status(world: Arc<World>) {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    let resource = world.define("Note", json!([version])).await;
    let notes = Api::<DynamicObject>::namespaced_with(world.client(), world.namespace(), &resource);
    notes.create(&PostParams::default(), &DynamicObject::new("a", &resource)).await.unwrap();
    let generation = async |change: Value| {
        notes.patch("a", &PatchParams::default(), &Patch::Merge(change)).await.unwrap().metadata.generation
    };
    assert_eq!(generation(json!({"metadata": {"labels": {"x": "y"}}})).await, Some(1));
    assert_eq!(generation(json!({"status": {"printed": 1}})).await, Some(2));
    assert_eq!(generation(json!({"anything": true})).await, Some(3));
}

async fn an_update_of_the_status_changes_neither_spec_nor_metadata(world: Arc<World>) {
    let mut object = world.create_document("a", 1).await;
    object.spec.copies = 9;
    object.labels_mut().insert("x".into(), "y".into());
    object.metadata.finalizers = Some(vec![HOLD.into()]);
    object.status = Some(DocumentStatus { printed: 3, observed_generation: 1 });
    let written = world.documents().replace_status("a", &PostParams::default(), &object).await.unwrap();
    assert_eq!((written.spec.copies, written.metadata.generation), (1, Some(1)));
    assert!(written.metadata.labels.is_none() && written.metadata.finalizers.is_none());
    assert_eq!(written.status.unwrap().printed, 3);
}

async fn an_update_without_the_status_keeps_it(world: Arc<World>) {
    let documents = world.documents();
    world.create_document("a", 1).await;
    let status = Patch::Merge(json!({"status": {"printed": 3}}));
    let mut object = documents.patch_status("a", &PatchParams::default(), &status).await.unwrap();
    object.status = None;
    object.spec.copies = 2;
    let written = documents.replace("a", &PostParams::default(), &object).await.unwrap();
    assert_eq!((written.spec.copies, written.status.unwrap().printed), (2, 3));
}

async fn the_revision_in_an_applied_configuration_is_a_precondition(world: Arc<World>) {
    let documents = world.documents();
    let manager = PatchParams::apply("printer");
    let first = documents.patch("a", &manager, &world.applied("a", json!({"spec": {"copies": 1}}))).await.unwrap();
    let apply = |copies: i32| {
        let metadata = json!({"resourceVersion": first.resource_version()});
        world.applied("a", json!({"metadata": metadata, "spec": {"copies": copies}}))
    };
    documents.patch("a", &manager, &apply(2)).await.unwrap();
    let (code, reason, _) = refusal(documents.patch("a", &manager, &apply(3)).await);
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
}

async fn an_applied_configuration_may_be_yaml(world: Arc<World>) {
    let resource = world.resource();
    let yaml = format!(
        "apiVersion: {}\nkind: {}\nmetadata: {{name: a}}\nspec:\n  # How many.\n  copies: 2\n",
        resource.api_version, resource.kind
    );
    let request = Request::patch(world.documents_path("/a?fieldManager=printer"))
        .header("content-type", "application/apply-patch+yaml")
        .body(yaml.into_bytes().into())
        .unwrap();
    let answer = world.client().send(request).await.unwrap();
    let code = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(code, 201, "{}", String::from_utf8_lossy(&body));
    assert_eq!(world.documents().get("a").await.unwrap().spec.copies, 2);
}

async fn times_of_metadata_have_seconds_and_those_of_leases_microseconds(world: Arc<World>) {
    let time = "2026-01-02T03:04:05.678901Z";
    world.create::<Lease>(json!({"metadata": {"name": "a"}, "spec": {"renewTime": time}})).await;
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/a", world.namespace());
    let lease = world.get(&path).await.body;
    assert_eq!(lease["spec"]["renewTime"], time);
    let created = lease["metadata"]["creationTimestamp"].as_str().unwrap();
    assert_eq!(created.len(), "2026-01-02T03:04:05Z".len(), "{created}");
}
