//! What kube-runtime's controllers, reflectors and conditions rely on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ApiResource, DeleteParams, PartialObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Resource, ResourceExt};
use serde_json::json;
use tokio::time::Instant;

use crate::case::cases;
use crate::documents::Document;
use crate::refusal::refusal;
use crate::world::World;

cases! { "controllers":
    a_controller_with_a_finalizer_makes_keeps_and_clears_what_it_owns,
    an_hour_of_requeues_passes_at_once needs PausedTime,
    a_reflector_lists_again_after_410 needs Compaction,
    a_streaming_list_ends_with_an_annotated_bookmark,
    a_metadata_watch_tells_no_more_than_metadata,
    of_two_candidates_for_a_lease_one_wins,
    a_condition_that_holds_already_is_seen_at_once,
}

struct Context {
    documents: Api<Document>,
    maps: Api<ConfigMap>,
    resource: ApiResource,
    reconciliations: AtomicUsize,
}

#[derive(Debug, thiserror::Error)]
#[error("reconciling failed: {0}")]
struct Failure(String);

/// Owns a config map per document, writes the status, and looks again every five minutes.
async fn reconcile(object: Arc<Document>, context: Arc<Context>) -> Result<Action, Failure> {
    let Context { documents, maps, resource, reconciliations } = context.as_ref();
    let action = finalizer(documents, "print.example.com/queue", object, |event| async {
        let manager = PatchParams::apply("printer").force();
        match event {
            Event::Apply(object) => {
                reconciliations.fetch_add(1, Ordering::SeqCst);
                let name = object.name_any();
                let map = json!({
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": name, "ownerReferences": [object.controller_owner_ref(resource).unwrap()]},
                    "data": {"copies": object.spec.copies.to_string()},
                });
                maps.patch(&name, &manager, &Patch::Apply(map)).await?;
                let status = json!({
                    "apiVersion": resource.api_version, "kind": resource.kind,
                    "status": {"printed": object.spec.copies, "observedGeneration": object.metadata.generation},
                });
                documents.patch_status(&name, &manager, &Patch::Apply(status)).await?;
                Ok::<_, kube::Error>(Action::requeue(Duration::from_mins(5)))
            }
            Event::Cleanup(object) => {
                maps.delete(&object.name_any(), &DeleteParams::default()).await?;
                Ok(Action::await_change())
            }
        }
    });
    action.await.map_err(|error| Failure(error.to_string()))
}

/// A running controller, and what it counts; it ends with the case.
fn controller(world: &World) -> (Arc<Context>, impl Drop + use<>) {
    let context = Arc::new(Context {
        documents: world.documents(),
        maps: world.api(),
        resource: world.resource().clone(),
        reconciliations: AtomicUsize::new(0),
    });
    let running = Controller::new_with(world.documents(), watcher::Config::default(), world.resource().clone())
        .owns(world.api::<ConfigMap>(), watcher::Config::default())
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(1)), context.clone())
        .for_each(|_| std::future::ready(()));
    (context, tokio_util::task::AbortOnDropHandle::new(tokio::spawn(running)))
}

/// Creates a document of three copies and waits until they are printed.
async fn printed(world: &World) -> Document {
    world.create_document("a", 3).await;
    let printed = |object: Option<&Document>| {
        object.is_some_and(|object| object.status.as_ref().is_some_and(|status| status.printed == 3))
    };
    await_condition(world.documents(), "a", printed).await.unwrap().unwrap()
}

/// Deletes the document and waits until it is gone with what it owned.
async fn cleared(world: &World, document: &Document) {
    world.documents().delete("a", &DeleteParams::default()).await.unwrap();
    await_condition(world.documents(), "a", conditions::is_deleted(&document.uid().unwrap())).await.unwrap();
    assert!(world.api::<ConfigMap>().get_opt("a").await.unwrap().is_none());
}

async fn a_controller_with_a_finalizer_makes_keeps_and_clears_what_it_owns(world: Arc<World>) {
    let (_context, _running) = controller(&world);
    let maps = world.api::<ConfigMap>();
    let document = printed(&world).await;
    assert_eq!(document.finalizers(), ["print.example.com/queue"]);
    let made = maps.get("a").await.unwrap();
    assert_eq!(made.data.as_ref().unwrap()["copies"], "3");
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    let again = |map: Option<&ConfigMap>| map.is_some_and(|map| map.uid() != made.uid());
    await_condition(maps.clone(), "a", again).await.unwrap();
    let spoilt = Patch::Merge(json!({"data": {"copies": "7"}}));
    maps.patch("a", &PatchParams::default(), &spoilt).await.unwrap();
    let mended =
        |map: Option<&ConfigMap>| map.is_some_and(|map| map.data.as_ref().is_some_and(|data| data["copies"] == "3"));
    await_condition(maps, "a", mended).await.unwrap();
    cleared(&world, &document).await;
}

async fn an_hour_of_requeues_passes_at_once(world: Arc<World>) {
    let (context, _running) = controller(&world);
    printed(&world).await;
    let before = world.documents().get("a").await.unwrap();
    let started = Instant::now();
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(started.elapsed() >= Duration::from_hours(1));
    let after = world.documents().get("a").await.unwrap();
    assert_eq!(before.resource_version(), after.resource_version(), "quiet reconciliations write nothing");
    let reconciliations = context.reconciliations.load(Ordering::SeqCst);
    assert!((12..=20).contains(&reconciliations), "{reconciliations} reconciliations in an hour");
    cleared(&world, &after).await;
}

async fn a_reflector_lists_again_after_410(world: Arc<World>) {
    world.create_document("a", 1).await;
    let writer = reflector::store::Writer::new(world.resource().clone());
    let reader = writer.as_reader();
    let stream = watcher(world.documents(), watcher::Config::default()).default_backoff().reflect(writer);
    // The watcher tells the 410 once, and then lists again.
    let mut applied = stream.applied_objects().filter_map(|object| std::future::ready(object.ok())).boxed();
    assert_eq!(applied.next().await.unwrap().name_any(), "a");
    world.create_document("b", 1).await;
    world.documents().delete("a", &DeleteParams::default()).await.unwrap();
    world.compact();
    assert_eq!(applied.next().await.unwrap().name_any(), "b");
    // The watch after the list is told of this one, so that the list is complete by then.
    world.create_document("c", 1).await;
    assert_eq!(applied.next().await.unwrap().name_any(), "c");
    let mut names: Vec<String> = reader.state().iter().map(|document| document.name_any()).collect();
    names.sort();
    assert_eq!(names, ["b", "c"], "what was deleted meanwhile is gone after the new list");
}

async fn a_streaming_list_ends_with_an_annotated_bookmark(world: Arc<World>) {
    world.create_document("a", 1).await;
    let mut events = watcher(world.documents(), watcher::Config::default().streaming_lists()).boxed();
    assert!(matches!(events.next().await, Some(Ok(watcher::Event::Init))));
    assert!(matches!(events.next().await, Some(Ok(watcher::Event::InitApply(_)))));
    assert!(matches!(events.next().await, Some(Ok(watcher::Event::InitDone))));
    world.create_document("b", 1).await;
    assert!(matches!(events.next().await, Some(Ok(watcher::Event::Apply(object))) if object.name_any() == "b"));

    let query =
        "?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1";
    let told = world.get(&world.documents_path(query)).await.events();
    let kinds: Vec<&str> = told.iter().take(3).map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ADDED", "ADDED", "BOOKMARK"]);
    let bookmark = &told[2]["object"];
    assert_eq!(bookmark["metadata"]["annotations"], json!({"k8s.io/initial-events-end": "true"}));
    assert_eq!(
        (&bookmark["kind"], &bookmark["apiVersion"]),
        (&json!("Document"), &json!(world.resource().api_version))
    );
}

async fn a_metadata_watch_tells_no_more_than_metadata(world: Arc<World>) {
    world.create_document("a", 1).await;
    let metadata: Api<PartialObjectMeta<Document>> =
        Api::namespaced_with(world.client(), world.namespace(), world.resource());
    let stream = watcher(metadata, watcher::Config::default()).applied_objects();
    let mut stream = stream.map(Result::unwrap).boxed();
    let listed = stream.next().await.unwrap();
    assert_eq!(listed.name_any(), "a");
    let labels = Patch::Merge(json!({"metadata": {"labels": {"team": "red"}}}));
    world.documents().patch("a", &PatchParams::default(), &labels).await.unwrap();
    assert_eq!(stream.next().await.unwrap().labels()["team"], "red");

    let accept = [("accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")];
    let path = world.documents_path("?watch=1&timeoutSeconds=1");
    let told = world.send(http::Method::GET, &path, &accept, &json!(null)).await.events();
    let object = &told[0]["object"];
    assert_eq!((&object["kind"], &object["apiVersion"]), (&json!("PartialObjectMetadata"), &json!("meta.k8s.io/v1")));
    assert!(object["spec"].is_null() && object["metadata"]["labels"]["team"] == "red", "{object}");
}

async fn of_two_candidates_for_a_lease_one_wins(world: Arc<World>) {
    let leases = world.api::<Lease>();
    let spec = |holder: &str, transitions: i32| {
        json!({"holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": transitions,
               "renewTime": "2026-01-02T03:04:05.000006Z"})
    };
    let lease = |holder: &str| -> Lease {
        serde_json::from_value(json!({"metadata": {"name": "leader"}, "spec": spec(holder, 0)})).unwrap()
    };
    let held = leases.create(&PostParams::default(), &lease("one")).await.unwrap();
    let (code, reason, _) = refusal(leases.create(&PostParams::default(), &lease("two")).await);
    assert_eq!((code, reason.as_str()), (409, "AlreadyExists"));
    // Both saw the same lease expire; the one that writes first has it.
    let claim = |holder: &str| {
        let mut claimed = held.clone();
        claimed.spec = serde_json::from_value(spec(holder, 1)).unwrap();
        claimed
    };
    let won = leases.replace("leader", &PostParams::default(), &claim("two")).await.unwrap();
    let (code, reason, _) = refusal(leases.replace("leader", &PostParams::default(), &claim("one")).await);
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    let now = leases.get("leader").await.unwrap();
    assert_eq!(now.resource_version(), won.resource_version());
    let shown = serde_json::to_value(now.spec.unwrap()).unwrap();
    assert_eq!(shown, spec("two", 1), "times of leases have microseconds");
    let mut unconditional = lease("three");
    unconditional.metadata.resource_version = None;
    let (code, _, message) = refusal(leases.replace("leader", &PostParams::default(), &unconditional).await);
    assert_eq!(code, 422);
    assert!(
        message.contains("metadata.resourceVersion: Invalid value: 0: must be specified for an update"),
        "{message}"
    );
}

async fn a_condition_that_holds_already_is_seen_at_once(world: Arc<World>) {
    let absent = await_condition(world.documents(), "a", |object: Option<&Document>| object.is_none());
    assert!(absent.await.unwrap().is_none());
    let document = world.create_document("a", 1).await;
    let present = await_condition(world.documents(), "a", |object: Option<&Document>| object.is_some());
    assert_eq!(present.await.unwrap().unwrap().uid(), document.uid());
    world.documents().delete("a", &DeleteParams::default()).await.unwrap();
    let second = world.create_document("a", 1).await;
    assert_ne!(second.uid(), document.uid());
    await_condition(world.documents(), "a", conditions::is_deleted(&document.uid().unwrap())).await.unwrap();
}
