//! Patches in every format, and server-side apply.

use std::sync::Arc;

use http::Method;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::case::cases;
use crate::refusal::refusal;
use crate::world::World;

cases! { "patches":
    a_json_patch_may_test_that_there_are_no_finalizers,
    strategic_merge_is_for_built_in_kinds,
    strategic_merge_merges_lists_by_their_key,
    an_applied_field_that_is_no_longer_sent_disappears,
    a_field_of_another_manager_is_a_conflict_unless_forced,
    a_field_that_two_managers_agree_on_goes_with_the_last_of_them,
    an_update_takes_over_a_field_that_was_applied,
    apply_creates_what_is_not_there_unless_it_is_to_be_of_a_revision,
    apply_wants_a_manager_and_no_managed_fields,
}

async fn a_json_patch_may_test_that_there_are_no_finalizers(world: Arc<World>) {
    let documents = world.documents();
    world.create_document("a", 1).await;
    let patch: json_patch::Patch = serde_json::from_value(json!([
        {"op": "test", "path": "/metadata/finalizers", "value": null},
        {"op": "add", "path": "/metadata/finalizers", "value": ["print.example.com/queue"]},
    ]))
    .unwrap();
    let patch = Patch::Json::<()>(patch);
    let patched = documents.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(patched.finalizers(), ["print.example.com/queue"]);
    assert_eq!(refusal(documents.patch("a", &PatchParams::default(), &patch).await).0, 422);
}

async fn strategic_merge_is_for_built_in_kinds(world: Arc<World>) {
    world.create_document("a", 1).await;
    let patch = Patch::Strategic(json!({"spec": {"copies": 2}}));
    let (code, reason, _) = refusal(world.documents().patch("a", &PatchParams::default(), &patch).await);
    assert_eq!((code, reason.as_str()), (415, "UnsupportedMediaType"));
}

async fn strategic_merge_merges_lists_by_their_key(world: Arc<World>) {
    let containers = json!([{"name": "one", "image": "i:1"}, {"name": "two", "image": "i:1"}]);
    world
        .create::<Deployment>(json!({
            "metadata": {"name": "d"},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "d"}},
                "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": containers}},
            },
        }))
        .await;
    let containers = json!([{"name": "two", "image": "i:2"}]);
    let patch = Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": containers}}}}));
    let patched = world.api::<Deployment>().patch("d", &PatchParams::default(), &patch).await.unwrap();
    let containers = patched.spec.unwrap().template.spec.unwrap().containers;
    let images: Vec<_> = containers.into_iter().map(|container| (container.name, container.image.unwrap())).collect();
    assert_eq!(images, [("one".to_owned(), "i:1".to_owned()), ("two".to_owned(), "i:2".to_owned())]);
}

async fn an_applied_field_that_is_no_longer_sent_disappears(world: Arc<World>) {
    let documents = world.documents();
    let applied =
        |annotations| world.applied("a", json!({"metadata": {"annotations": annotations}, "spec": {"copies": 1}}));
    let manager = PatchParams::apply("printer");
    documents.patch("a", &manager, &applied(json!({"x": "1", "y": "2"}))).await.unwrap();
    let second = documents.patch("a", &manager, &applied(json!({"x": "1"}))).await.unwrap();
    assert_eq!(second.annotations().keys().collect::<Vec<_>>(), ["x"]);
    let third = documents.patch("a", &manager, &applied(json!({"x": "1"}))).await.unwrap();
    assert_eq!(third.resource_version(), second.resource_version());
}

async fn a_field_of_another_manager_is_a_conflict_unless_forced(world: Arc<World>) {
    let documents = world.documents();
    let applied = |copies: i32| world.applied("a", json!({"spec": {"copies": copies}}));
    documents.patch("a", &PatchParams::apply("one"), &applied(1)).await.unwrap();
    let (code, reason, message) = refusal(documents.patch("a", &PatchParams::apply("two"), &applied(2)).await);
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert_eq!(message, "Apply failed with 1 conflict: conflict with \"one\": .spec.copies");
    let forced = documents.patch("a", &PatchParams::apply("two").force(), &applied(2)).await.unwrap();
    assert_eq!(forced.spec.copies, 2);
    let (code, ..) = refusal(documents.patch("a", &PatchParams::apply("one"), &applied(1)).await);
    assert_eq!(code, 409, "the field has changed hands");
}

async fn a_field_that_two_managers_agree_on_goes_with_the_last_of_them(world: Arc<World>) {
    let documents = world.documents();
    let (one, two) = (PatchParams::apply("one"), PatchParams::apply("two"));
    let with = || world.applied("a", json!({"metadata": {"labels": {"shared": "yes"}}, "spec": {"copies": 1}}));
    let without = || world.applied("a", json!({"spec": {"copies": 1}}));
    documents.patch("a", &one, &with()).await.unwrap();
    documents.patch("a", &two, &with()).await.unwrap();
    let kept = documents.patch("a", &one, &without()).await.unwrap();
    assert_eq!(kept.labels()["shared"], "yes", "the other manager still wants it");
    let dropped = documents.patch("a", &two, &without()).await.unwrap();
    assert!(dropped.labels().is_empty());
}

async fn an_update_takes_over_a_field_that_was_applied(world: Arc<World>) {
    let documents = world.documents();
    documents
        .patch("a", &PatchParams::apply("one"), &world.applied("a", json!({"spec": {"copies": 1}})))
        .await
        .unwrap();
    let patch = Patch::Merge(json!({"spec": {"copies": 2}}));
    let manager = PatchParams { field_manager: Some("editor".to_owned()), ..PatchParams::default() };
    documents.patch("a", &manager, &patch).await.unwrap();
    let applied = world.applied("a", json!({"spec": {"copies": 1}}));
    let (code, _, message) = refusal(documents.patch("a", &PatchParams::apply("one"), &applied).await);
    assert_eq!(code, 409);
    assert!(message.contains("conflict with \"editor\" using"), "{message}");
}

async fn apply_creates_what_is_not_there_unless_it_is_to_be_of_a_revision(world: Arc<World>) {
    let documents = world.documents();
    let manager = PatchParams::apply("printer");
    let applied = world.applied("a", json!({"spec": {"copies": 1}}));
    let created = documents.patch("a", &manager, &applied).await.unwrap();
    assert_eq!(created.metadata.generation, Some(1));
    let stale = world.applied("a", json!({"metadata": {"resourceVersion": "1"}, "spec": {"copies": 2}}));
    assert_eq!(refusal(documents.patch("a", &manager, &stale).await).0, 409);
    let absent = world.applied("b", json!({"metadata": {"resourceVersion": "1"}, "spec": {"copies": 2}}));
    assert_eq!(refusal(documents.patch("b", &manager, &absent).await).0, 409);
    let status = world.applied("c", json!({"status": {"printed": 2}}));
    assert_eq!(refusal(documents.patch_status("c", &manager, &status).await).0, 404);
}

async fn apply_wants_a_manager_and_no_managed_fields(world: Arc<World>) {
    let body = json!({"apiVersion": world.resource().api_version, "kind": "Document", "metadata": {"name": "a"},
        "spec": {"copies": 1}});
    let headers = [("content-type", "application/apply-patch+yaml")];
    let answer = world.send(Method::PATCH, &world.documents_path("/a"), &headers, &body).await;
    assert_eq!((answer.code, answer.fields()), (422, vec!["fieldManager"]));
    let entry = json!([{"manager": "m", "operation": "Apply", "apiVersion": world.resource().api_version}]);
    let owned = world.applied("a", json!({"metadata": {"managedFields": entry}, "spec": {"copies": 1}}));
    let (code, _, message) = refusal(world.documents().patch("a", &PatchParams::apply("m"), &owned).await);
    assert_eq!((code, message.as_str()), (400, "metadata.managedFields must be nil"));
}
