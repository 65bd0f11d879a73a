//! An operator that is asked to end does so within a second, whatever the API server does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::cluster::TestCluster;

const GROUP: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPGroup
metadata: {name: tools}
";

#[tokio::test(start_paused = true)]
async fn an_operator_at_rest_ends_at_once() {
    let cluster = TestCluster::start().await;
    let asked = Instant::now();
    cluster.stop().await;
    assert!(asked.elapsed() < Duration::from_millis(100), "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_never_answered_does_not_keep_the_operator() {
    let deaf = Arc::new(AtomicBool::new(false));
    let mut cluster = TestCluster::without_operator().await;
    cluster.start_operator_that_may_be_deaf(deaf.clone()).await;
    deaf.store(true, Ordering::SeqCst);
    cluster.apply(GROUP).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!cluster.is_idle(), "the status of the group is being written");
    let asked = Instant::now();
    cluster.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}
