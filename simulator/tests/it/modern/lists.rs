//! Lists that nobody should trust, and storms of their changes, as a client of the modern wire sees them.

use serde_json::{Value, json};
use simulator::{Simulator, WorldHandle};

use super::client::{Events, Modern};
use crate::client::world;

const SERVER: &str = "http://mcp.example.com/mcp";
const CHANGED: &str = "notifications/tools/list_changed";
const ID: &str = "io.modelcontextprotocol/subscriptionId";

/// A modern server with these tools and faults.
async fn server(tools: &str, faults: &str) -> (Simulator, WorldHandle) {
    let yaml = format!(
        "servers: [{{url: '{SERVER}', protocolVersions: [2026-07-28], pageSize: 2, tools: [{tools}], faults: [{faults}]}}]"
    );
    world(&yaml).await
}

/// The list as text, so that nothing of it is lost in reading.
async fn listed(handle: &WorldHandle, params: Value) -> String {
    Modern::new(handle, SERVER).request(1, "tools/list", params).response().await.text().await.unwrap()
}

#[tokio::test]
async fn a_list_leads_in_a_circle() {
    let fault = "{on: {method: tools/list}, does: {merge: {result: {nextCursor: again}}}}";
    let (_simulator, handle) = server("{name: a}, {name: b}, {name: c}", fault).await;
    let client = Modern::new(&handle, SERVER);
    let first = client.call("tools/list", json!({})).await["result"].clone();
    assert_eq!((first["tools"].as_array().unwrap().len(), &first["nextCursor"]), (2, &json!("again")));
    // Whoever follows the cursor of a fault is refused, as one with a cursor of his own making.
    let followed = client.request(1, "tools/list", json!({"cursor": "again"}));
    assert_eq!(followed.refused().await, (200, Some(-32602)));
    handle
        .update(
            serde_saphyr::from_str(&format!(
                "setFaults: {{server: '{SERVER}', faults: [{{on: {{method: tools/list}}, does: {{respond: {{status: 200, headers: {{Content-Type: application/json}}, body: '{}'}}}}}}]}}",
                r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","tools":[],"nextCursor":"again","ttlMs":0,"cacheScope":"private"}}"#
            ))
            .unwrap(),
        )
        .await
        .unwrap();
    // A circle that never refuses: each page leads to itself.
    let mut cursor = Value::Null;
    for _ in 0..20 {
        let params = if cursor.is_null() { json!({}) } else { json!({"cursor": cursor}) };
        cursor = client.call("tools/list", params).await["result"]["nextCursor"].clone();
        assert_eq!(cursor, "again");
    }
}

#[tokio::test]
async fn two_tools_have_one_name() {
    let twins = "[{name: twin, title: one, inputSchema: {type: object}}, {name: twin, title: two, inputSchema: {}}]";
    let fault = format!("{{on: {{method: tools/list}}, does: {{merge: {{result: {{tools: {twins}}}}}}}}}");
    let (_simulator, handle) = server("{name: echo}", &fault).await;
    let list = listed(&handle, json!({})).await;
    assert_eq!((list.matches(r#""name":"twin""#).count(), list.contains("echo")), (2, false), "{list}");
    assert!(list.contains(r#""title":"one""#) && list.contains(r#""title":"two""#), "{list}");
}

#[tokio::test]
async fn marks_that_cannot_be_headers_are_written_as_they_are() {
    let tools = ["", "a b", "a:b", "größe", "a\\r\\nEvil: 1"]
        .iter()
        .enumerate()
        .map(|(number, mark)| {
            format!(
                r#"{{name: tool{number}, inputSchema: {{type: object, properties: {{a: {{type: string, x-mcp-header: "{mark}"}}}}}}}}"#
            )
        })
        .collect::<Vec<_>>()
        .join(", ");
    let (_simulator, handle) = server(&tools, "").await;
    let mut lists = String::new();
    let mut params = json!({});
    loop {
        let list = listed(&handle, params).await;
        let answer: Value = serde_json::from_str(&list).unwrap();
        lists.push_str(&list);
        match answer["result"]["nextCursor"].as_str() {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => break,
        }
    }
    for mark in ["", "a b", "a:b", "größe", r"a\r\nEvil: 1"] {
        assert_eq!(lists.matches(&format!(r#""x-mcp-header":"{mark}""#)).count(), 1, "{mark} in {lists}");
    }
}

#[tokio::test]
async fn a_schema_explodes_when_it_is_expanded() {
    const LEVELS: usize = 40;
    let levels: Vec<String> = (0..LEVELS)
        .map(|level| {
            let next = format!("{{$ref: '#/$defs/level{}'}}", level + 1);
            format!("level{level}: {{anyOf: [{next}, {next}]}}")
        })
        .collect();
    let definitions = format!("{}, level{LEVELS}: {{type: string}}", levels.join(", "));
    let bomb = format!(
        "{{name: bomb, inputSchema: {{type: object, properties: {{a: {{$ref: '#/$defs/level0'}}}}, $defs: {{{definitions}}}}}}}"
    );
    let (_simulator, handle) = server(&bomb, "").await;
    let list = listed(&handle, json!({})).await;
    assert!(list.len() < 8 * 1024, "what explodes is the expansion: {} bytes", list.len());
    for level in 1..=LEVELS {
        let next = format!(r##"{{"$ref":"#/$defs/level{level}"}}"##);
        assert!(list.contains(&format!(r#"{{"anyOf":[{next},{next}]}}"#)), "{next} in {list}");
    }
}

/// The stream of a subscription to changes of tools, of the request 7.
async fn listen(handle: &WorldHandle) -> Events {
    let filter = json!({"notifications": {"toolsListChanged": true}});
    Modern::new(handle, SERVER).request(7, "subscriptions/listen", filter).events().await
}

#[tokio::test]
async fn a_subscription_is_flooded_with_changes_of_its_own() {
    let fault = "{on: {method: subscriptions/listen}, does: {storm: {every: 1ms}}}";
    let (_simulator, handle) = server("{name: echo}", fault).await;
    let mut events = listen(&handle).await;
    let first = events.next().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    for _ in 0..100 {
        let message = events.next().await.unwrap();
        // It names the subscription: a client that looks only at messages of its own sees the storm, too.
        assert_eq!(message, json!({"jsonrpc": "2.0", "method": CHANGED, "params": {"_meta": {ID: 7}}}));
    }
}

#[tokio::test]
async fn a_storm_without_an_acknowledgement_is_all_that_comes() {
    let on = "on: {method: subscriptions/listen}";
    let faults = format!("{{{on}, does: {{acknowledgement: never}}}}, {{{on}, does: {{storm: {{every: 1ms}}}}}}");
    let (_simulator, handle) = server("{name: echo}", &faults).await;
    let mut events = listen(&handle).await;
    for _ in 0..100 {
        assert_eq!(events.next().await.unwrap()["method"], CHANGED);
    }
}
