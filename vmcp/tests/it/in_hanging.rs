//! One backend that hangs, beside nine that do not, and clients that do not read.

use crate::in_backend::Backend;
use crate::in_support::{Client, PATIENCE, Running, config, eventually, health, start};
use http::{Method, StatusCode};
use serde_json::json;

/// Ten backends, each with a tool of its own beside `hang`, by name.
async fn ten() -> Vec<(String, Backend)> {
    let mut backends = Vec::new();
    for index in 0..10 {
        backends.push((format!("b{index}"), Backend::start(&[&format!("echo{index}"), "hang"]).await));
    }
    backends
}

async fn gateway_of(backends: &[(String, Backend)], more: &str, flags: &[&str]) -> Running {
    let backends: Vec<_> = backends.iter().map(|(name, backend)| (name.as_str(), backend)).collect();
    start(&config(&backends, more), flags).await
}

/// Calls the tools of all backends but the first, again and again.
async fn call_the_others(client: &Client, names: impl Fn(usize) -> String) {
    let others = async {
        for round in 0..10 {
            let calls = (1..10).map(|index| {
                let params = json!({"name": names(index), "arguments": {}});
                let id = format!("{round}-{index}");
                let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
                client.post(call.to_string())
            });
            for answer in futures::future::join_all(calls).await {
                assert!(answer.json()["result"].is_object(), "{answer:?}");
            }
        }
    };
    tokio::time::timeout(PATIENCE, others).await.expect("the calls wait for the backend that hangs");
}

#[tokio::test]
async fn one_hanging_backend_of_ten_holds_what_it_may_and_the_others_go_on() {
    let backends = ten().await;
    let gateway = gateway_of(&backends, "", &["--backend-cap", "8"]).await;
    let client = gateway.connected().await;
    assert_eq!(client.tool_names().await.len(), 20);
    let mut hanging: futures::stream::FuturesUnordered<_> = (0..100)
        .map(|id| {
            let client = client.clone();
            let params = json!({"name": "b0_hang", "arguments": {}});
            let call = json!({"jsonrpc": "2.0", "id": format!("hang-{id}"), "method": "tools/call", "params": params});
            tokio::spawn(async move { client.post(call.to_string()).await })
        })
        .collect();
    for _ in 0..92 {
        let refused = futures::StreamExt::next(&mut hanging).await.unwrap().unwrap();
        assert_eq!((refused.status, refused.error_code()), (StatusCode::SERVICE_UNAVAILABLE, -32051));
    }
    call_the_others(&client, |index| format!("b{index}_echo{index}")).await;
    assert_eq!((hanging.len(), backends[0].1.count("tools/call")), (8, 8));
    backends[0].1.release();
    while let Some(answer) = futures::StreamExt::next(&mut hanging).await {
        assert!(answer.unwrap().json()["result"].is_object());
    }
}

#[tokio::test]
async fn nobody_waits_the_deadline_of_lists_for_one_that_is_known_to_be_down() {
    let backends = ten().await;
    let probes = "operational: {failureHandling: {healthCheckInterval: 1h, healthCheckTimeout: 200ms, partialFailureMode: best_effort}}";
    for method in ["initialize", "ping"] {
        backends[0].1.hang_on(method);
    }
    let gateway = gateway_of(&backends, probes, &[]).await;
    health(&gateway, "b0", "unhealthy").await;
    let client = gateway.connected().await;
    let listed = tokio::time::timeout(PATIENCE, client.tool_names()).await.expect("a list waits for what is down");
    assert_eq!((listed.len(), listed.iter().any(|name| name.starts_with("b0_"))), (18, false), "{listed:?}");
    // Nor for the next probe of one that is back.
    backends[0].1.release();
    assert_eq!(client.tool_names().await.len(), 20);
}

#[tokio::test]
async fn one_of_ten_that_never_answered_does_not_keep_calls_that_it_could_have_owned() {
    let backends = ten().await;
    for method in ["initialize", "ping"] {
        backends[0].1.hang_on(method);
    }
    let priority = "aggregation: {conflictResolution: priority, conflictResolutionConfig: {priorityOrder: [b0, b1]}}\n\
                    operational: {failureHandling: {healthCheckInterval: 1h, healthCheckTimeout: 200ms}}";
    let gateway = gateway_of(&backends, priority, &[]).await;
    health(&gateway, "b0", "unhealthy").await;
    let client = gateway.connected().await;
    call_the_others(&client, |index| format!("echo{index}")).await;
    backends[0].1.release();
}

/// A backend whose tool `talk` says more before its answer than waits for a client to read it.
async fn talkative() -> Backend {
    let backend = Backend::start(&["talk", "echo"]).await;
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
    backend.speak("talk", &[progress; 100]);
    backend
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_a_place_no_longer_than_its_call_may_take() {
    let backends = [("b".to_owned(), talkative().await)];
    let gateway = gateway_of(&backends, "operational: {timeouts: {default: 1s}}", &["--backend-cap", "1"]).await;
    let client = gateway.connected().await;
    let is_free = async || client.call("b_echo", json!({})).await.status == StatusCode::OK;
    let meta = json!({"progressToken": 1});
    let mut unread = Vec::new();
    for has_session in [true, false] {
        assert!(is_free().await, "with a session: {has_session}");
        unread.push(if has_session {
            client.reading_nothing().call_streamed(7, "b_talk", meta.clone()).await
        } else {
            let params = json!({"name": "b_talk", "arguments": {}, "_meta": meta});
            gateway.client().reading_nothing().ask_streamed(json!(7), "tools/call", params).await
        });
        assert!(!is_free().await, "with a session: {has_session}");
        eventually(&format!("free, with a session: {has_session}"), is_free).await;
    }
}

#[tokio::test]
async fn a_call_whose_client_does_not_read_is_cancelled_and_ends_with_its_session() {
    let backends = [("b".to_owned(), talkative().await)];
    let gateway = gateway_of(&backends, "", &["--backend-cap", "1"]).await;
    let (client, other) = (gateway.connected().await, gateway.connected().await);
    let is_free = async || other.call("b_echo", json!({})).await.status == StatusCode::OK;
    assert!(is_free().await);
    let mut unread = Vec::new();
    for ends_session in [false, true] {
        unread.push(client.reading_nothing().call_streamed(7, "b_talk", json!({"progressToken": 1})).await);
        assert!(!is_free().await, "ends its session: {ends_session}");
        if ends_session {
            assert_eq!(client.send(Method::DELETE, "/mcp", "").await.status, StatusCode::OK);
        } else {
            client.notify("notifications/cancelled", json!({"requestId": 7})).await;
        }
        eventually(&format!("free, ends its session: {ends_session}"), is_free).await;
    }
}
