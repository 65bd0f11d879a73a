//! Objects: create, read, update, delete, and the rules of their metadata.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::{Resource, ResourceExt};
use serde_json::json;

use crate::api_support::{Document, document, documents, refusal, server};

#[tokio::test(start_paused = true)]
async fn the_server_fills_in_identity_time_generation_and_defaults() {
    let (_server, documents) = documents().await;
    let raw: Document = serde_json::from_value(json!({
        "apiVersion": "print.example.com/v1", "kind": "Document", "metadata": {"generateName": "doc-"}, "spec": {"copies": 2},
    }))
    .unwrap();
    let created = documents.create(&PostParams::default(), &raw).await.unwrap();
    assert!(created.name_any().starts_with("doc-") && created.name_any().len() == 9);
    assert!(created.uid().is_some() && created.meta().creation_timestamp.is_some());
    assert_eq!(created.meta().generation, Some(1));
    assert_eq!(created.spec.paper, "A4");
    assert!(created.status.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stale_update_is_a_conflict() {
    let (_server, documents) = documents().await;
    let first = documents.create(&PostParams::default(), &document("a", 1)).await.unwrap();
    let mut second = first.clone();
    second.spec.copies = 2;
    documents.replace("a", &PostParams::default(), &second).await.unwrap();
    let (code, reason, message) = refusal(documents.replace("a", &PostParams::default(), &first).await);
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert!(message.ends_with("please apply your changes to the latest version and try again"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_changes_nothing_keeps_the_revision() {
    let (_server, documents) = documents().await;
    let created = documents.create(&PostParams::default(), &document("a", 1)).await.unwrap();
    let patch = Patch::Merge(json!({"spec": {"copies": 1}}));
    let patched = documents.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(patched.resource_version(), created.resource_version());
}

#[tokio::test(start_paused = true)]
async fn spec_and_status_are_written_apart() {
    let (_server, documents) = documents().await;
    documents.create(&PostParams::default(), &document("a", 1)).await.unwrap();
    let both = json!({"spec": {"copies": 5}, "status": {"printed": 3}});
    let main = documents.patch("a", &PatchParams::default(), &Patch::Merge(&both)).await.unwrap();
    assert_eq!((main.spec.copies, main.status, main.metadata.generation), (5, None, Some(2)));
    let both = json!({"spec": {"copies": 9}, "status": {"printed": 3}});
    let status = documents.patch_status("a", &PatchParams::default(), &Patch::Merge(&both)).await.unwrap();
    assert_eq!((status.spec.copies, status.metadata.generation), (5, Some(2)));
    assert_eq!(status.status.unwrap().printed, 3);
}

#[tokio::test(start_paused = true)]
async fn scale_shows_and_sets_the_replicas() {
    let (_server, documents) = documents().await;
    documents.create(&PostParams::default(), &document("a", 4)).await.unwrap();
    let scale = documents.get_scale("a").await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(4));
    let patch = Patch::Merge(json!({"spec": {"replicas": 6}}));
    documents.patch_scale("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(documents.get("a").await.unwrap().spec.copies, 6);
}

#[tokio::test(start_paused = true)]
async fn an_object_with_finalizers_goes_when_the_last_one_does() {
    let (_server, documents) = documents().await;
    let mut object = document("a", 1);
    object.metadata.finalizers = Some(vec!["print.example.com/queue".into()]);
    documents.create(&PostParams::default(), &object).await.unwrap();
    let deleted = documents.delete("a", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert!(deleted.metadata.deletion_timestamp.is_some());
    let more = Patch::Merge(json!({"metadata": {"finalizers": ["print.example.com/queue", "print.example.com/more"]}}));
    assert_eq!(refusal(documents.patch("a", &PatchParams::default(), &more).await).0, 422);
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    documents.patch("a", &PatchParams::default(), &none).await.unwrap();
    assert!(documents.get_opt("a").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn preconditions_and_policies_of_deletions_are_kept() {
    let (_server, documents) = documents().await;
    documents.create(&PostParams::default(), &document("a", 1)).await.unwrap();
    let preconditions = Preconditions { uid: Some("other".into()), resource_version: None };
    let wrong = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    assert_eq!(refusal(documents.delete("a", &wrong).await).0, 409);
    let foreground =
        DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
    let waiting = documents.delete("a", &foreground).await.unwrap().left().unwrap();
    assert_eq!(waiting.finalizers(), ["foregroundDeletion"]);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_stores_nothing() {
    let (_server, documents) = documents().await;
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    documents.create(&dry, &document("a", 1)).await.unwrap();
    assert!(documents.get_opt("a").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn bounds_of_the_schema_are_enforced_in_the_real_words() {
    let (_server, documents) = documents().await;
    let (code, reason, message) = refusal(documents.create(&PostParams::default(), &document("a", 0)).await);
    assert_eq!((code, reason.as_str()), (422, "Invalid"));
    let expected = "Document.print.example.com \"a\" is invalid: spec.copies: Invalid value: 0: spec.copies in body should be \
                    greater than or equal to 1";
    assert_eq!(message, expected);
}

#[tokio::test(start_paused = true)]
async fn objects_are_made_only_in_namespaces_that_live() {
    let (_server, client) = server().await;
    let absent: Api<ConfigMap> = Api::namespaced(client.clone(), "absent");
    let map =
        ConfigMap { metadata: ObjectMeta { name: Some("m".into()), ..ObjectMeta::default() }, ..ConfigMap::default() };
    let (code, _, message) = refusal(absent.create(&PostParams::default(), &map).await);
    assert_eq!((code, message.as_str()), (404, "namespaces \"absent\" not found"));
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace =
        Namespace { metadata: ObjectMeta { name: Some("n".into()), ..ObjectMeta::default() }, ..Namespace::default() };
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    namespaces.delete("n", &DeleteParams::default()).await.unwrap();
    let dying: Api<ConfigMap> = Api::namespaced(client, "n");
    let (code, _, message) = refusal(dying.create(&PostParams::default(), &map).await);
    let expected =
        "configmaps \"m\" is forbidden: unable to create new content in namespace n because it is being terminated";
    assert_eq!((code, message.as_str()), (403, expected));
}

#[tokio::test(start_paused = true)]
async fn string_data_of_a_secret_becomes_data() {
    let (_server, client) = server().await;
    let secrets: Api<Secret> = Api::namespaced(client, "default");
    let secret: Secret =
        serde_json::from_value(json!({"metadata": {"name": "s"}, "stringData": {"key": "value"}})).unwrap();
    let stored = secrets.create(&PostParams::default(), &secret).await.unwrap();
    assert_eq!(stored.data.unwrap()["key"].0, b"value");
    assert_eq!((stored.string_data, stored.type_.as_deref()), (None, Some("Opaque")));
}

#[tokio::test(start_paused = true)]
async fn a_collection_is_deleted_by_selector() {
    let (_server, documents) = documents().await;
    for (name, team) in [("a", "red"), ("b", "red"), ("c", "blue")] {
        let mut object = document(name, 1);
        object.labels_mut().insert("team".into(), team.into());
        documents.create(&PostParams::default(), &object).await.unwrap();
    }
    let red = ListParams::default().labels("team=red");
    documents.delete_collection(&DeleteParams::default(), &red).await.unwrap();
    let left: Vec<String> =
        documents.list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect();
    assert_eq!(left, ["c"]);
}

#[tokio::test(start_paused = true)]
async fn a_field_that_selectors_do_not_know_is_refused() {
    let (_server, documents) = documents().await;
    let (code, _, message) = refusal(documents.list(&ListParams::default().fields("spec.copies=1")).await);
    assert_eq!((code, message.as_str()), (400, "field label not supported: spec.copies"));
}

#[tokio::test(start_paused = true)]
async fn a_status_with_a_default_reads_so_from_the_first_moment() {
    let (server, documents) = documents().await;
    let before = documents.create(&PostParams::default(), &document("before", 1)).await.unwrap();
    assert!(before.status.is_none());
    let definitions: Api<CustomResourceDefinition> = Api::all(server.client("default"));
    let patch: json_patch::Patch = serde_json::from_value(json!([{
        "op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/status/default", "value": {},
    }]))
    .unwrap();
    let name = "documents.print.example.com";
    definitions.patch(name, &PatchParams::default(), &Patch::Json::<()>(patch)).await.unwrap();
    let stored = documents.get("before").await.unwrap();
    assert_eq!(
        (stored.status.unwrap().printed, stored.metadata.resource_version),
        (0, before.metadata.resource_version)
    );
    let after = documents.create(&PostParams::default(), &document("after", 1)).await.unwrap();
    assert!(after.status.is_some());
}
