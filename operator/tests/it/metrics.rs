//! What Prometheus reads, and what of Secrets the operator asks for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Request;
use kube::{Client, client::Body};
use operator::{
    api_calls::ObserveCalls, cli::InstallOptions, metrics::Metrics, run::Operator, runtime::watches::Scope,
};
use tokio_util::sync::CancellationToken;
use tower::Layer;

use crate::cluster::{NAMESPACE, TestCluster};

/// Paths and Accept headers of requests.
type Requests = Arc<Mutex<Vec<(String, String)>>>;

fn recorded(server: Client, requests: Requests, metrics: &Metrics) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let accept = request.headers().get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
        requests.lock().unwrap().push((request.uri().path().to_owned(), accept.to_owned()));
        let server = server.clone();
        async move { server.send(request).await }
    });
    Client::new(ObserveCalls(metrics.clone()).layer(service), NAMESPACE)
}

#[tokio::test(start_paused = true)]
async fn prometheus_learns_what_the_operator_did_without_the_names_of_objects() {
    let cluster = TestCluster::without_operator().await;
    cluster.apply("{apiVersion: toolhive.stacklok.dev/v1beta1, kind: MCPGroup, metadata: {name: unmistakable}}").await;
    cluster.apply("{apiVersion: v1, kind: Secret, metadata: {name: unmistakable}, stringData: {a: b}}").await;
    let (metrics, requests) = (Metrics::default(), Requests::default());
    let client = recorded(cluster.operator_client(), requests.clone(), &metrics);
    let stop = CancellationToken::new();
    let gateway = InstallOptions::default().gateway;
    let operator = Operator::standby(client, &Scope::Cluster, &gateway, metrics.clone(), stop.clone());
    let health = operator.health();
    let running = tokio::spawn(operator.run(None));
    tokio::time::sleep(Duration::from_secs(1)).await;

    let text = metrics.text();
    for expected in [
        r#"toolhive_operator_reconciles_total{kind="MCPGroup",outcome="success"}"#,
        r#"toolhive_operator_reconcile_duration_seconds_count{kind="MCPGroup"}"#,
        r#"toolhive_operator_queue_depth{state="ready"} 0"#,
        "toolhive_operator_queue_oldest_seconds 0",
        r#"toolhive_operator_api_requests_total{verb="patch",resource="mcpgroups/status",code="200"} 1"#,
        r#"toolhive_operator_api_requests_total{verb="watch",resource="secrets",code="200"}"#,
        "toolhive_operator_leader 1",
        concat!("toolhive_operator_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(!text.contains("unmistakable"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert_eq!(health.problem(tokio::time::Instant::now()), None);

    cluster.faults().drop_watches();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let of_secrets = |(path, _): &&(String, String)| path.ends_with("/secrets") || path.ends_with("/configmaps");
    let requests = requests.lock().unwrap().clone();
    let watches: Vec<_> = requests.iter().filter(of_secrets).collect();
    assert!(watches.len() >= 4, "{watches:?}");
    let metadata = watches.iter().filter(|(_, accept)| accept.contains("as=PartialObjectMetadata"));
    let whole =
        watches.iter().filter(|(path, accept)| path.ends_with("/secrets") && !accept.contains("PartialObjectMetadata"));
    assert!(metadata.count() > 0);
    assert_eq!(whole.count(), 0, "Secrets are watched as metadata alone: {watches:?}");
    stop.cancel();
    running.await.unwrap().unwrap();
}
