//! Watches: where they begin, what they tell, and how they end.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::json;

use crate::case::cases;
use crate::documents::Document;
use crate::world::World;

cases! { "watch":
    a_watch_goes_on_from_the_revision_of_a_list,
    an_object_that_ceases_to_match_its_labels_is_told_as_deleted,
    an_object_that_ceases_to_match_its_fields_is_told_as_deleted,
    a_watch_from_a_forgotten_revision_tells_410_and_ends,
    a_watch_from_before_a_compaction_tells_410_and_ends needs Compaction,
    a_watch_ends_at_its_timeout,
    a_quiet_watch_sends_bookmarks needs PausedTime,
}

/// The kind and the object's name of each event.
fn told(event: &WatchEvent<Document>) -> (&'static str, String) {
    match event {
        WatchEvent::Added(object) => ("ADDED", object.name_any()),
        WatchEvent::Modified(object) => ("MODIFIED", object.name_any()),
        WatchEvent::Deleted(object) => ("DELETED", object.name_any()),
        WatchEvent::Bookmark(_) => ("BOOKMARK", String::new()),
        WatchEvent::Error(status) => ("ERROR", status.message.clone()),
    }
}

async fn a_watch_goes_on_from_the_revision_of_a_list(world: Arc<World>) {
    let documents = world.documents();
    world.create_document("before", 1).await;
    let revision = documents.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    world.create_document("a", 1).await;
    let patch = Patch::Merge(json!({"spec": {"copies": 2}}));
    documents.patch("a", &PatchParams::default(), &patch).await.unwrap();
    documents.delete("a", &DeleteParams::default()).await.unwrap();
    let stream = documents.watch(&WatchParams::default(), &revision).await.unwrap();
    let events: Vec<_> = stream.take(3).map_ok(|event| told(&event)).try_collect().await.unwrap();
    let name = || "a".to_owned();
    assert_eq!(events, [("ADDED", name()), ("MODIFIED", name()), ("DELETED", name())]);
}

async fn an_object_that_ceases_to_match_its_labels_is_told_as_deleted(world: Arc<World>) {
    let documents = world.documents();
    let stream = documents.watch(&WatchParams::default().labels("team=red"), "0").await.unwrap();
    let mut object = world.document("a", 1);
    object.labels_mut().insert("team".into(), "red".into());
    documents.create(&PostParams::default(), &object).await.unwrap();
    let mut revisions = Vec::new();
    for team in ["blue", "red"] {
        let patch = Patch::Merge(json!({"metadata": {"labels": {"team": team}}}));
        revisions
            .push(documents.patch("a", &PatchParams::default(), &patch).await.unwrap().resource_version().unwrap());
    }
    let events: Vec<_> = stream.take(3).try_collect().await.unwrap();
    assert_eq!(events.iter().map(|event| told(event).0).collect::<Vec<_>>(), ["ADDED", "DELETED", "ADDED"]);
    let WatchEvent::Deleted(left) = &events[1] else { panic!("expected a deletion") };
    assert_eq!(left.labels()["team"], "red", "the object is shown as it was when it still matched");
    assert_eq!(left.resource_version().as_ref(), Some(&revisions[0]), "at the revision at which it left");
}

async fn an_object_that_ceases_to_match_its_fields_is_told_as_deleted(world: Arc<World>) {
    let documents = world.documents();
    let stream = documents.watch(&WatchParams::default().fields("spec.paper=A3"), "0").await.unwrap();
    world.create_document("a", 1).await;
    for paper in ["A3", "A4"] {
        let patch = Patch::Merge(json!({"spec": {"paper": paper}}));
        documents.patch("a", &PatchParams::default(), &patch).await.unwrap();
    }
    let events: Vec<_> = stream.take(2).map_ok(|event| told(&event).0).try_collect().await.unwrap();
    assert_eq!(events, ["ADDED", "DELETED"]);
}

async fn gone(world: &World, revision: &str) {
    let mut stream = world.documents().watch(&WatchParams::default(), revision).await.unwrap().boxed();
    let Some(Ok(WatchEvent::Error(status))) = stream.next().await else { panic!("expected an error event") };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    assert!(status.message.starts_with(&format!("too old resource version: {revision} (")), "{}", status.message);
    assert!(stream.next().await.is_none());
}

async fn a_watch_from_a_forgotten_revision_tells_410_and_ends(world: Arc<World>) {
    // The kind was defined long after the first revision.
    gone(&world, "1").await;
}

async fn a_watch_from_before_a_compaction_tells_410_and_ends(world: Arc<World>) {
    let revision = world.documents().list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    world.create_document("a", 1).await;
    world.compact();
    gone(&world, &revision).await;
}

async fn a_watch_ends_at_its_timeout(world: Arc<World>) {
    let answer = world.get(&world.documents_path("?watch=1&timeoutSeconds=1")).await;
    assert_eq!((answer.code, answer.events()), (200, vec![]));
    let answer = world.get(&world.documents_path("?watch=1&timeoutSeconds=soon")).await;
    assert_eq!((answer.code, answer.body["reason"].as_str()), (400, Some("BadRequest")));
}

async fn a_quiet_watch_sends_bookmarks(world: Arc<World>) {
    let stream = world.documents().watch(&WatchParams::default().timeout(100), "0").await.unwrap();
    let events: Vec<_> = stream.map_ok(|event| told(&event).0).try_collect().await.unwrap();
    assert_eq!(events, ["BOOKMARK", "BOOKMARK"]);
}
