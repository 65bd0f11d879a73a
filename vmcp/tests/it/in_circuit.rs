//! The circuit breaker from outside: what clients are told, and what reaches a backend that keeps failing.

use crate::in_backend::Backend;
use crate::in_support::{ANONYMOUS, Client, gateway, health, start};
use crate::out_support::{Server, text};
use crate::proxy_support;
use http::{Method, StatusCode};
use serde_json::{Value, json};

/// Three failures open the circuit for an hour; probes are rare.
const BREAKER: &str = "operational: {failureHandling: {healthCheckInterval: 1h, partialFailureMode: best_effort, \
                       circuitBreaker: {enabled: true, failureThreshold: 3, timeout: 1h}}}";

async fn cause(client: &Client, tool: &str) -> Value {
    client.call(tool, json!({})).await.json()["error"]["data"]["cause"].clone()
}

async fn opened(client: &Client, backend: &Backend) {
    assert!(client.call("bad_echo", json!({})).await.json()["result"].is_object());
    backend.break_with(Some(StatusCode::SERVICE_UNAVAILABLE));
    for _ in 0..3 {
        assert_eq!(cause(client, "bad_echo").await, "protocol");
    }
}

#[tokio::test]
async fn a_backend_that_keeps_failing_is_left_alone_and_clients_are_told_at_once() {
    let (good, bad) = (Backend::start(&["echo"]).await, Backend::start(&["echo"]).await);
    let gateway = gateway(&[("bad", &bad), ("good", &good)], BREAKER).await;
    let (client, leaving) = (gateway.connected().await, gateway.connected().await);
    assert_eq!(leaving.tool_names().await, ["bad_echo", "good_echo"]);
    opened(&client, &bad).await;
    let requests = bad.requests();
    let error = client.call("bad_echo", json!({})).await.json()["error"].clone();
    assert_eq!((&error["code"], &error["data"]), (&json!(-32050), &json!({"backend": "bad", "cause": "circuit_open"})));
    let message = error["message"].as_str().unwrap();
    for expected in ["\"bad\"", "circuit breaker is open after 3 failures", "503 Service Unavailable", "again in"] {
        assert!(message.contains(expected), "{expected} in {message}");
    }
    health(&gateway, "bad", "unhealthy").await;
    let told = gateway.client().get("/api/backends/health").await;
    assert_eq!((told.status, told.header("x-content-type-options")), (StatusCode::OK, "nosniff"));
    let told = told.json();
    assert_eq!(told["monitoring_enabled"], true);
    let summary = json!({"Total": 2, "Healthy": 1, "Degraded": 0, "Unhealthy": 1, "Unknown": 0, "Unauthenticated": 0});
    assert_eq!(told["summary"], summary);
    let row = &told["backends"]["bad"];
    assert_eq!((&row["Status"], &row["CircuitState"]), (&json!("unhealthy"), &json!("open")));
    assert_eq!((&row["LastErrorCategory"], &row["ConsecutiveFailures"]), (&json!("backend_unavailable"), &json!(3)));
    for time in ["LastCheckTime", "LastTransitionTime", "CircuitLastChanged"] {
        assert!(row[time].as_str().unwrap().ends_with('Z'), "{time} in {row}");
    }
    assert_eq!(
        (&row["MCPRevision"], &told["backends"]["good"]["CircuitState"]),
        (&json!("2025-11-25"), &json!("closed"))
    );
    assert_eq!(client.tool_names().await, ["good_echo"]);
    assert!(client.call("good_echo", json!({})).await.json()["result"].is_object());
    assert_eq!(leaving.send(Method::DELETE, "/mcp", "").await.status, StatusCode::OK);
    assert_eq!(bad.requests(), requests, "nothing reached it, not even the end of a session");
}

#[tokio::test]
async fn a_backend_that_has_recovered_is_found_when_the_time_is_up() {
    let bad = Backend::start(&["echo"]).await;
    let gateway = gateway(&[("bad", &bad)], &BREAKER.replace("timeout: 1h", "timeout: 2s")).await;
    let client = gateway.connected().await;
    opened(&client, &bad).await;
    bad.break_with(None);
    let requests = bad.requests();
    assert_eq!(cause(&client, "bad_echo").await, "circuit_open");
    assert_eq!(bad.requests(), requests);
    health(&gateway, "bad", "healthy").await;
    assert!(client.call("bad_echo", json!({})).await.json()["result"].is_object());
    assert_eq!(client.tool_names().await, ["bad_echo"]);
}

#[tokio::test]
async fn what_a_backend_answers_itself_does_not_open_its_circuit() {
    let backend = Backend::start(&["echo", "refuse"]).await;
    backend.script("echo", r#""result":{"content":[],"isError":true}"#);
    backend.script("refuse", r#""error":{"code":-32000,"message":"no"}"#);
    let gateway = gateway(&[("bad", &backend)], BREAKER).await;
    let client = gateway.connected().await;
    for _ in 0..5 {
        assert_eq!(client.call("bad_echo", json!({})).await.json()["result"]["isError"], true);
        assert_eq!(client.call("bad_refuse", json!({})).await.error_code(), -32000);
    }
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::FORBIDDEN] {
        backend.break_with(Some(status));
        for _ in 0..5 {
            assert_ne!(cause(&client, "bad_echo").await, "circuit_open", "{status}");
        }
    }
}

#[tokio::test]
async fn without_a_breaker_every_call_is_tried() {
    let backend = Backend::start(&["echo"]).await;
    let off = BREAKER.replace("enabled: true", "enabled: false");
    let gateway = gateway(&[("bad", &backend)], &off).await;
    let client = gateway.connected().await;
    opened(&client, &backend).await;
    for _ in 0..5 {
        assert_eq!(cause(&client, "bad_echo").await, "protocol");
    }
}

#[tokio::test]
async fn a_server_that_its_proxy_cannot_reach_opens_the_circuit_of_the_proxy() {
    let server = Server::trap().await;
    let config = proxy_support::config(&server, json!({}));
    drop(server);
    let causes = causes_behind_a_proxy(&config).await;
    assert_eq!((&causes[0], &causes[3]), (&json!("refused"), &json!("circuit_open")), "{causes:?}");
}

#[tokio::test]
async fn a_server_that_fails_behind_its_proxy_opens_the_circuit_of_the_proxy_and_one_that_refuses_does_not() {
    for (status, last) in [(StatusCode::BAD_GATEWAY, "circuit_open"), (StatusCode::NOT_FOUND, "protocol")] {
        let server = Server::plain(move |_| async move { text(status, "upstream is down") }).await;
        let causes = causes_behind_a_proxy(&proxy_support::config(&server, json!({}))).await;
        assert_eq!((&causes[0], &causes[3]), (&json!("protocol"), &json!(last)), "{status}: {causes:?}");
    }
}

/// Of what classes four calls fail, one after the other, to a server behind a proxy of this configuration.
async fn causes_behind_a_proxy(config: &Value) -> Vec<Value> {
    let proxy = proxy_support::start(config).await;
    let backends = json!([{"name": "bad", "url": format!("{}/mcp", proxy.url), "transport": "streamable-http"}]);
    let flags = ["--egress-allow", "127.0.0.0/8"];
    let gateway = start(&format!("{ANONYMOUS}\nbackends: {backends}\n{BREAKER}"), &flags).await;
    let client = gateway.connected().await;
    let mut causes = Vec::new();
    while causes.len() < 4 {
        causes.push(cause(&client, "bad_echo").await);
    }
    causes
}
