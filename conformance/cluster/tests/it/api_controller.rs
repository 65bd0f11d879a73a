//! A kube-runtime controller against the server, under paused time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use serde_json::json;
use tokio::time::Instant;

use crate::api_support::{Document, document, server};

struct Context {
    client: Client,
    reconciliations: AtomicUsize,
}

#[derive(Debug, thiserror::Error)]
#[error("reconciling failed: {0}")]
struct Failure(String);

/// Owns a config map per document, writes the status, and looks again every five minutes.
async fn reconcile(object: Arc<Document>, context: Arc<Context>) -> Result<Action, Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure(error.to_string());
    let documents: Api<Document> = Api::default_namespaced(context.client.clone());
    let maps: Api<ConfigMap> = Api::default_namespaced(context.client.clone());
    let action = finalizer(&documents, "print.example.com/queue", object, |event| async {
        let manager = PatchParams::apply("printer").force();
        match event {
            Event::Apply(object) => {
                context.reconciliations.fetch_add(1, Ordering::SeqCst);
                let name = object.name_any();
                let map = json!({
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": name, "ownerReferences": [object.controller_owner_ref(&()).unwrap()]},
                    "data": {"copies": object.spec.copies.to_string()},
                });
                maps.patch(&name, &manager, &Patch::Apply(map)).await?;
                let status = json!({
                    "apiVersion": "print.example.com/v1", "kind": "Document",
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
    action.await.map_err(|error| fail(&error))
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_requeues_passes_at_once() {
    let (_server, client) = server().await;
    let context = Arc::new(Context { client: client.clone(), reconciliations: AtomicUsize::new(0) });
    let documents: Api<Document> = Api::default_namespaced(client.clone());
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let controller = Controller::new(documents.clone(), watcher::Config::default())
        .owns(maps.clone(), watcher::Config::default())
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(1)), context.clone())
        .for_each(|_| std::future::ready(()));
    let controller = tokio::spawn(controller);

    documents.create(&PostParams::default(), &document("a", 3)).await.unwrap();
    let printed = |object: Option<&Document>| {
        object.is_some_and(|object| object.status.as_ref().is_some_and(|status| status.printed == 3))
    };
    await_condition(documents.clone(), "a", printed).await.unwrap();
    assert_eq!(maps.get("a").await.unwrap().data.unwrap()["copies"], "3");
    let before = documents.get("a").await.unwrap();

    let started = Instant::now();
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(started.elapsed() >= Duration::from_hours(1));
    let after = documents.get("a").await.unwrap();
    assert_eq!(before.resource_version(), after.resource_version(), "quiet reconciliations write nothing");
    let reconciliations = context.reconciliations.load(Ordering::SeqCst);
    assert!((12..=20).contains(&reconciliations), "{reconciliations} reconciliations in an hour");

    let uid = after.uid().unwrap();
    documents.delete("a", &DeleteParams::default()).await.unwrap();
    await_condition(documents.clone(), "a", conditions::is_deleted(&uid)).await.unwrap();
    assert!(maps.get_opt("a").await.unwrap().is_none());
    controller.abort();
}
