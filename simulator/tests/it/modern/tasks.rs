//! Calls that become tasks (extension `io.modelcontextprotocol/tasks`).

use serde_json::{Value, json};
use simulator::WorldHandle;

use super::client::Modern;
use crate::client::world;

const SERVER: &str = "http://mcp.example.com/mcp";
const EXTENSION: &str = "io.modelcontextprotocol/tasks";
const WORLD: &str = "
servers:
  - url: http://mcp.example.com/mcp
    protocolVersions: [2026-07-28]
    tools:
      - {name: slow, steps: [{task: {ttl: 1h, poll: 250ms}}, {wait: 2m}, {log: {data: half}}, {wait: 3m}], answer: {text: 'for ${argument:who}'}}
      - {name: brief, steps: [{task: {}}], answer: {isError: out of order}}
      - {name: fails, steps: [{task: {required: true}}], answer: {error: {code: -32050, message: no, data: {why: x}}}}
      - name: asks
        steps:
          - task: {}
          - ask:
              first: {elicit: {message: One?, requestedSchema: {type: object}}}
              second: {elicit: {message: Two?, requestedSchema: {type: object}}}
        answer: {text: '${first.action} ${second.action}'}
      - {name: later, steps: [{ask: {who: {elicit: {message: Who?, requestedSchema: {type: object}}}}}, {task: {}}], answer: {text: '${who.action}'}}
";

fn client(handle: &WorldHandle) -> Modern {
    let mut client = Modern::new(handle, SERVER);
    client.capabilities = json!({"elicitation": {}, "extensions": {EXTENSION: {}}});
    client
}

/// The answer to a request about a task; `Mcp-Name` names it.
async fn about(client: &Modern, method: &str, id: &Value, more: Value) -> Value {
    let mut params = more;
    params["taskId"] = id.clone();
    client.request(1, method, params).header("mcp-name", id.as_str()).send().await.1
}

async fn get(client: &Modern, id: &Value) -> Value {
    about(client, "tasks/get", id, json!({})).await["result"].clone()
}

async fn advance(handle: &WorldHandle, by: &str) {
    handle.update(serde_saphyr::from_str(&format!("advanceClock: {by}")).unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_task_goes_on_while_nobody_looks() {
    let (_simulator, handle) = world(WORLD).await;
    let client = client(&handle);
    let created = client.call_tool("slow", json!({"who": "alice"})).await["result"].clone();
    assert_eq!((&created["resultType"], &created["status"]), (&json!("task"), &json!("working")));
    assert_eq!((&created["ttlMs"], &created["pollIntervalMs"]), (&json!(3_600_000), &json!(250)));
    assert!(created.get("requestState").is_none() && created.get("result").is_none());

    let id = &created["taskId"];
    let working = get(&client, id).await;
    assert_eq!((&working["status"], &working["resultType"]), (&json!("working"), &json!("complete")));
    advance(&handle, "5m").await;
    let done = get(&client, id).await;
    assert_eq!(done["status"], "completed");
    assert_eq!(done["result"]["content"][0]["text"], "for alice");
    assert!(done["lastUpdatedAt"].as_str() > done["createdAt"].as_str());

    advance(&handle, "55m").await;
    assert_eq!(about(&client, "tasks/get", id, json!({})).await["error"]["code"], -32602);
}

#[tokio::test]
async fn errors_of_tools_complete_a_task_and_errors_of_the_protocol_fail_it() {
    let (_simulator, handle) = world(WORLD).await;
    let client = client(&handle);
    let brief = client.call_tool("brief", json!({})).await["result"]["taskId"].clone();
    let completed = get(&client, &brief).await;
    assert_eq!((&completed["status"], &completed["result"]["isError"]), (&json!("completed"), &json!(true)));
    let fails = client.call_tool("fails", json!({})).await["result"]["taskId"].clone();
    let failed = get(&client, &fails).await;
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["error"], json!({"code": -32050, "message": "no", "data": {"why": "x"}}));
    assert!(failed.get("result").is_none());
}

#[tokio::test]
async fn a_task_asks_and_is_answered_in_parts() {
    let (_simulator, handle) = world(WORLD).await;
    let client = client(&handle);
    let id = client.call_tool("asks", json!({})).await["result"]["taskId"].clone();
    let asking = get(&client, &id).await;
    assert_eq!(asking["status"], "input_required");
    assert_eq!(asking["inputRequests"]["first"]["method"], "elicitation/create");
    let bring = |name: &'static str, action: &'static str| {
        let inputs = json!({"inputResponses": {name: {"action": action}}});
        about(&client, "tasks/update", &id, inputs)
    };
    assert_eq!(bring("second", "decline").await["result"]["resultType"], "complete");
    let asking = get(&client, &id).await;
    assert_eq!(asking["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["first"]);
    bring("first", "cancel").await;
    assert_eq!(get(&client, &id).await["result"]["content"][0]["text"], "cancel decline");
}

#[tokio::test]
async fn a_call_may_ask_before_it_becomes_a_task() {
    let (_simulator, handle) = world(WORLD).await;
    let client = client(&handle);
    let first = client.call_tool("later", json!({})).await["result"].clone();
    assert_eq!(first["resultType"], "input_required");
    let inputs = json!({"who": {"action": "decline"}});
    let again =
        json!({"name": "later", "arguments": {}, "inputResponses": inputs, "requestState": first["requestState"]});
    let created = client.call("tools/call", again).await["result"].clone();
    assert_eq!(created["resultType"], "task");
    assert_eq!(get(&client, &created["taskId"]).await["result"]["content"][0]["text"], "decline");
}

#[tokio::test]
async fn a_cancelled_task_stays_cancelled_and_an_ended_one_ended() {
    let (_simulator, handle) = world(WORLD).await;
    let client = client(&handle);
    for (tool, status) in [("slow", "cancelled"), ("brief", "completed")] {
        let id = client.call_tool(tool, json!({})).await["result"]["taskId"].clone();
        for _ in 0..2 {
            let acknowledged = about(&client, "tasks/cancel", &id, json!({})).await["result"].clone();
            assert_eq!((&acknowledged["resultType"], acknowledged.get("status")), (&json!("complete"), None));
        }
        assert_eq!(get(&client, &id).await["status"], status);
    }
}

#[tokio::test]
async fn how_a_task_fares_is_told_to_whoever_listens() {
    let (_simulator, handle) = world(WORLD).await;
    let client = client(&handle);
    let slow = client.call_tool("slow", json!({"who": "alice"})).await["result"]["taskId"].clone();
    let asks = client.call_tool("asks", json!({})).await["result"]["taskId"].clone();
    let filter = json!({"notifications": {"taskIds": [slow, asks, "unknown"]}});
    let mut events = client.request(31, "subscriptions/listen", filter).events().await;
    let acknowledged = events.next().await.unwrap()["params"]["notifications"]["taskIds"].clone();
    assert_eq!(acknowledged.as_array().unwrap().len(), 2, "{acknowledged}");
    about(&client, "tasks/cancel", &asks, json!({})).await;
    let cancelled = events.next().await.unwrap();
    assert_eq!(cancelled["method"], "notifications/tasks");
    assert_eq!(cancelled["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 31);
    assert_eq!((&cancelled["params"]["taskId"], &cancelled["params"]["status"]), (&asks, &json!("cancelled")));
    advance(&handle, "5m").await;
    let completed = loop {
        let told = events.next().await.unwrap()["params"].clone();
        if told["status"] != "working" {
            break told;
        }
    };
    assert_eq!((&completed["taskId"], &completed["status"]), (&slow, &json!("completed")));
    assert_eq!(completed["result"]["content"][0]["text"], "for alice");
    assert_eq!(completed.get("resultType"), None);
}

#[tokio::test]
async fn tasks_are_for_clients_that_know_them() {
    let (_simulator, handle) = world(WORLD).await;
    let mut client = client(&handle);
    let discovered = client.call("server/discover", json!({})).await;
    assert_eq!(discovered["result"]["capabilities"]["extensions"], json!({EXTENSION: {}}));
    let id = client.call_tool("slow", json!({})).await["result"]["taskId"].clone();
    assert_eq!(about(&client, "tasks/get", &json!("unknown"), json!({})).await["error"]["code"], -32602);
    let misnamed = client.request(1, "tasks/get", json!({"taskId": id})).header("mcp-name", Some("other"));
    assert_eq!(misnamed.refused().await, (400, Some(-32020)));
    assert_eq!(client.request(1, "tasks/list", json!({})).refused().await, (404, Some(-32601)));

    client.capabilities = json!({});
    let refused = about(&client, "tasks/get", &id, json!({})).await["error"].clone();
    assert_eq!(refused["code"], -32021);
    assert_eq!(refused["data"]["requiredCapabilities"], json!({"extensions": {EXTENSION: {}}}));
    let listen = json!({"notifications": {"taskIds": [id]}});
    assert_eq!(client.request(1, "subscriptions/listen", listen).refused().await, (400, Some(-32021)));
    assert_eq!(client.call_tool("fails", json!({})).await["error"]["code"], -32021);
    assert_eq!(client.call_tool("brief", json!({})).await["result"]["resultType"], "complete");
}
