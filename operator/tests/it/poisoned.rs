//! An object that cannot be reconciled keeps no other waiting, and is tried again less and less often.

use std::time::Duration;

use operator_api::MCPGroup;
use tokio::time::{Instant, sleep};

use crate::cluster::TestCluster;

async fn is_served(cluster: &TestCluster, name: &str) -> bool {
    let group: MCPGroup = cluster.get(name).await;
    group.status.is_some_and(|status| status.observed_generation.is_some())
}

async fn apply_group(cluster: &TestCluster, name: &str) {
    cluster
        .apply(&format!("{{apiVersion: toolhive.stacklok.dev/v1beta1, kind: MCPGroup, metadata: {{name: {name}}}}}"))
        .await;
}

/// Whether `name` is served before `limit` has passed.
async fn is_served_within(cluster: &TestCluster, name: &str, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        sleep(Duration::from_millis(50)).await;
        if is_served(cluster, name).await {
            return true;
        }
    }
    false
}

#[tokio::test(start_paused = true)]
async fn an_object_whose_writes_fail_keeps_no_other_waiting() {
    let cluster = TestCluster::start().await;
    let fault = "status=500,verb=patch,resource=mcpgroups/status,name=poisoned".parse().unwrap();
    let fault = cluster.faults().add(fault);
    apply_group(&cluster, "poisoned").await;
    sleep(Duration::from_mins(2)).await;
    apply_group(&cluster, "sound").await;
    assert!(is_served_within(&cluster, "sound", Duration::from_secs(1)).await);
    assert!(!is_served(&cluster, "poisoned").await);
    drop(fault);
    assert!(is_served_within(&cluster, "poisoned", Duration::from_mins(1)).await, "it is tried again within a minute");
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn objects_whose_writes_hang_keep_no_other_waiting_once_they_are_known() {
    let cluster = TestCluster::start().await;
    for name in 0..40 {
        let fault = format!("hang,verb=patch,resource=mcpgroups/status,name=poisoned-{name}").parse().unwrap();
        cluster.faults().add(fault).keep();
        apply_group(&cluster, &format!("poisoned-{name}")).await;
    }
    // Each of them is cut off once.
    sleep(Duration::from_mins(3)).await;
    for name in ["one", "two", "three"] {
        apply_group(&cluster, name).await;
        assert!(is_served_within(&cluster, name, Duration::from_secs(1)).await, "{name}");
        sleep(Duration::from_secs(10)).await;
    }
    cluster.faults().clear_all();
    assert!(is_served_within(&cluster, "poisoned-39", Duration::from_mins(5)).await);
    cluster.stop().await;
}
