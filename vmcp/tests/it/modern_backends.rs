//! Backends of revision 2026-07-28 behind clients that keep no sessions either: what one says passes to the other.

use crate::in_modern_backends::{modern, yaml};
use crate::in_world::World;
use crate::modern_support::meta;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_call_is_one_request_whatever_the_backend_speaks() {
    for versions in ["[2026-07-28]", "[2025-11-25, 2026-07-28]", "[2025-11-25]"] {
        let world = World::start(&yaml(versions, "    sessions: false")).await;
        let gateway = world.gateway("").await;
        let client = gateway.client();
        for number in ["1", "2", "3"] {
            let answer = client.ask_tool("b_echo", json!({"text": number})).await.json();
            assert_eq!(answer["result"]["content"][0]["text"], number, "{versions}: {answer}");
            assert_eq!(answer["result"]["resultType"], "complete");
        }
        assert_eq!(world.count("tools/call"), 3, "{versions}");
    }
}

#[tokio::test]
async fn the_backend_is_told_what_the_request_declares() {
    let (world, gateway) = modern("").await;
    let client = gateway.client();
    for capabilities in
        [json!({"sampling": {"tools": {}}}), json!({"elicitation": {"url": {}}, "extensions": {"x/y": {}}})]
    {
        let mut params = json!({"name": "b_echo", "arguments": {"text": "x"}, "_meta": meta(&capabilities)});
        params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({"name": "other", "version": "7", "title": "O"});
        params["_meta"]["traceparent"] = json!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        assert_eq!(client.ask("tools/call", params).await.json()["result"]["content"][0]["text"], "x");
        let told = world.of("tools/call").pop().unwrap().body.params().unwrap()["_meta"].clone();
        assert_eq!(told["io.modelcontextprotocol/clientCapabilities"], capabilities);
        assert_eq!(told["io.modelcontextprotocol/clientInfo"], json!({"name": "other", "version": "7", "title": "O"}));
        assert!(told["traceparent"].is_string());
    }
}

#[tokio::test]
async fn headers_of_arguments_that_no_schema_names_are_passed_on() {
    let (world, gateway) = modern("").await;
    let client = gateway.client().with("mcp-param-unheard-of", "=?base64?w7w=?=").with("mcp-param-region", "us");
    let answer = client.ask_tool("b_regional", json!({"region": "us"})).await.json();
    assert_eq!(answer["result"]["content"][0]["text"], "in us", "{answer}");
    // The one that the schema names must say what the body does, the other is not looked at.
    assert_eq!(client.ask_tool("b_regional", json!({"region": "eu"})).await.error_code(), -32020);
    let sent = &world.of("tools/call")[0].headers;
    assert_eq!((sent["mcp-param-unheard-of"].as_str(), sent["mcp-param-region"].as_str()), ("=?base64?w7w=?=", "us"));
    assert_eq!(world.count("tools/call"), 1);
}

#[tokio::test]
async fn the_client_answers_what_the_backend_needs() {
    let (world, gateway) = modern("").await;
    let client = gateway.client();
    let declared = meta(&json!({"elicitation": {}, "sampling": {}, "roots": {}}));
    let params = json!({"name": "b_book", "arguments": {"n": 1}, "_meta": declared});
    let first = client.ask("tools/call", params.clone()).await.json()["result"].clone();
    assert_eq!(first["resultType"], "input_required", "{first}");
    assert_eq!(first["inputRequests"]["who"]["method"], "elicitation/create");
    let again = |responses: Value, state: &Value| {
        let mut params = params.clone();
        params["inputResponses"] = responses;
        params["requestState"] = state.clone();
        params
    };
    let who = json!({"who": {"action": "accept", "content": {"name": "Alice"}}});
    let second = client.ask("tools/call", again(who, &first["requestState"])).await.json()["result"].clone();
    assert_eq!(second["resultType"], "input_required", "{second}");
    let greeting = json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "hello"}});
    let rest = json!({"where": {"roots": [{"uri": "file:///home"}]}, "greeting": greeting});
    let last = client.ask("tools/call", again(rest, &second["requestState"])).await.json();
    assert_eq!(last["result"]["content"][0]["text"], "Alice in file:///home: hello, 1", "{last}");
    let requests = world.of("tools/call");
    let ids: BTreeSet<_> = requests.iter().map(|request| request.body.message().unwrap()["id"].to_string()).collect();
    assert_eq!((requests.len(), ids.len()), (3, 3), "each is a request of its own: {ids:?}");
    assert!(world.refusals().is_empty(), "{:?}", world.refusals());
}

#[tokio::test]
async fn the_backend_s_refusal_of_a_modest_client_passes() {
    let (_world, gateway) = modern("").await;
    let answer = gateway.client().ask_tool("b_book", json!({})).await;
    assert_eq!(answer.error_code(), -32021);
    assert!(answer.json()["error"]["data"]["requiredCapabilities"]["elicitation"].is_object(), "{answer:?}");
    let unknown = gateway.client().ask("resources/read", json!({"uri": "test://none"})).await;
    assert_eq!(unknown.error_code(), -32602);
}

#[tokio::test]
async fn changes_of_lists_and_resources_are_heard() {
    let (world, gateway) = modern("    cache: {ttl: 10m}").await;
    let filter = json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["test://a"]}});
    let mut events = gateway.client().ask_streamed(json!("l"), "subscriptions/listen", filter).await;
    let acknowledged = events.next().await.unwrap();
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(acknowledged["params"]["notifications"]["resourceSubscriptions"], json!(["test://a"]), "{acknowledged}");
    world.change("announce: {server: 'http://mcp.example.com/mcp', about: {resource: 'test://a'}}").await;
    let updated = events.next().await.unwrap();
    assert_eq!(
        updated["params"],
        json!({"uri": "test://a", "_meta": {"io.modelcontextprotocol/subscriptionId": "l"}}),
        "{updated}"
    );
    world.change("setTools: {server: 'http://mcp.example.com/mcp', tools: [{name: other}]}").await;
    assert_eq!(events.next().await.unwrap()["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn many_resources_are_listened_for_with_one_stream() {
    let resources: Vec<_> = (0..300).map(|number| json!({"uri": format!("test://{number}"), "text": "x"})).collect();
    let server = format!(
        "servers:\n  - {{url: 'http://mcp.example.com/mcp', protocolVersions: [2026-07-28], resources: {}}}\n",
        json!(resources)
    );
    let world = World::start(&server).await;
    let gateway = world.gateway("").await;
    let mut uris: Vec<_> = resources.iter().map(|resource| resource["uri"].clone()).collect();
    let honoured = json!(uris);
    uris.push(json!("test://none"));
    let filter = json!({"notifications": {"resourceSubscriptions": uris}});
    let mut events = gateway.client().ask_streamed(json!("l"), "subscriptions/listen", filter).await;
    assert_eq!(events.next().await.unwrap()["params"]["notifications"]["resourceSubscriptions"], honoured);
    let opened = world.of("subscriptions/listen");
    let wished = opened.iter().map(|entry| entry.body.params().unwrap()["notifications"].clone());
    assert_eq!(wished.filter(|wish| !wish["resourceSubscriptions"].is_null()).count(), 1);
    world.change("announce: {server: 'http://mcp.example.com/mcp', about: {resource: 'test://299'}}").await;
    assert_eq!(events.next().await.unwrap()["params"]["uri"], "test://299");
}

#[tokio::test]
async fn a_backend_that_acknowledges_nothing_keeps_no_subscription_waiting() {
    let (world, gateway) =
        modern("    faults: [{on: {method: subscriptions/listen}, does: {acknowledgement: never}}]").await;
    let filter = json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["test://a"]}});
    let asked = Instant::now();
    let mut events = gateway.client().ask_streamed(json!("l"), "subscriptions/listen", filter).await;
    let acknowledged = events.next().await.unwrap();
    assert_eq!(acknowledged["params"]["notifications"], json!({"toolsListChanged": true}), "{acknowledged}");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    world.change("announce: {server: 'http://mcp.example.com/mcp', about: {resource: 'test://a'}}").await;
    world.change("announce: {server: 'http://mcp.example.com/mcp', about: tools}").await;
    // What was not promised is not told.
    assert_eq!(events.next().await.unwrap()["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_call_at_the_backend() {
    let (world, gateway) = modern("").await;
    let params = json!({"name": "b_slow", "arguments": {}, "_meta": {"progressToken": "t"}});
    let mut events = gateway.client().ask_streamed(json!(1), "tools/call", params).await;
    assert_eq!(events.next().await.unwrap()["method"], "notifications/progress");
    drop(events);
    let call = world.of("tools/call")[0].sequence;
    world.saw(|entry| entry.cancels == Some(call)).await;
}

#[tokio::test]
async fn how_long_and_for_whom_lists_are_kept_is_said_to_clients() {
    for (cache, scope) in [("{ttl: 20s, scope: public}", "public"), ("{ttl: 20s, scope: private}", "private")] {
        let (_world, gateway) = modern(&format!("    cache: {cache}")).await;
        let list = gateway.client().ask("tools/list", json!({})).await.json()["result"].clone();
        assert_eq!(list["cacheScope"], scope, "{cache}");
        let ttl = list["ttlMs"].as_u64().unwrap();
        assert!((15_000..=20_000).contains(&ttl), "{ttl}");
    }
}
