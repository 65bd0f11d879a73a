//! An object that is made anew under the same name has nothing to do with the one before it.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kube::{
    Api,
    api::{DeleteParams, WatchEvent, WatchParams},
};
use operator_api::{MCPGroup, MCPServerEntry};
use tokio::time::{sleep, timeout};

use crate::cluster::TestCluster;

const GROUP: &str = "{apiVersion: toolhive.stacklok.dev/v1beta1, kind: MCPGroup, metadata: {name: tools}}";

fn entry(group: &str) -> String {
    format!(
        "{{apiVersion: toolhive.stacklok.dev/v1beta1, kind: MCPServerEntry, metadata: {{name: one}}, spec: \
         {{groupRef: {{name: {group}}}, remoteUrl: \"https://mcp.example.com\", transport: streamable-http}}}}"
    )
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_late_does_not_reach_the_object_after_it() {
    let cluster = TestCluster::start().await;
    cluster.apply(GROUP).await;
    cluster.quiet().await;
    let late = "latency=5s,verb=patch,resource=mcpserverentries/status,name=one,times=1".parse().unwrap();
    let late = cluster.faults().add(late);
    cluster.apply(&entry("missing")).await;
    sleep(Duration::from_secs(1)).await;

    let entries: Api<MCPServerEntry> = cluster.all();
    let uid = entries.get("one").await.unwrap().metadata.uid;
    entries.delete("one", &DeleteParams::default()).await.unwrap();
    let since = cluster.version().await;
    cluster.apply(&entry("tools")).await;
    let versions = entries.watch(&WatchParams::default(), &since).await.unwrap();
    let told = versions.try_filter_map(async |event| {
        Ok(match event {
            WatchEvent::Added(entry) | WatchEvent::Modified(entry) => Some((entry.metadata.uid, entry.status)),
            _ => None,
        })
    });
    let mut told = Box::pin(told);
    let mut phases = Vec::new();
    while let Ok(Some(version)) = timeout(Duration::from_secs(20), told.next()).await {
        let (new, status) = version.unwrap();
        assert_ne!(new, uid);
        phases.extend(status.and_then(|status| status.phase).map(|phase| format!("{phase:?}")));
    }
    phases.dedup();
    assert_eq!(phases, ["Pending", "Valid"], "the first is the default");
    drop(late);
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_was_deleted_while_it_was_written_is_forgotten() {
    let mut cluster = TestCluster::without_operator().await;
    cluster.start_operator_that_hears_late(Duration::from_secs(5)).await;
    cluster.apply(GROUP).await;
    cluster.quiet().await;
    cluster.apply(&entry("tools")).await;
    sleep(Duration::from_secs(1)).await;
    cluster.all::<MCPServerEntry>().delete("one", &DeleteParams::default()).await.unwrap();
    sleep(Duration::from_secs(30)).await;
    cluster.quiet().await;
    let group: MCPGroup = cluster.get("tools").await;
    assert_eq!(group.status.and_then(|status| status.entry_count), Some(0));
    cluster.stop().await;
}
