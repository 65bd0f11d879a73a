//! Objects: create, read, update, delete, and the rules of their metadata.

use std::sync::Arc;

use http::Method;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use kube::{Resource, ResourceExt};
use serde_json::json;

use crate::case::cases;
use crate::documents::Document;
use crate::refusal::refusal;
use crate::world::World;

cases! { "objects":
    the_server_fills_in_identity_time_generation_and_defaults,
    a_stale_update_is_a_conflict,
    a_write_that_changes_nothing_keeps_the_revision,
    spec_and_status_are_written_apart,
    an_object_with_finalizers_goes_when_the_last_one_does,
    deletions_keep_their_preconditions,
    a_foreground_deletion_leaves_a_finalizer,
    a_dry_run_of_any_write_stores_nothing,
    bounds_of_the_schema_are_enforced_in_the_real_words,
    unknown_fields_are_dropped_warned_of_or_refused,
    objects_are_made_only_in_namespaces_that_live,
    string_data_of_a_secret_becomes_data,
    a_collection_is_deleted_by_selector,
}

async fn the_server_fills_in_identity_time_generation_and_defaults(world: Arc<World>) {
    let api_version = &world.resource().api_version;
    let raw: Document = serde_json::from_value(json!({
        "apiVersion": api_version, "kind": "Document", "metadata": {"generateName": "doc-"}, "spec": {"copies": 2, "paper": "A4"},
    }))
    .unwrap();
    let created = world.documents().create(&PostParams::default(), &raw).await.unwrap();
    assert!(created.name_any().starts_with("doc-") && created.name_any().len() == 9);
    assert!(created.uid().is_some() && created.meta().creation_timestamp.is_some());
    assert_eq!(created.meta().generation, Some(1));
    assert!(created.status.is_none());
    let bare =
        json!({"apiVersion": api_version, "kind": "Document", "metadata": {"name": "bare"}, "spec": {"copies": 2}});
    let answer = world.send(Method::POST, &world.documents_path(""), &[], &bare).await;
    assert_eq!((answer.code, &answer.body["spec"]), (201, &json!({"copies": 2, "paper": "A4"})));
}

async fn a_stale_update_is_a_conflict(world: Arc<World>) {
    let first = world.create_document("a", 1).await;
    let mut second = first.clone();
    second.spec.copies = 2;
    world.documents().replace("a", &PostParams::default(), &second).await.unwrap();
    let (code, reason, message) = refusal(world.documents().replace("a", &PostParams::default(), &first).await);
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert!(message.ends_with("please apply your changes to the latest version and try again"), "{message}");
}

async fn a_write_that_changes_nothing_keeps_the_revision(world: Arc<World>) {
    let created = world.create_document("a", 1).await;
    let patch = Patch::Merge(json!({"spec": {"copies": 1}}));
    let patched = world.documents().patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(patched.resource_version(), created.resource_version());
}

async fn spec_and_status_are_written_apart(world: Arc<World>) {
    let documents = world.documents();
    world.create_document("a", 1).await;
    let both = json!({"spec": {"copies": 5}, "status": {"printed": 3}});
    let main = documents.patch("a", &PatchParams::default(), &Patch::Merge(&both)).await.unwrap();
    assert_eq!((main.spec.copies, main.status, main.metadata.generation), (5, None, Some(2)));
    let both = json!({"spec": {"copies": 9}, "status": {"printed": 3}, "metadata": {"labels": {"a": "b"}}});
    let status = documents.patch_status("a", &PatchParams::default(), &Patch::Merge(&both)).await.unwrap();
    assert_eq!((status.spec.copies, status.metadata.generation), (5, Some(2)));
    assert_eq!((status.status.unwrap().printed, status.metadata.labels), (3, None));
    let labels = Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}}));
    let labelled = documents.patch("a", &PatchParams::default(), &labels).await.unwrap();
    assert_eq!(labelled.metadata.generation, Some(2), "metadata is not what the generation counts");
}

async fn an_object_with_finalizers_goes_when_the_last_one_does(world: Arc<World>) {
    let documents = world.documents();
    let mut object = world.document("a", 1);
    object.metadata.finalizers = Some(vec!["print.example.com/queue".into()]);
    documents.create(&PostParams::default(), &object).await.unwrap();
    let deleted = documents.delete("a", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert!(deleted.metadata.deletion_timestamp.is_some());
    assert_eq!(deleted.metadata.generation, Some(2));
    let more = Patch::Merge(json!({"metadata": {"finalizers": ["print.example.com/queue", "print.example.com/more"]}}));
    assert_eq!(refusal(documents.patch("a", &PatchParams::default(), &more).await).0, 422);
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    documents.patch("a", &PatchParams::default(), &none).await.unwrap();
    assert!(documents.get_opt("a").await.unwrap().is_none());
}

async fn deletions_keep_their_preconditions(world: Arc<World>) {
    let documents = world.documents();
    let old = world.create_document("a", 1).await;
    let patch = Patch::Merge(json!({"spec": {"copies": 2}}));
    let new = documents.patch("a", &PatchParams::default(), &patch).await.unwrap();
    let given = |uid: Option<String>, resource_version: Option<String>| DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version }),
        ..DeleteParams::default()
    };
    let (code, reason, message) = refusal(documents.delete("a", &given(Some("other".into()), None)).await);
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert!(message.contains("the UID in the precondition (other) does not match the UID in record"), "{message}");
    let (code, _, message) = refusal(documents.delete("a", &given(None, old.resource_version())).await);
    assert_eq!(code, 409);
    assert!(message.contains("does not match the ResourceVersion in record"), "{message}");
    documents.delete("a", &given(new.uid(), new.resource_version())).await.unwrap();
    assert!(documents.get_opt("a").await.unwrap().is_none());
}

async fn a_foreground_deletion_leaves_a_finalizer(world: Arc<World>) {
    let documents = world.documents();
    let mut object = world.document("a", 1);
    object.metadata.finalizers = Some(vec!["print.example.com/queue".into()]);
    documents.create(&PostParams::default(), &object).await.unwrap();
    let foreground =
        DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
    let waiting = documents.delete("a", &foreground).await.unwrap().left().unwrap();
    assert_eq!(waiting.finalizers(), ["print.example.com/queue", "foregroundDeletion"]);
}

async fn a_dry_run_of_any_write_stores_nothing(world: Arc<World>) {
    let documents = world.documents();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let created = documents.create(&dry, &world.document("absent", 1)).await.unwrap();
    assert!(created.uid().is_some() && created.resource_version().is_none());
    assert!(documents.get_opt("absent").await.unwrap().is_none());
    let stored = world.create_document("a", 1).await;
    let mut other = stored.clone();
    other.spec.copies = 2;
    assert_eq!(documents.replace("a", &dry, &other).await.unwrap().spec.copies, 2);
    let patch = Patch::Merge(json!({"spec": {"copies": 3}}));
    let patched = documents.patch("a", &PatchParams::default().dry_run(), &patch).await.unwrap();
    assert_eq!(patched.spec.copies, 3);
    documents.delete("a", &DeleteParams::default().dry_run()).await.unwrap();
    let collection = DeleteParams::default().dry_run();
    documents.delete_collection(&collection, &ListParams::default()).await.unwrap();
    let left = documents.get("a").await.unwrap();
    assert_eq!((left.spec.copies, left.resource_version()), (1, stored.resource_version()));
    let answer = world.send(Method::DELETE, &world.documents_path("/a?dryRun=Some"), &[], &json!(null)).await;
    assert_eq!((answer.code, answer.fields()), (422, vec!["dryRun"]));
}

async fn bounds_of_the_schema_are_enforced_in_the_real_words(world: Arc<World>) {
    let refused = world.documents().create(&PostParams::default(), &world.document("a", 0)).await;
    let (code, reason, message) = refusal(refused);
    assert_eq!((code, reason.as_str()), (422, "Invalid"));
    let expected = format!(
        "Document.{} \"a\" is invalid: spec.copies: Invalid value: 0: spec.copies in body should be greater than or equal to 1",
        world.resource().group
    );
    assert_eq!(message, expected);
}

async fn unknown_fields_are_dropped_warned_of_or_refused(world: Arc<World>) {
    let object = |name: &str| {
        json!({"apiVersion": world.resource().api_version, "kind": "Document", "metadata": {"name": name},
               "spec": {"copies": 1, "colour": "red"}})
    };
    let unknown = "unknown field \"spec.colour\"";
    for (mode, name, warnings) in [("", "warned", vec![unknown.to_owned()]), ("Ignore", "ignored", vec![])] {
        let path = world.documents_path(&format!("?fieldValidation={mode}"));
        let answer = world.send(Method::POST, &path, &[], &object(name)).await;
        assert_eq!((answer.code, answer.warnings()), (201, warnings), "{mode}");
        assert!(answer.body["spec"]["colour"].is_null());
    }
    let path = world.documents_path("?fieldValidation=Strict");
    let answer = world.send(Method::POST, &path, &[], &object("strict")).await;
    assert_eq!(answer.code, 400);
    assert!(answer.message().ends_with(&format!("strict decoding error: {unknown}")), "{}", answer.message());
    let answer = world.send(Method::POST, &world.documents_path("?fieldValidation=Loud"), &[], &object("loud")).await;
    assert_eq!((answer.code, answer.fields()), (422, vec!["fieldValidation"]));
}

async fn objects_are_made_only_in_namespaces_that_live(world: Arc<World>) {
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "m"}})).unwrap();
    let absent: Api<ConfigMap> = Api::namespaced(world.client(), "parity-absent");
    let (code, _, message) = refusal(absent.create(&PostParams::default(), &map).await);
    assert_eq!((code, message.as_str()), (404, "namespaces \"parity-absent\" not found"));
    let namespace = world.create_namespace().await.unwrap();
    // Something holds the namespace, or it could be gone before it is asked for something.
    let dying: Api<ConfigMap> = Api::namespaced(world.client(), &namespace);
    let mut holding = map.clone();
    holding.metadata.name = Some("held".to_owned());
    holding.metadata.finalizers = Some(vec!["parity.example.com/hold".to_owned()]);
    dying.create(&PostParams::default(), &holding).await.unwrap();
    Api::<Namespace>::all(world.client()).delete(&namespace, &DeleteParams::default()).await.unwrap();
    let (code, _, message) = refusal(dying.create(&PostParams::default(), &map).await);
    let expected = format!(
        "configmaps \"m\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated"
    );
    assert_eq!((code, message), (403, expected));
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    dying.patch("held", &PatchParams::default(), &none).await.unwrap();
}

async fn string_data_of_a_secret_becomes_data(world: Arc<World>) {
    let stored: Secret = world.create(json!({"metadata": {"name": "s"}, "stringData": {"key": "value"}})).await;
    assert_eq!(stored.data.unwrap()["key"].0, b"value");
    assert_eq!((stored.string_data, stored.type_.as_deref()), (None, Some("Opaque")));
}

async fn a_collection_is_deleted_by_selector(world: Arc<World>) {
    let documents = world.documents();
    for (name, team) in [("a", "red"), ("b", "red"), ("c", "blue")] {
        let mut object = world.document(name, 1);
        object.labels_mut().insert("team".into(), team.into());
        documents.create(&PostParams::default(), &object).await.unwrap();
    }
    let red = ListParams::default().labels("team=red");
    documents.delete_collection(&DeleteParams::default(), &red).await.unwrap();
    let left: Vec<String> =
        documents.list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect();
    assert_eq!(left, ["c"]);
}
