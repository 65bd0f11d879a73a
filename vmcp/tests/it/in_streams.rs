//! Streams that clients come back to, and batches.

use crate::in_backend::Backend;
use crate::in_support::{Client, Events, Running, gateway, initialize_params};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A client of this revision that can be asked for its roots.
async fn client_of(gateway: &Running, revision: &str) -> Client {
    let mut client = gateway.client();
    let mut params = initialize_params(revision);
    params["capabilities"] = json!({"roots": {}});
    client.initialize_with(params).await;
    client
}

#[tokio::test]
async fn a_client_that_lost_its_stream_comes_back_for_the_answer() {
    let backend = Backend::start(&["ask"]).await;
    backend.speak("ask", &[r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#]);
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = client_of(&gateway, "2025-11-25").await;
    let mut events = client.call_streamed(1, "b_ask", json!({})).await;
    let asked = events.next().await.unwrap();
    let last_id = events.last_id.clone();
    drop(events);
    let roots = json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": []}}).to_string();
    assert_eq!(client.post(roots).await.status, StatusCode::ACCEPTED);
    let (stream, _) = last_id.split_once('-').unwrap();
    let priming = format!("{stream}-");
    for (after, asked_again) in [(last_id.as_str(), false), (priming.as_str(), true)] {
        let mut rest = client.listen_after(after).await;
        if asked_again {
            assert_eq!(rest.next().await.unwrap(), asked);
        }
        assert_eq!(rest.next().await.unwrap()["result"]["heard"][0]["result"], json!({"roots": []}));
        assert!(rest.next().await.is_none(), "the stream ends with the answer");
    }
    // To another session, and to none, the stream does not exist.
    let other = client_of(&gateway, "2025-11-25").await;
    for (client, id) in [(&other, last_id.as_str()), (&client, "99-0"), (&client, "nonsense")] {
        let mut lost = client.clone();
        lost.headers.insert("last-event-id", id.parse().unwrap());
        assert_eq!(lost.get("/mcp").await.status, StatusCode::BAD_REQUEST, "{id}");
    }
}

#[tokio::test]
async fn messages_outside_of_requests_are_sent_again_too() {
    let backend = Backend::start(&["a"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    client.tool_names().await;
    let mut events = client.listen().await;
    backend.change_tools(&["a", "c"]).await;
    let told = events.next().await.unwrap();
    assert_eq!(events.last_id, "0-0");
    drop(events);
    assert_eq!(client.listen_after("0-").await.next().await.unwrap(), told);
}

#[tokio::test]
async fn a_batch_is_answered_message_by_message() {
    let backend = Backend::start(&["echo"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = client_of(&gateway, "2025-03-26").await;
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "b_echo"}},
        {"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": initialize_params("2025-03-26")},
        {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "b_echo", "Name": "other"}},
        {"id": 5},
        {"jsonrpc": "2.0", "id": 6, "method": "ping", "params": null},
    ]);
    let response = client.open(Method::POST, "/mcp", batch.to_string()).await;
    let mut events = Events::of(response);
    let mut answers = BTreeMap::new();
    while let Some(answer) = events.next().await {
        answers.insert(answer["id"].as_u64(), answer);
    }
    assert_eq!(answers.keys().copied().collect::<Vec<_>>(), [None, Some(1), Some(2), Some(3), Some(4), Some(6)]);
    assert_eq!(answers[&Some(1)]["result"], json!({}));
    assert!(answers[&Some(2)]["result"]["content"][0]["text"].as_str().unwrap().starts_with("echo of"));
    let codes = [None, Some(3), Some(4), Some(6)].map(|id| answers[&id]["error"]["code"].clone());
    assert_eq!(codes, [-32600, -32600, -32602, -32602].map(Value::from));
    assert_eq!(backend.count("tools/call"), 1);
}

#[tokio::test]
async fn a_message_of_a_batch_that_is_wrong_takes_no_answer_from_the_others() {
    let backend = Backend::start(&["echo"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = client_of(&gateway, "2025-03-26").await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"b_echo"}}"#;
    for wrong in [
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"requestId":2}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"_meta":{},"_META":{}}}"#,
    ] {
        let response = client.open(Method::POST, "/mcp", format!("[{call},{wrong}]")).await;
        assert_eq!(response.status(), StatusCode::OK, "{wrong}");
        let mut events = Events::of(response);
        let (error, answer) = (events.next().await.unwrap(), events.next().await.unwrap());
        assert_eq!((&error["id"], &error["error"]["code"]), (&Value::Null, &json!(-32602)), "{wrong}");
        assert!(answer["result"].is_object(), "{wrong}: {answer}");
    }
}

#[tokio::test]
async fn batches_are_of_one_revision_and_bounded() {
    let backend = Backend::start(&["echo"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let client = client_of(&gateway, "2025-03-26").await;
    let initialized = json!([{"jsonrpc": "2.0", "method": "notifications/initialized"}]);
    let answer = client.post(initialized.to_string()).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::ACCEPTED, ""));
    for batch in [json!([]), Value::from(vec![ping.clone(); 101])] {
        let answer = client.post(batch.to_string()).await;
        assert_eq!((answer.status, answer.error_code()), (StatusCode::BAD_REQUEST, -32600));
    }
    let answer = client.post("[{").await;
    assert_eq!((answer.status, answer.error_code()), (StatusCode::BAD_REQUEST, -32700));
    let newer = client_of(&gateway, "2025-06-18").await;
    for client in [newer, gateway.client()] {
        let answer = client.post(json!([ping]).to_string()).await;
        assert_eq!((answer.status, answer.error_code()), (StatusCode::BAD_REQUEST, -32600));
    }
}
