//! Watches that end and histories that are forgotten: what reflectors make of them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;

use crate::api_support::{Document, document, documents};

/// A reflector that follows the documents until it is dropped, and the changes that it told.
struct Reflector {
    store: Store<Document>,
    task: tokio::task::JoinHandle<()>,
    told: tokio::sync::mpsc::UnboundedReceiver<(String, i32)>,
}

fn reflect(documents: &Api<Document>) -> Reflector {
    let (store, writer) = reflector::store();
    let (sender, told) = tokio::sync::mpsc::unbounded_channel();
    let stream = watcher(documents.clone(), watcher::Config::default()).default_backoff().reflect(writer);
    let task = tokio::spawn(stream.applied_objects().for_each(move |object| {
        if let Ok(object) = object {
            let _ = sender.send((object.name_any(), object.spec.copies));
        }
        std::future::ready(())
    }));
    Reflector { store, task, told }
}

impl Reflector {
    /// Its state, once the object has so many copies there.
    async fn with(&mut self, name: &str, copies: i32) -> BTreeMap<String, i32> {
        let expected = (name.to_owned(), copies);
        let seen = async { while self.told.recv().await.unwrap() != expected {} };
        tokio::time::timeout(Duration::from_mins(5), seen).await.unwrap();
        self.store.state().iter().map(|object| (object.name_any(), object.spec.copies)).collect()
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn set_copies(documents: &Api<Document>, name: &str, copies: i32) {
    let patch = Patch::Merge(json!({"spec": {"copies": copies}}));
    documents.patch(name, &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reflector_goes_on_without_a_list_after_its_watch_was_dropped() {
    let (server, documents) = documents().await;
    documents.create(&PostParams::default(), &document("a", 1)).await.unwrap();
    let mut reflector = reflect(&documents);
    reflector.with("a", 1).await;
    assert_eq!(server.faults().drop_watches(), 1);
    // A second list would be refused.
    let _guard = server.faults().add("status=500,verb=list".parse().unwrap());
    set_copies(&documents, "a", 2).await;
    documents.create(&PostParams::default(), &document("b", 1)).await.unwrap();
    assert_eq!(reflector.with("b", 1).await, [("a".to_owned(), 2), ("b".to_owned(), 1)].into());
    assert!(reflector.told.is_empty(), "nothing is told twice");
}

#[tokio::test(start_paused = true)]
async fn a_reflector_lists_again_after_its_watch_was_dropped_and_the_history_forgotten() {
    let (server, documents) = documents().await;
    for name in ["a", "b"] {
        documents.create(&PostParams::default(), &document(name, 1)).await.unwrap();
    }
    let mut reflector = reflect(&documents);
    reflector.with("b", 1).await;
    // While it is cut off, one object goes, one changes, one comes.
    let fault = server.faults().add("status=503,verb=watch".parse().unwrap());
    assert_eq!(server.faults().drop_watches_of("documents").unwrap(), 1);
    documents.delete("a", &DeleteParams::default()).await.unwrap();
    set_copies(&documents, "b", 2).await;
    documents.create(&PostParams::default(), &document("c", 1)).await.unwrap();
    server.faults().compact();
    drop(fault);
    assert_eq!(reflector.with("c", 1).await, [("b".to_owned(), 2), ("c".to_owned(), 1)].into());
    set_copies(&documents, "c", 5).await;
    assert_eq!(reflector.with("c", 5).await, [("b".to_owned(), 2), ("c".to_owned(), 5)].into());
}

#[tokio::test(start_paused = true)]
async fn only_the_watches_of_the_resource_that_is_named_are_dropped() {
    let (server, documents) = documents().await;
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::default_namespaced(server.client("default"));
    let mut dropped = documents.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    let revision = maps.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let mut other = maps.watch(&WatchParams::default(), &revision).await.unwrap().boxed();
    let faults = server.faults();
    assert_eq!(faults.drop_watches_of("documents.print.example.com").unwrap(), 1);
    assert!(dropped.next().await.is_none());
    let quiet = tokio::time::timeout(Duration::from_secs(30), other.next()).await;
    assert!(quiet.is_err(), "the other watch is open");
    let error = faults.drop_watches_of("documents.other.example.com").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server serves no resource \"documents.other.example.com\"; expected a plural such as \"pods\", or \
         \"deployments.apps\""
    );
}
