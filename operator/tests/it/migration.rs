//! Objects that may be stored in a version which is no longer stored are rewritten.

use std::time::Duration;

use k8s_openapi::{
    api::events::v1::Event, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;
use tokio::time::sleep;

use crate::cluster::TestCluster;

const DEFINITION: &str = "mcpgroups.toolhive.stacklok.dev";

fn definitions(cluster: &TestCluster) -> Api<CustomResourceDefinition> {
    Api::all(cluster.client.clone())
}

async fn store_an_old_version(cluster: &TestCluster) {
    let status = Patch::Merge(json!({"status": {"storedVersions": ["v1alpha1", "v1beta1"]}}));
    definitions(cluster).patch_status(DEFINITION, &PatchParams::default(), &status).await.unwrap();
}

async fn stored_versions(cluster: &TestCluster) -> Vec<String> {
    definitions(cluster).get(DEFINITION).await.unwrap().status.unwrap().stored_versions.unwrap()
}

/// Reasons and notes of the events about the definition.
async fn events(cluster: &TestCluster) -> Vec<(String, String)> {
    let events: Api<Event> = Api::all(cluster.client.clone());
    let events = events.list(&ListParams::default()).await.unwrap().items;
    let about = events
        .into_iter()
        .filter(|event| event.regarding.as_ref().is_some_and(|object| object.name.as_deref() == Some(DEFINITION)));
    about.map(|event| (event.reason.unwrap_or_default(), event.note.unwrap_or_default())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_definition_that_remembers_an_old_version_is_migrated_once() {
    let mut cluster = TestCluster::without_operator().await;
    for name in ["one", "two"] {
        cluster
            .apply(&format!(
                "{{apiVersion: toolhive.stacklok.dev/v1alpha1, kind: MCPGroup, metadata: {{name: {name}}}}}"
            ))
            .await;
    }
    store_an_old_version(&cluster).await;
    sleep(Duration::from_mins(1)).await;
    assert_eq!(stored_versions(&cluster).await, ["v1alpha1", "v1beta1"], "nobody leads");

    cluster.start_operator().await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(stored_versions(&cluster).await, ["v1beta1"]);
    let events = events(&cluster).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].0, "StorageVersionMigrationSucceeded");
    assert!(events[0].1.starts_with("2 objects are stored as v1beta1"), "{events:?}");
    let before = cluster.version().await;
    sleep(Duration::from_hours(1)).await;
    assert_eq!(cluster.version().await, before, "once is enough");
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_rewritten_keeps_the_old_version_and_is_told() {
    let cluster = TestCluster::start().await;
    cluster.apply("{apiVersion: toolhive.stacklok.dev/v1beta1, kind: MCPGroup, metadata: {name: one}}").await;
    cluster.quiet().await;
    let fault = cluster.faults().add("status=500,verb=patch,resource=mcpgroups,name=one".parse().unwrap());
    store_an_old_version(&cluster).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(stored_versions(&cluster).await, ["v1alpha1", "v1beta1"]);
    let told = events(&cluster).await;
    assert_eq!(told[0].0, "StorageVersionMigrationFailed");
    assert!(told[0].1.contains("tools/one"), "{told:?}");
    drop(fault);
    sleep(Duration::from_mins(5)).await;
    assert_eq!(stored_versions(&cluster).await, ["v1beta1"]);
    cluster.stop().await;
}
