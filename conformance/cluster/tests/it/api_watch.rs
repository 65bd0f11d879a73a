//! Watches and pages: what kube-runtime's reflectors rely on.

use embedded_cluster::{ApiOptions, ApiServer};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;

use crate::api_support::{Document, document, documents, refusal};

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

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_from_the_revision_of_a_list() {
    let (_server, documents) = documents().await;
    documents.create(&PostParams::default(), &document("before", 1)).await.unwrap();
    let revision = documents.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    documents.create(&PostParams::default(), &document("a", 1)).await.unwrap();
    let patch = Patch::Merge(json!({"spec": {"copies": 2}}));
    documents.patch("a", &PatchParams::default(), &patch).await.unwrap();
    documents.delete("a", &DeleteParams::default()).await.unwrap();
    let stream = documents.watch(&WatchParams::default(), &revision).await.unwrap();
    let events: Vec<_> = stream.take(3).map_ok(|event| told(&event)).try_collect().await.unwrap();
    let name = || "a".to_owned();
    assert_eq!(events, [("ADDED", name()), ("MODIFIED", name()), ("DELETED", name())]);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_ceases_to_match_is_told_as_deleted() {
    let (_server, documents) = documents().await;
    let stream = documents.watch(&WatchParams::default().labels("team=red"), "0").await.unwrap();
    let mut object = document("a", 1);
    object.labels_mut().insert("team".into(), "red".into());
    documents.create(&PostParams::default(), &object).await.unwrap();
    for team in ["blue", "red"] {
        let patch = Patch::Merge(json!({"metadata": {"labels": {"team": team}}}));
        documents.patch("a", &PatchParams::default(), &patch).await.unwrap();
    }
    let events: Vec<_> = stream.take(3).map_ok(|event| told(&event).0).try_collect().await.unwrap();
    assert_eq!(events, ["ADDED", "DELETED", "ADDED"]);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_revision_is_gone_and_a_watcher_recovers() {
    let (server, documents) = documents().await;
    let revision = documents.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    documents.create(&PostParams::default(), &document("a", 1)).await.unwrap();
    server.compact();
    let mut stream = documents.watch(&WatchParams::default(), &revision).await.unwrap().boxed();
    let Some(Ok(WatchEvent::Error(status))) = stream.next().await else { panic!("expected an error event") };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    assert!(stream.next().await.is_none());

    let applied = watcher(documents.clone(), watcher::Config::default()).applied_objects();
    // The watcher tells the 410 once, and then lists again.
    let mut applied = applied.filter_map(|object| std::future::ready(object.ok())).boxed();
    assert_eq!(applied.next().await.unwrap().name_any(), "a");
    documents.create(&PostParams::default(), &document("b", 1)).await.unwrap();
    server.compact();
    assert_eq!(applied.next().await.unwrap().name_any(), "a");
    assert_eq!(applied.next().await.unwrap().name_any(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_ends_with_an_annotated_bookmark() {
    let (_server, documents) = documents().await;
    documents.create(&PostParams::default(), &document("a", 1)).await.unwrap();
    let mut applied = watcher(documents.clone(), watcher::Config::default().streaming_lists()).boxed();
    assert!(matches!(applied.next().await, Some(Ok(watcher::Event::Init))));
    assert!(matches!(applied.next().await, Some(Ok(watcher::Event::InitApply(_)))));
    assert!(matches!(applied.next().await, Some(Ok(watcher::Event::InitDone))));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_sends_bookmarks_and_ends_at_its_timeout() {
    let (_server, documents) = documents().await;
    let stream = documents.watch(&WatchParams::default().timeout(150), "0").await.unwrap();
    let events: Vec<_> = stream.map_ok(|event| told(&event).0).try_collect().await.unwrap();
    assert_eq!(events, ["BOOKMARK", "BOOKMARK", "BOOKMARK"]);
}

#[tokio::test(start_paused = true)]
async fn pages_show_one_revision_until_it_is_forgotten() {
    let (server, documents) = documents().await;
    for name in ["a", "b", "c", "d"] {
        documents.create(&PostParams::default(), &document(name, 1)).await.unwrap();
    }
    let page = |token: Option<String>| {
        let mut params = ListParams::default().limit(2);
        params.continue_token = token;
        params
    };
    let first = documents.list(&page(None)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(2));
    documents.delete("c", &DeleteParams::default()).await.unwrap();
    let token = first.metadata.continue_;
    let second = documents.list(&page(token.clone())).await.unwrap();
    let names: Vec<String> = second.iter().map(ResourceExt::name_any).collect();
    assert_eq!(
        (names, second.metadata.continue_.unwrap_or_default()),
        (vec!["c".to_owned(), "d".to_owned()], String::new())
    );
    server.compact();
    assert_eq!(refusal(documents.list(&page(token)).await).0, 410);
}

#[tokio::test(start_paused = true)]
async fn a_reflector_reads_a_large_list_in_pages() {
    let server = ApiServer::new(ApiOptions::default());
    let maps: Api<ConfigMap> = Api::namespaced(server.client("default"), "default");
    for index in 0..1200 {
        let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": format!("m{index:04}")}})).unwrap();
        maps.create(&PostParams::default(), &map).await.unwrap();
    }
    let config = watcher::Config::default().page_size(500);
    let names: Vec<String> =
        watcher(maps, config).applied_objects().take(1200).map_ok(|map| map.name_any()).try_collect().await.unwrap();
    assert!(names.is_sorted() && names.len() == 1200);
}
