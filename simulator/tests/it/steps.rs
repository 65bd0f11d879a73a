//! What happens between a request and its answer.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::WorldChange;
use tokio::time::timeout;

use crate::client::{Events, LIMIT, Mcp, world};

const SERVER: &str = "http://mcp.example.com/mcp";
const WORLD: &str = r#"
servers:
  - url: http://mcp.example.com/mcp
    tools:
      - name: report
        steps:
          - log: {level: debug, logger: reports, data: "begun by ${argument:who}"}
          - progress: {progress: 50, total: 100, message: half}
          - wait: 1ms
          - log: {level: warning, data: {left: 1}}
        answer: {text: "done for ${argument:who}"}
      - name: interview
        steps:
          - ask:
              user: {elicit: {message: "Who?", requestedSchema: {type: object, properties: {name: {type: string}}}}}
              greeting: {sample: {messages: [], maxTokens: 100}}
          - ask: {folders: {roots: {}}}
        answer: {text: "${greeting.content.text}, ${user.content.name} in ${folders.roots.0.uri}: ${user.action}"}
      - name: visit
        steps: [{ask: {page: {elicit: {mode: url, url: "https://example.com", message: Look, elicitationId: "1"}}}}]
        answer: {text: "${page.action}"}
      - name: perhaps
        steps: [{ask: {page: {elicit: {message: Hm}, optional: true}}}]
        answer: {text: "heard: ${page.action}"}
      - {name: slow, steps: [{progress: {progress: 0}}, {wait: 1h}], answer: {text: late}}
      - name: echo
    prompts:
      - {name: thought, steps: [{wait: 1ms}], messages: [{role: user, content: {type: text, text: hi}}]}
    resources:
      - {uri: "test://counted", steps: [{progress: {progress: 1}}], text: counted}
"#;

const EVERYTHING: &str = r#"{"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}"#;

async fn connected(capabilities: &str) -> (simulator::Simulator, simulator::WorldHandle, Mcp) {
    let (simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize_with("2025-11-25", serde_json::from_str(capabilities).unwrap()).await;
    (simulator, handle, mcp)
}

/// Reads the next request on the stream and answers it.
async fn give(mcp: &Mcp, stream: &mut Events, method: &str, outcome: Value) -> Value {
    let asked = stream.next().await.unwrap();
    assert_eq!(asked["method"], method);
    let mut response = outcome;
    response["jsonrpc"] = "2.0".into();
    response["id"] = asked["id"].clone();
    assert_eq!(mcp.post(&response).await.status(), StatusCode::ACCEPTED);
    asked["params"].clone()
}

#[tokio::test]
async fn logs_and_progress_come_before_the_answer() {
    let (_simulator, _handle, mut mcp) = connected("{}").await;
    let params = json!({"name": "report", "arguments": {"who": "alice"}, "_meta": {"progressToken": "p-1"}});
    let mut stream = mcp.open("tools/call", params.clone()).await;
    assert_eq!(
        stream.next().await.unwrap()["params"],
        json!({"level": "debug", "logger": "reports", "data": "begun by alice"})
    );
    assert_eq!(
        stream.next().await.unwrap()["params"],
        json!({"progressToken": "p-1", "progress": 50, "total": 100, "message": "half"})
    );
    assert_eq!(stream.next().await.unwrap()["params"], json!({"level": "warning", "data": {"left": 1}}));
    assert_eq!(stream.next().await.unwrap()["result"]["content"][0]["text"], "done for alice");
    assert_eq!(stream.next().await, None);

    assert_eq!(mcp.call("logging/setLevel", json!({"level": "warning"})).await["result"], json!({}));
    assert_eq!(mcp.call("logging/setLevel", json!({"level": "loud"})).await["error"]["code"], -32602);
    let mut stream = mcp.open("tools/call", json!({"name": "report"})).await;
    assert_eq!(stream.next().await.unwrap()["params"]["level"], "warning");
    assert!(stream.next().await.unwrap()["result"].is_object());
}

#[tokio::test]
async fn prompts_and_resources_take_steps_too() {
    let (_simulator, _handle, mut mcp) = connected("{}").await;
    let answer = mcp.open("prompts/get", json!({"name": "thought"})).await.next().await.unwrap();
    assert_eq!(answer["result"]["messages"][0]["content"]["text"], "hi");
    let params = json!({"uri": "test://counted", "_meta": {"progressToken": 7}});
    let mut stream = mcp.open("resources/read", params).await;
    assert_eq!(stream.next().await.unwrap()["params"], json!({"progressToken": 7, "progress": 1}));
    assert_eq!(stream.next().await.unwrap()["result"]["contents"][0]["text"], "counted");
}

#[tokio::test]
async fn what_the_client_answers_goes_into_the_answer() {
    let (_simulator, _handle, mut mcp) = connected(EVERYTHING).await;
    let mut stream = mcp.open("tools/call", json!({"name": "interview"})).await;
    let sampled = json!({"result": {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Hello"}}});
    let asked = give(&mcp, &mut stream, "sampling/createMessage", sampled).await;
    assert_eq!(asked, json!({"messages": [], "maxTokens": 100}));
    let elicited = json!({"result": {"action": "accept", "content": {"name": "Ann"}}});
    give(&mcp, &mut stream, "elicitation/create", elicited).await;
    give(&mcp, &mut stream, "roots/list", json!({"result": {"roots": [{"uri": "file:///home"}]}})).await;
    let answer = stream.next().await.unwrap();
    assert_eq!(answer["result"]["content"][0]["text"], "Hello, Ann in file:///home: accept");

    let mut stream = mcp.open("tools/call", json!({"name": "visit"})).await;
    let asked = give(&mcp, &mut stream, "elicitation/create", json!({"result": {"action": "decline"}})).await;
    assert_eq!(asked["mode"], "url");
    assert_eq!(stream.next().await.unwrap()["result"]["content"][0]["text"], "decline");
}

#[tokio::test]
async fn a_client_is_asked_only_what_it_has_declared() {
    let (_simulator, _handle, mut mcp) = connected(r#"{"elicitation": {}, "sampling": {}}"#).await;
    for (tool, missing) in [("visit", "elicitation.url"), ("interview", "roots")] {
        let mut stream = mcp.open("tools/call", json!({"name": tool})).await;
        if tool == "interview" {
            give(&mcp, &mut stream, "sampling/createMessage", json!({"result": {}})).await;
            give(&mcp, &mut stream, "elicitation/create", json!({"result": {}})).await;
        }
        let error = stream.next().await.unwrap()["error"].clone();
        assert_eq!(error["code"], -32603);
        let message = error["message"].as_str().unwrap();
        assert!(message.ends_with(&format!("has not declared `{missing}`")), "{message}");
    }
    let (_simulator, _handle, mut mcp) = connected("{}").await;
    let answer = mcp.open("tools/call", json!({"name": "perhaps"})).await.next().await.unwrap();
    assert_eq!(answer["result"]["content"][0]["text"], "heard: ");
}

#[tokio::test]
async fn the_journal_tells_which_requests_fail_after_their_answers_have_begun() {
    let (_simulator, handle, mut mcp) = connected(r#"{"elicitation": {}}"#).await;
    let journal = handle.journal();
    for tool in ["report", "visit"] {
        let mut stream = mcp.open("tools/call", json!({"name": tool})).await;
        while stream.next().await.is_some() {}
    }
    let failed = timeout(LIMIT, journal.wait_for(|entry| entry.fails.is_some())).await.unwrap();
    let entries = journal.entries();
    let calls: Vec<_> = entries.iter().filter(|entry| entry.method.as_deref() == Some("tools/call")).collect();
    assert_eq!((calls.len(), failed.fails), (2, Some(calls[1].sequence)), "the first does not fail");
    assert_eq!(calls[1].verdict, None, "nobody knew when it was answered");
    let verdict = failed.verdict.as_deref().unwrap();
    assert!(
        verdict.contains("JSON-RPC error -32603") && verdict.contains("has not declared `elicitation.url`"),
        "{verdict}"
    );
    assert_eq!((failed.server.as_deref(), failed.method.as_deref()), (Some(SERVER), None));
}

#[tokio::test]
async fn a_client_that_refuses_fails_the_call() {
    let (_simulator, _handle, mut mcp) = connected(EVERYTHING).await;
    let mut stream = mcp.open("tools/call", json!({"name": "visit"})).await;
    give(&mcp, &mut stream, "elicitation/create", json!({"error": {"code": -1, "message": "no"}})).await;
    let message = stream.next().await.unwrap()["error"]["message"].clone();
    assert!(
        message.as_str().unwrap().starts_with("the client answered `elicitation/create` with the error"),
        "{message}"
    );
}

#[tokio::test]
async fn a_cancelled_call_ends_without_an_answer() {
    let (_simulator, _handle, mut mcp) = connected("{}").await;
    let message = mcp.request("tools/call", json!({"name": "slow", "_meta": {"progressToken": 1}}));
    let mut stream = Events::of(mcp.post(&message).await);
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/progress");
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": message["id"]}});
    assert_eq!(mcp.post(&cancelled).await.status(), StatusCode::ACCEPTED);
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_wait_ends_by_the_worlds_clock() {
    let (_simulator, handle, mut mcp) = connected("{}").await;
    let mut stream = mcp.open("tools/call", json!({"name": "slow", "_meta": {"progressToken": 1}})).await;
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/progress");
    handle.update(WorldChange::AdvanceClock(Duration::from_hours(1))).await.unwrap();
    assert_eq!(stream.next().await.unwrap()["result"]["content"][0]["text"], "late");
}

#[tokio::test]
async fn a_session_that_ends_takes_its_calls_along() {
    let (_simulator, _handle, mut mcp) = connected("{}").await;
    let mut stream = mcp.open("tools/call", json!({"name": "slow", "_meta": {"progressToken": 1}})).await;
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/progress");
    mcp.client.delete(&mcp.url).headers(mcp.headers.clone()).send().await.unwrap();
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_batch_with_steps_is_answered_on_one_stream() {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-03-26").await;
    let batch = json!([
        mcp.request("tools/call", json!({"name": "report"})),
        mcp.request("tools/call", json!({"name": "echo", "arguments": {"text": "at once"}})),
    ]);
    let mut stream = Events::of(mcp.post(&batch).await);
    assert_eq!(stream.next().await.unwrap()["result"]["content"][0]["text"], "at once");
    let mut last = Value::Null;
    while let Some(message) = stream.next().await {
        last = message;
    }
    assert_eq!(last["result"]["content"][0]["text"], "done for ");
}
