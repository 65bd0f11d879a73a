//! An operator of some namespaces: it needs no rights in others, and leaves them alone.

use kube::{Api, Client, api::PostParams};
use operator::{cli::InstallOptions, run::Operator, runtime::watches::Scope};
use operator_api::MCPGroup;
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::cluster::TestCluster;

async fn observed(client: &Client, namespace: &str) -> Option<i64> {
    let groups: Api<MCPGroup> = Api::namespaced(client.clone(), namespace);
    groups.get("tools").await.unwrap().status.and_then(|status| status.observed_generation)
}

#[tokio::test(start_paused = true)]
async fn an_operator_of_two_namespaces_reconciles_them_and_no_other() {
    let namespaces = ["team-a", "team-b"].map(str::to_owned).to_vec();
    let options = InstallOptions { watch_namespace: namespaces.clone(), ..InstallOptions::default() };
    let cluster = TestCluster::with_manifests(&options).await;
    for namespace in ["team-a", "team-b", "team-c"] {
        cluster.make_namespace(namespace).await;
        let groups: Api<MCPGroup> = Api::namespaced(cluster.client.clone(), namespace);
        let group = serde_json::from_value(json!({"metadata": {"name": "tools"}, "spec": {}})).unwrap();
        groups.create(&PostParams::default(), &group).await.unwrap();
    }
    let stop = CancellationToken::new();
    let client = cluster.operator_client();
    let operator = Operator::start(client, &Scope::of(&namespaces), &options.gateway, stop.clone());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(operator.is_idle());
    assert_eq!(observed(&cluster.client, "team-a").await, Some(1));
    assert_eq!(observed(&cluster.client, "team-b").await, Some(1));
    assert_eq!(observed(&cluster.client, "team-c").await, None);
    stop.cancel();
    operator.ended().await;
}
