//! Streams of changes.

use serde_json::{Value, json};
use simulator::{WorldChange, WorldHandle};
use tokio::time::timeout;

use super::client::{Events, Modern};
use crate::client::{LIMIT, world};

const SERVER: &str = "http://mcp.example.com/mcp";
const TOOLS: &str = "
    tools:
      - {name: change, steps: [{announce: prompts}, {announce: {resource: 'test://a'}}, {announce: {resource: 'test://b'}}], answer: {text: changed}}
    prompts: [{name: p, messages: [{role: user, content: {type: text, text: x}}]}]
    resources: [{uri: 'test://a', text: a}, {uri: 'test://b', text: b}]
";
const ID: &str = "io.modelcontextprotocol/subscriptionId";

fn yaml(more: &str) -> String {
    format!("servers:\n  - url: {SERVER}\n    protocolVersions: [2026-07-28]\n{more}\n{TOOLS}")
}

async fn listen(handle: &WorldHandle, id: u64, filter: Value) -> Events {
    let request = Modern::new(handle, SERVER).request(id, "subscriptions/listen", json!({"notifications": filter}));
    request.events().await
}

async fn change(handle: &WorldHandle, change: &str) {
    handle.update(serde_saphyr::from_str::<WorldChange>(change).unwrap()).await.unwrap();
}

async fn set_tools(handle: &WorldHandle) {
    change(handle, "setTools: {server: http://mcp.example.com/mcp, tools: [{name: other}]}").await;
}

#[tokio::test]
async fn a_subscription_is_acknowledged_and_told_of_what_it_asked_for() {
    let (_simulator, handle) = world(&yaml("")).await;
    let filter = json!({"promptsListChanged": true, "toolsListChanged": false, "resourceSubscriptions": ["test://b", "test://absent"]});
    let mut events = listen(&handle, 31, filter).await;
    let acknowledged = events.next().await.unwrap();
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(
        acknowledged["params"],
        json!({"_meta": {ID: 31}, "notifications": {"promptsListChanged": true, "resourceSubscriptions": ["test://b"]}})
    );
    Modern::new(&handle, SERVER).call_tool("change", json!({})).await;
    set_tools(&handle).await;
    change(&handle, "endSessions: http://mcp.example.com/mcp").await;
    let rest = events.rest().await;
    let methods: Vec<&Value> = rest.iter().map(|message| &message["method"]).collect();
    assert_eq!(
        methods,
        ["notifications/prompts/list_changed", "notifications/resources/updated", ""]
            .map(|name| if name.is_empty() { Value::Null } else { json!(name) })
            .iter()
            .collect::<Vec<_>>()
    );
    assert!(rest[..2].iter().all(|message| message["params"]["_meta"][ID] == 31));
    assert_eq!(rest[1]["params"]["uri"], "test://b");
    // The end in order is the answer to the request.
    assert_eq!(rest[2]["id"], 31);
    assert_eq!(rest[2]["result"], json!({"resultType": "complete", "_meta": {ID: 31}}));
}

#[tokio::test]
async fn changed_tools_are_told_to_all_who_listen() {
    let (_simulator, handle) = world(&yaml("")).await;
    let mut first = listen(&handle, 1, json!({"toolsListChanged": true})).await;
    let mut second = listen(&handle, 2, json!({"toolsListChanged": true})).await;
    for events in [&mut first, &mut second] {
        events.next().await.unwrap();
    }
    set_tools(&handle).await;
    for (events, id) in [(&mut first, 1), (&mut second, 2)] {
        let message = events.next().await.unwrap();
        assert_eq!(
            (&message["method"], &message["params"]["_meta"][ID]),
            (&json!("notifications/tools/list_changed"), &json!(id))
        );
    }
}

#[tokio::test]
async fn a_filter_of_the_wrong_form_is_refused() {
    let (_simulator, handle) = world(&yaml("")).await;
    let client = Modern::new(&handle, SERVER);
    for params in [
        json!({}),
        json!({"notifications": {"toolsListChanged": 1}}),
        json!({"notifications": {"resourceSubscriptions": "a"}}),
    ] {
        assert_eq!(client.request(1, "subscriptions/listen", params).refused().await, (200, Some(-32602)));
    }
}

#[tokio::test]
async fn a_subscription_that_the_client_closes_is_in_the_journal() {
    let (_simulator, handle) = world(&yaml("")).await;
    let mut events = listen(&handle, 1, json!({})).await;
    events.next().await.unwrap();
    drop(events);
    timeout(LIMIT, handle.journal().wait_for(|entry| entry.cancels == Some(0))).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_taken_down_cuts_subscriptions_off() {
    let (_simulator, handle) = world(&yaml("")).await;
    let mut events = listen(&handle, 1, json!({})).await;
    events.next().await.unwrap();
    change(&handle, "takeDown: http://mcp.example.com/mcp").await;
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_fault_leaves_the_acknowledgement_out_or_sends_it_late() {
    for (how, expected) in [
        ("never", vec!["notifications/tools/list_changed"]),
        ("late", vec!["notifications/tools/list_changed", "notifications/subscriptions/acknowledged"]),
    ] {
        let (_simulator, handle) = world(&yaml(&format!("    faults: [{{does: {{acknowledgement: {how}}}}}]"))).await;
        let mut events = listen(&handle, 1, json!({"toolsListChanged": true})).await;
        set_tools(&handle).await;
        for method in expected {
            assert_eq!(events.next().await.unwrap()["method"], method, "{how}");
        }
        assert_eq!(handle.journal().entries()[0].faults, ["acknowledgement"]);
    }
}
