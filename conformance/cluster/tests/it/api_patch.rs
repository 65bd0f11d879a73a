//! Patches in every format, and server-side apply.

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::api_support::{document, documents, refusal, server};

#[tokio::test(start_paused = true)]
async fn a_json_patch_may_test_that_there_are_no_finalizers() {
    let (_server, documents) = documents().await;
    documents.create(&PostParams::default(), &document("a", 1)).await.unwrap();
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

#[tokio::test(start_paused = true)]
async fn strategic_merge_is_for_built_in_kinds() {
    let (_server, client) = server().await;
    let documents: Api<crate::api_support::Document> = Api::namespaced(client.clone(), "default");
    documents.create(&PostParams::default(), &document("a", 1)).await.unwrap();
    let patch = Patch::Strategic(json!({"spec": {"copies": 2}}));
    assert_eq!(refusal(documents.patch("a", &PatchParams::default(), &patch).await).0, 415);

    let deployments: Api<Deployment> = Api::namespaced(client, "default");
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "d"},
        "spec": {
            "selector": {"matchLabels": {"app": "d"}},
            "template": {
                "metadata": {"labels": {"app": "d"}},
                "spec": {"containers": [{"name": "one", "image": "i:1"}, {"name": "two", "image": "i:1"}]},
            },
        },
    }))
    .unwrap();
    deployments.create(&PostParams::default(), &deployment).await.unwrap();
    let containers = json!([{"name": "two", "image": "i:2"}]);
    let patch = Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": containers}}}}));
    let patched = deployments.patch("d", &PatchParams::default(), &patch).await.unwrap();
    let images: Vec<_> = patched
        .spec
        .unwrap()
        .template
        .spec
        .unwrap()
        .containers
        .into_iter()
        .map(|c| (c.name, c.image.unwrap()))
        .collect();
    assert_eq!(images, [("one".to_owned(), "i:1".to_owned()), ("two".to_owned(), "i:2".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn an_applied_field_that_is_no_longer_sent_disappears() {
    let (_server, documents) = documents().await;
    let apply = |annotations: serde_json::Value| {
        json!({
            "apiVersion": "print.example.com/v1", "kind": "Document",
            "metadata": {"name": "a", "annotations": annotations}, "spec": {"copies": 1},
        })
    };
    let manager = PatchParams::apply("printer");
    documents.patch("a", &manager, &Patch::Apply(apply(json!({"x": "1", "y": "2"})))).await.unwrap();
    let second = documents.patch("a", &manager, &Patch::Apply(apply(json!({"x": "1"})))).await.unwrap();
    assert_eq!(second.annotations().keys().collect::<Vec<_>>(), ["x"]);
    let third = documents.patch("a", &manager, &Patch::Apply(apply(json!({"x": "1"})))).await.unwrap();
    assert_eq!(third.resource_version(), second.resource_version());
}

#[tokio::test(start_paused = true)]
async fn a_field_of_another_manager_is_a_conflict_unless_forced() {
    let (_server, documents) = documents().await;
    let apply = |copies: i32| {
        Patch::Apply(json!({
            "apiVersion": "print.example.com/v1", "kind": "Document", "metadata": {"name": "a"}, "spec": {"copies": copies},
        }))
    };
    documents.patch("a", &PatchParams::apply("one"), &apply(1)).await.unwrap();
    let (code, _, message) = refusal(documents.patch("a", &PatchParams::apply("two"), &apply(2)).await);
    assert_eq!((code, message.as_str()), (409, "Apply failed with 1 conflict: conflict with \"one\": .spec.copies"));
    let forced = documents.patch("a", &PatchParams::apply("two").force(), &apply(2)).await.unwrap();
    assert_eq!(forced.spec.copies, 2);
}
