//! What pods know of machines outside the cluster, told by another process.

use std::net::{IpAddr, SocketAddr};

use embedded_cluster::ApiServer;
use http::Request;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use serde_json::{Value, json};

use crate::api_support::refusal;
use crate::node_support::{SHELL, cluster, create, wait};

async fn send(client: &Client, method: &str, path: &str, body: Value) -> kube::Result<Value> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    client.request(Request::builder().method(method).uri(path).body(body).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_get_the_names_and_variables_of_their_namespace() {
    let cluster = cluster().await;
    let client = cluster.client();
    let blocks = send(&client, "GET", "/embedded/addresses", Value::Null).await.unwrap();
    assert_eq!(blocks["world"], json!(cluster.world_block()));
    let outside: IpAddr = cluster.world_block().hosts().next().unwrap().into();
    let told = json!({
        "names": {"mcp.example.com": outside, "late.example.com": outside},
        "delegated": {"late.example.com": SocketAddr::new(outside, 53)},
        "environment": {"GREETING": "hello", "OTHER": "mine"},
    });
    let answer = send(&client, "PUT", "/embedded/namespaces/default", told).await.unwrap();
    assert_eq!(answer, send(&client, "GET", "/embedded/namespaces/default", Value::Null).await.unwrap());
    let resolver: SocketAddr = answer["resolver"].as_str().unwrap().parse().unwrap();
    assert_eq!(resolver, cluster.dns().view("default").unwrap());
    assert_eq!(
        cluster.resolve("default", "mcp.example.com", 443).await,
        Some(SocketAddr::new(outside, 443)),
        "the namespace resolves the name"
    );
    assert_eq!(cluster.resolve("default", "late.example.com", 443).await, None, "another server knows it");
    assert_eq!(cluster.resolve("other", "mcp.example.com", 443).await, None, "another namespace does not");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"restartPolicy": "Never",
        "containers": [{"name": "c", "image": SHELL, "command": ["/bin/sh", "-c", "echo $GREETING $OTHER"],
                        "env": [{"name": "OTHER", "value": "the pod's"}]}]}});
    create::<Pod>(&cluster, pod).await;
    wait(&cluster, "a", |pod: Option<&Pod>| {
        pod.and_then(|pod| pod.status.as_ref()?.phase.clone()).is_some_and(|phase| phase == "Succeeded")
    })
    .await;
    assert_eq!(cluster.logs("default", "a").await.trim(), "[c] hello the pod's");
    cluster.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_told_is_refused() {
    let alone = ApiServer::default().client("default");
    let (code, _, message) = refusal(send(&alone, "GET", "/embedded/addresses", Value::Null).await);
    assert_eq!((code, message.as_str()), (404, "this API server has no node, so there are no pods to tell"));
}
