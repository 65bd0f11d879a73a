//! Two replicas and one Lease.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::http::Request;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{Api, Client, client::Body};
use operator::{
    cli::InstallOptions,
    lease::{Elector, Lost, Terms},
    metrics::Metrics,
    run::{LEASE, Operator},
    runtime::watches::Scope,
};
use operator_api::MCPGroup;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::cluster::{NAMESPACE, TestCluster};

/// A replica of the operator, and the network between it and the API server.
struct Replica {
    cut: Arc<AtomicBool>,
    stop: CancellationToken,
    ended: JoinHandle<(Result<(), Lost>, Instant)>,
}

impl Replica {
    fn start(cluster: &TestCluster, name: &str) -> Self {
        let cut = Arc::new(AtomicBool::new(false));
        let (is_cut, server) = (cut.clone(), cluster.operator_client());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (cut, server) = (is_cut.clone(), server.clone());
            async move {
                if cut.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                server.send(request).await
            }
        });
        let client = Client::new(service.boxed_clone(), NAMESPACE);
        let options = InstallOptions::default();
        let elector = Elector::new(client.clone(), &options.namespace, LEASE, name, Terms::default());
        let stop = CancellationToken::new();
        let operator = Operator::standby(client, &Scope::Cluster, &options.gateway, Metrics::default(), stop.clone());
        let ended = tokio::spawn(async move { (operator.run(Some(elector)).await, Instant::now()) });
        Self { cut, stop, ended }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.ended.await.unwrap().0.unwrap();
    }
}

async fn lease(cluster: &TestCluster) -> LeaseSpec {
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), &InstallOptions::default().namespace);
    leases.get(LEASE).await.unwrap().spec.unwrap()
}

async fn holder(cluster: &TestCluster) -> (String, i32) {
    let lease = lease(cluster).await;
    (lease.holder_identity.unwrap_or_default(), lease.lease_transitions.unwrap_or_default())
}

/// Whether somebody reconciles.
async fn is_served(cluster: &TestCluster, group: &str) -> bool {
    let group: MCPGroup = cluster.get(group).await;
    group.status.is_some_and(|status| status.observed_generation.is_some())
}

async fn apply_group(cluster: &TestCluster, name: &str) {
    let group = format!("{{apiVersion: toolhive.stacklok.dev/v1beta1, kind: MCPGroup, metadata: {{name: {name}}}}}");
    cluster.apply(&group).await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_stops_hands_over_at_once() {
    let cluster = TestCluster::without_operator().await;
    let first = Replica::start(&cluster, "first");
    sleep(Duration::from_millis(100)).await;
    let second = Replica::start(&cluster, "second");
    apply_group(&cluster, "one").await;
    sleep(Duration::from_mins(1)).await;
    assert_eq!(holder(&cluster).await, ("first".to_owned(), 0));
    assert!(is_served(&cluster, "one").await);

    first.stop().await;
    assert_eq!(holder(&cluster).await, (String::new(), 0));
    apply_group(&cluster, "two").await;
    assert!(!is_served(&cluster, "two").await, "nobody leads yet");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(holder(&cluster).await, ("second".to_owned(), 1));
    assert!(is_served(&cluster, "two").await);
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_without_its_api_server_ends_before_another_leads() {
    let cluster = TestCluster::without_operator().await;
    let first = Replica::start(&cluster, "first");
    sleep(Duration::from_millis(100)).await;
    let second = Replica::start(&cluster, "second");
    sleep(Duration::from_mins(1)).await;

    first.cut.store(true, Ordering::SeqCst);
    apply_group(&cluster, "one").await;
    let mut taken = None;
    for _ in 0..300 {
        sleep(Duration::from_millis(100)).await;
        if taken.is_none() && holder(&cluster).await.0 == "second" {
            taken = Some(Instant::now());
        }
    }
    let (result, ended) = first.ended.await.unwrap();
    let lost = result.unwrap_err().to_string();
    assert!(lost.contains("toolhive-system/toolhive-operator-leader-election"), "{lost}");
    assert!(lost.contains("could not be renewed for 10s"), "{lost}");
    assert!(ended + Duration::from_secs(3) < taken.unwrap(), "it ended {:?} before", taken.unwrap() - ended);
    assert!(is_served(&cluster, "one").await);
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn at_rest_the_lease_is_all_that_is_written() {
    let cluster = TestCluster::without_operator().await;
    let replicas = [Replica::start(&cluster, "first"), Replica::start(&cluster, "second")];
    apply_group(&cluster, "one").await;
    sleep(Duration::from_secs(10)).await;
    let version = async || cluster.version().await.parse::<u64>().unwrap();
    let renewed = async || lease(&cluster).await.renew_time.unwrap().0;
    let (before, since) = (version().await, renewed().await);
    sleep(Duration::from_mins(1)).await;
    let writes = version().await - before;
    assert_eq!(writes, 30, "one renewal every two seconds");
    assert!(renewed().await >= since);
    for replica in replicas {
        replica.stop().await;
    }
}
