//! Calls that take steps before their answer.

use serde_json::{Value, json};
use tokio::time::timeout;

use super::client::Modern;
use crate::client::{LIMIT, world};

const SERVER: &str = "http://mcp.example.com/mcp";
const LEVEL: &str = "io.modelcontextprotocol/logLevel";
const WORLD: &str = "
servers:
  - url: http://mcp.example.com/mcp
    protocolVersions: [2026-07-28]
    instructions: Be kind.
    tools:
      - name: report
        steps:
          - log: {level: debug, data: detail}
          - log: {level: info, logger: report, data: 'for ${argument:who}'}
          - progress: {progress: 50, total: 100, message: half}
        answer: {text: done}
      - {name: slow, steps: [{log: {data: begun}}, {wait: 1h}], answer: {text: at last}}
      - {name: brief, steps: [{wait: 10ms}], answer: {text: soon}}
    prompts:
      - {name: greet, arguments: [{name: who, required: true, completes: [alice, bob]}], messages: [{role: user, content: {type: text, text: 'Hello ${argument:who}'}}]}
    resources:
      - {uri: 'test://a', name: a, text: content}
    resourceTemplates:
      - {uriTemplate: 'test://{id}/data', name: data, text: 'data of ${id}'}
";

fn methods(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["method"].as_str().unwrap_or("answer")).collect()
}

#[tokio::test]
async fn logs_and_progress_come_only_to_those_who_ask_for_them() {
    let (_simulator, handle) = world(WORLD).await;
    let client = Modern::new(&handle, SERVER);
    let call = || client.request(4, "tools/call", json!({"name": "report", "arguments": {"who": "alice"}}));

    // Nothing comes before the answer: it needs no stream.
    assert_eq!(call().send().await.1["result"]["content"][0]["text"], "done");

    let messages = call().describing(LEVEL, json!("info")).events().await.rest().await;
    assert_eq!(methods(&messages), ["notifications/message", "answer"]);
    assert_eq!(messages[0]["params"], json!({"level": "info", "logger": "report", "data": "for alice"}));
    assert_eq!((&messages[1]["id"], &messages[1]["result"]["resultType"]), (&json!(4), &json!("complete")));

    let all = call().describing(LEVEL, json!("debug")).describing("progressToken", json!("p1"));
    let messages = all.events().await.rest().await;
    assert_eq!(
        methods(&messages),
        ["notifications/message", "notifications/message", "notifications/progress", "answer"]
    );
    assert_eq!(messages[2]["params"], json!({"progressToken": "p1", "progress": 50, "total": 100, "message": "half"}));
}

#[tokio::test]
async fn an_answer_that_takes_time_comes_on_a_stream() {
    let (_simulator, handle) = world(WORLD).await;
    let messages = Modern::new(&handle, SERVER).request(1, "tools/call", json!({"name": "brief"})).events().await;
    assert_eq!(messages.rest().await[0]["result"]["content"][0]["text"], "soon");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_call() {
    let (_simulator, handle) = world(WORLD).await;
    let client = Modern::new(&handle, SERVER);
    let call = client.request(1, "tools/call", json!({"name": "slow"})).describing(LEVEL, json!("info"));
    let mut events = call.events().await;
    assert_eq!(events.next().await.unwrap()["params"]["data"], "begun");
    drop(events);
    let journal = handle.journal();
    let left = timeout(LIMIT, journal.wait_for(|entry| entry.cancels.is_some())).await.unwrap();
    let request =
        journal.entries().iter().find(|entry| entry.method.as_deref() == Some("tools/call")).unwrap().sequence;
    assert_eq!(left.cancels, Some(request));
    assert!(left.verdict.as_ref().unwrap().contains("cancelled"));
    assert_eq!((left.server.as_deref(), left.method.as_deref()), (Some(SERVER), None));
    // Whoever reads to the end cancels nothing.
    client.call_tool("report", json!({})).await;
    client.request(2, "tools/call", json!({"name": "brief"})).events().await.rest().await;
    assert_eq!(journal.entries().iter().filter(|entry| entry.cancels.is_some()).count(), 1);
}

#[tokio::test]
async fn a_server_that_is_taken_down_leaves_calls_unanswered() {
    let (_simulator, handle) = world(WORLD).await;
    let call = Modern::new(&handle, SERVER).request(1, "tools/call", json!({"name": "slow"}));
    let mut events = call.describing(LEVEL, json!("info")).events().await;
    events.next().await.unwrap();
    handle.update(serde_saphyr::from_str(&format!("takeDown: {SERVER}")).unwrap()).await.unwrap();
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn prompts_resources_and_completions_are_served() {
    let (_simulator, handle) = world(WORLD).await;
    let client = Modern::new(&handle, SERVER);
    let discovered = client.call("server/discover", json!({})).await["result"].clone();
    assert_eq!(
        discovered["capabilities"],
        json!({
            "tools": {"listChanged": true},
            "prompts": {"listChanged": true},
            "resources": {"listChanged": true, "subscribe": true},
            "completions": {},
            "logging": {},
        })
    );
    assert_eq!(discovered["instructions"], "Be kind.");
    let prompt = client.call("prompts/get", json!({"name": "greet", "arguments": {"who": "bob"}})).await;
    assert_eq!(prompt["result"]["messages"][0]["content"]["text"], "Hello bob");
    let read = client.call("resources/read", json!({"uri": "test://7/data"})).await["result"].clone();
    assert_eq!((&read["contents"][0]["text"], &read["ttlMs"]), (&json!("data of 7"), &json!(0)));
    for method in ["prompts/list", "resources/list", "resources/templates/list"] {
        assert_eq!(client.call(method, json!({})).await["result"]["cacheScope"], "private", "{method}");
    }
    let reference = json!({"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "who", "value": "b"}});
    assert_eq!(client.call("completion/complete", reference).await["result"]["completion"]["values"], json!(["bob"]));
    let absent = client.call("resources/read", json!({"uri": "test://absent"})).await["error"].clone();
    assert_eq!((&absent["code"], &absent["data"]["uri"]), (&json!(-32602), &json!("test://absent")));
}
