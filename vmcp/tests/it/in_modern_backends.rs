//! Backends of revision 2026-07-28, and those of which it is not known, behind clients with sessions.

use crate::in_support::{Client, Running, initialize_params};
use crate::in_world::World;
use http::StatusCode;
use serde_json::{Value, json};

const TOOLS: &str = "
    tools:
      - {name: echo, answer: {text: '${argument:text}'}}
      - name: regional
        inputSchema: {type: object, properties: {region: {type: string, x-mcp-header: Region}, deep: {type: object, properties: {dry: {type: boolean, x-mcp-header: Dry}}}}}
        answer: {text: 'in ${argument:region}'}
      - name: book
        steps:
          - ask: {who: {elicit: {message: Who?, requestedSchema: {type: object, properties: {name: {type: string}}, required: [name]}}}}
          - ask: {where: {roots: {}}, greeting: {sample: {messages: [], maxTokens: 10}}}
        answer: {text: '${who.content.name} in ${where.roots.0.uri}: ${greeting.content.text}, ${argument:n}'}
      - {name: slow, steps: [{progress: {progress: 1}}, {wait: 1h}], answer: {text: late}}
    resources: [{uri: 'test://a', text: a}, {uri: 'test://b', text: b}]
";

/// A server of these revisions, with these keys beside.
pub(crate) fn yaml(versions: &str, more: &str) -> String {
    format!("servers:\n  - url: http://mcp.example.com/mcp\n    protocolVersions: {versions}\n{more}\n{TOOLS}")
}

/// The same server as the change that adds it.
pub(crate) fn added(versions: &str) -> String {
    let server = yaml(versions, "");
    let server = server.strip_prefix("servers:\n  - ").unwrap();
    format!("addServer:\n    {server}")
}

/// A gateway before a server of revision 2026-07-28 alone.
pub(crate) async fn modern(more: &str) -> (World, Running) {
    let world = World::start(&yaml("[2026-07-28]", more)).await;
    let gateway = world.gateway("").await;
    (world, gateway)
}

pub(crate) async fn everything(gateway: &Running) -> Client {
    let mut client = gateway.client();
    let mut params = initialize_params("2025-11-25");
    params["capabilities"] = json!({"elicitation": {}, "sampling": {}, "roots": {}});
    client.initialize_with(params).await;
    client
}

pub(crate) async fn text(client: &Client, tool: &str, arguments: Value) -> String {
    let answer = client.call(tool, arguments).await.json();
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {answer}")).to_owned()
}

pub(crate) async fn reply(client: &Client, asked: &Value, result: Value) {
    let response = json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}).to_string();
    assert_eq!(client.post(response).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_call_is_one_request_whatever_the_backend_speaks() {
    for (versions, sessions) in
        [("[2026-07-28]", false), ("[2025-11-25, 2026-07-28]", false), ("[2025-06-18, 2025-11-25]", true)]
    {
        let world = World::start(&yaml(versions, "")).await;
        let gateway = world.gateway("").await;
        let client = gateway.connected().await;
        for number in 0..3 {
            let arguments = json!({"text": number.to_string()});
            assert_eq!(text(&client, "b_echo", arguments).await, number.to_string(), "{versions}");
        }
        assert_eq!(world.count("tools/call"), 3, "{versions}");
        assert_eq!(world.count("initialize") > 0, sessions, "{versions}");
        let status = client.get("/status").await.json();
        assert_eq!(status["backends"][0]["health"], "healthy", "{status}");
        // A server with sessions does not know how to be asked for its revisions.
        assert_eq!(world.refusals().len(), usize::from(sessions), "{:?}", world.refusals());
    }
}

#[tokio::test]
async fn a_url_to_be_opened_has_an_id_in_a_session() {
    let tools = "
    tools:
      - name: connect
        steps: [{ask: {page: {elicit: {mode: url, url: 'https://x.example/connect', message: Connect.}}}}]
        answer: {text: '${page.action}'}";
    let server =
        format!("servers:\n  - url: http://mcp.example.com/mcp\n    protocolVersions: [2026-07-28]\n{tools}\n");
    let world = World::start(&server).await;
    let gateway = world.gateway("").await;
    let mut client = gateway.client();
    let mut params = initialize_params("2025-11-25");
    params["capabilities"] = json!({"elicitation": {"url": {}}});
    client.initialize_with(params).await;
    let mut events = client.call_streamed(7, "b_connect", json!({})).await;
    let asked = events.next().await.unwrap();
    assert_eq!((&asked["method"], &asked["params"]["mode"]), (&json!("elicitation/create"), &json!("url")), "{asked}");
    assert!(asked["params"]["elicitationId"].is_string(), "{asked}");
    reply(&client, &asked, json!({"action": "accept"})).await;
    assert_eq!(events.next().await.unwrap()["result"]["content"][0]["text"], "accept");
}

#[tokio::test]
async fn a_backend_is_told_who_the_client_is_and_clients_see_results_as_they_know_them() {
    let (world, gateway) = modern("").await;
    let client = everything(&gateway).await;
    let answer = client.call("b_echo", json!({"text": "x"})).await.json();
    assert_eq!(answer["result"]["content"][0]["text"], "x");
    assert_eq!(answer["result"].get("resultType"), None);
    let call = world.saw(|entry| entry.method.as_deref() == Some("tools/call")).await;
    let meta = &call.body.params().unwrap()["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(
        meta["io.modelcontextprotocol/clientCapabilities"],
        json!({"roots": {}, "sampling": {}, "elicitation": {}})
    );
    assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "test");
    assert_eq!((call.headers["mcp-name"].as_str(), &call.session), ("echo", &None));
    let list = &world.of("tools/list")[0];
    let meta = &list.body.params().unwrap()["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "vmcp", "lists are for all");
    assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({}));

    let read = client.request("resources/read", json!({"uri": "test://a"})).await.json();
    let keys: Vec<_> = read["result"].as_object().unwrap().keys().collect();
    assert!(!keys.iter().any(|key| ["resultType", "ttlMs", "cacheScope"].contains(&key.as_str())), "{keys:?}");
    let unknown = client.request("resources/read", json!({"uri": "test://none"})).await;
    assert_eq!(unknown.error_code(), -32002);
}

#[tokio::test]
async fn arguments_are_repeated_in_headers_as_the_tool_wants_them() {
    let (world, gateway) = modern("").await;
    let client = gateway.connected().await;
    assert_eq!(text(&client, "b_regional", json!({"region": "münchen", "deep": {"dry": true}})).await, "in münchen");
    let call = &world.of("tools/call")[0];
    assert_eq!(call.headers["mcp-param-region"], "=?base64?bcO8bmNoZW4=?=");
    assert_eq!(call.headers["mcp-param-dry"], "true");
    assert_eq!(client.call("b_regional", json!({})).await.json()["result"]["content"][0]["text"], "in ");

    // What the tool wants has changed since it was listed, and nobody has said so.
    let tools = "tools: [{name: regional, inputSchema: {type: object, properties: {zone: {type: string, x-mcp-header: Zone}}}, answer: {text: 'zone ${argument:zone}'}}, {name: bad, inputSchema: {type: object, properties: {a: {type: string, x-mcp-header: 'a b'}}}}]";
    world.change(&format!("setTools: {{server: 'http://mcp.example.com/mcp', {tools}}}")).await;
    assert_eq!(text(&client, "b_regional", json!({"zone": "1"})).await, "zone 1");
    assert_eq!(client.tool_names().await, ["b_regional"], "a tool that nobody can call is not shown");
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"b_regional","arguments":{"zone":"1","zone":"2"}}}"#;
    assert_eq!(client.post(twice).await.error_code(), -32602);
}

#[tokio::test]
async fn the_gateway_asks_its_client_for_what_a_backend_needs() {
    let (world, gateway) = modern("").await;
    let client = everything(&gateway).await;
    let message =
        json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "b_book", "arguments": {"n": 1}}});
    let mut events = crate::in_support::Events::of(client.open(http::Method::POST, "/mcp", message.to_string()).await);
    let asked = events.next().await.unwrap();
    assert_eq!((&asked["method"], &asked["params"]["message"]), (&json!("elicitation/create"), &json!("Who?")));
    reply(&client, &asked, json!({"action": "accept", "content": {"name": "Alice"}})).await;
    for _ in 0..2 {
        let asked = events.next().await.unwrap();
        let answer = match asked["method"].as_str().unwrap() {
            "roots/list" => json!({"roots": [{"uri": "file:///home"}]}),
            "sampling/createMessage" => {
                json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "hello"}})
            }
            other => panic!("asked {other}"),
        };
        reply(&client, &asked, answer).await;
    }
    let answer = events.next().await.unwrap();
    assert_eq!(answer["result"]["content"][0]["text"], "Alice in file:///home: hello, 1");
    assert_eq!(world.count("tools/call"), 3, "one request a round");
    assert!(world.refusals().is_empty(), "{:?}", world.refusals());
}

#[tokio::test]
async fn a_client_that_cannot_or_will_not_answer_gets_an_error() {
    let (world, gateway) = modern("").await;
    let modest = gateway.connected().await;
    assert_eq!(modest.call("b_book", json!({})).await.error_code(), -32021, "the backend says what it needs");

    let client = everything(&gateway).await;
    let message =
        json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "b_book", "arguments": {}}});
    let mut events = crate::in_support::Events::of(client.open(http::Method::POST, "/mcp", message.to_string()).await);
    let asked = events.next().await.unwrap();
    let refusal = json!({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -1, "message": "not now"}});
    assert_eq!(client.post(refusal.to_string()).await.status, StatusCode::ACCEPTED);
    let answer = events.next().await.unwrap();
    assert_eq!(answer["error"]["code"], -32603);
    assert!(answer["error"]["message"].as_str().unwrap().contains("not now"), "{answer}");
    assert_eq!(world.count("tools/call"), 2);
}

#[tokio::test]
async fn changes_of_lists_and_resources_are_heard() {
    let (world, gateway) = modern("    cache: {ttl: 10m}").await;
    let client = gateway.connected().await;
    let mut events = client.listen().await;
    client.tool_names().await;
    world.saw(|entry| entry.method.as_deref() == Some("subscriptions/listen")).await;
    world.change("setTools: {server: 'http://mcp.example.com/mcp', tools: [{name: other}]}").await;
    assert_eq!(events.next().await.unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(client.tool_names().await, ["b_other"]);

    for uri in ["test://a", "test://b"] {
        let subscribed = client.request("resources/subscribe", json!({"uri": uri})).await.json();
        assert_eq!(subscribed["result"], json!({}), "{subscribed}");
    }
    let refused = client.request("resources/subscribe", json!({"uri": "test://none"})).await;
    assert_eq!(refused.error_code(), -32002);
    for uri in ["test://a", "test://b"] {
        world
            .change(&format!("announce: {{server: 'http://mcp.example.com/mcp', about: {{resource: '{uri}'}}}}"))
            .await;
        let updated = events.next().await.unwrap();
        assert_eq!(updated["params"], json!({"uri": uri}), "and nothing of the gateway's own stream: {updated}");
    }
    client.request("resources/unsubscribe", json!({"uri": "test://a"})).await;
    for uri in ["test://a", "test://b"] {
        world
            .change(&format!("announce: {{server: 'http://mcp.example.com/mcp', about: {{resource: '{uri}'}}}}"))
            .await;
    }
    assert_eq!(events.next().await.unwrap()["params"]["uri"], "test://b");
}

#[tokio::test]
async fn a_cancelled_call_ends_at_the_backend() {
    let (world, gateway) = modern("").await;
    let client = gateway.connected().await;
    let mut events = client.call_streamed(9, "b_slow", json!({"progressToken": "t"})).await;
    let progress = events.next().await.unwrap();
    assert_eq!(
        (&progress["method"], &progress["params"]["progressToken"]),
        (&json!("notifications/progress"), &json!("t"))
    );
    client.notify("notifications/cancelled", json!({"requestId": 9})).await;
    let call = world.of("tools/call")[0].sequence;
    world.saw(|entry| entry.cancels == Some(call)).await;
    assert_eq!(world.count("notifications/cancelled"), 0, "the end of the stream says it");
}

#[tokio::test]
async fn the_time_of_a_call_ends_it_at_the_backend() {
    let world = World::start(&yaml("[2026-07-28]", "")).await;
    let gateway = world.gateway("operational: {timeouts: {default: 1s}}").await;
    let client = gateway.connected().await;
    let answer = client.call("b_slow", json!({})).await.json();
    assert_eq!(answer["error"]["data"]["cause"], "timeout", "{answer}");
    let call = world.of("tools/call")[0].sequence;
    world.saw(|entry| entry.cancels == Some(call)).await;
}

#[tokio::test]
async fn a_backend_that_changes_its_revisions_goes_on_working() {
    let (old, new) = ("[2025-06-18, 2025-11-25]", "[2026-07-28]");
    for (before, after) in [(old, new), (new, old)] {
        let world = World::start(&yaml(before, "")).await;
        let gateway = world.gateway("").await;
        let client = gateway.connected().await;
        assert_eq!(text(&client, "b_echo", json!({"text": "1"})).await, "1");
        world.change("removeServer: 'http://mcp.example.com/mcp'").await;
        world.change(&added(after)).await;
        for number in ["2", "3"] {
            assert_eq!(text(&client, "b_echo", json!({"text": number})).await, number, "{before} to {after}");
        }
        assert_eq!(text(&client, "b_regional", json!({"region": "x"})).await, "in x", "{before} to {after}");
        let other = gateway.connected().await;
        assert_eq!(text(&other, "b_echo", json!({"text": "4"})).await, "4");
    }
}

#[tokio::test]
async fn a_list_is_kept_as_long_as_its_backend_says() {
    for (cache, requests) in [("{ttl: 10m}", 1), ("{ttl: 0s}", 3)] {
        let (world, gateway) = modern(&format!("    cache: {cache}")).await;
        let client = gateway.connected().await;
        for _ in 0..3 {
            client.tool_names().await;
        }
        assert_eq!(world.count("tools/list"), requests, "{cache}");
    }
}
