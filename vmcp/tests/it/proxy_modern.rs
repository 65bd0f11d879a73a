//! Proxies between clients and servers of both eras (2026-07-28 and before).

use crate::in_modern_backends::{added, everything, reply, text, yaml};
use crate::in_support::{Events, File, Running, initialize_params};
use crate::in_world::World;
use crate::modern_support::{described, meta};
use crate::out_support::{Recorded, Server, event_stream, json_body, result, text as refused};
use crate::proxy_support::{config, following, start};
use axum::body::Body;
use futures::{StreamExt, stream};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::future::ready;

const REVISIONS: [&str; 5] = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// A proxy of a server of revision 2026-07-28 alone.
async fn modern(more: &str) -> (World, Running) {
    let world = World::start(&yaml("[2026-07-28]", more)).await;
    let proxy = world.proxy(json!({})).await;
    (world, proxy)
}

#[tokio::test]
async fn clients_and_servers_of_all_revisions_understand_each_other() {
    // Those of the four calls that are in a session: a server of both eras is spoken to as each client speaks.
    for (versions, in_sessions) in
        [("[2026-07-28]", 0), ("[2025-11-25, 2026-07-28]", 2), ("[2025-06-18, 2025-11-25]", 4)]
    {
        let world = World::start(&yaml(versions, "")).await;
        let proxy = world.proxy(json!({})).await;
        let (old, new) = (proxy.connected().await, proxy.client());
        for number in ["1", "2"] {
            assert_eq!(text(&old, "echo", json!({"text": number})).await, number, "{versions}");
            let answer = new.ask_tool("echo", json!({"text": number})).await.json();
            assert_eq!(answer["result"]["content"][0]["text"], number, "{versions}: {answer}");
            assert_eq!(answer["result"]["resultType"], "complete", "{versions}");
        }
        assert_eq!(world.count("tools/call"), 4, "{versions}");
        assert_eq!(old.tool_names().await, ["echo", "regional", "book", "slow"], "{versions}");
        let listed = new.ask("tools/list", json!({})).await.json();
        assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 4, "{listed}");
        let discovered = new.ask("server/discover", json!({})).await.json();
        assert_eq!(discovered["result"]["supportedVersions"], json!(REVISIONS), "{versions}");
        assert!(discovered["result"]["capabilities"]["resources"].is_object(), "{versions}: {discovered}");
        let keeps_sessions = !versions.contains("2026-07-28");
        assert_eq!(discovered["result"]["_meta"]["vmcp/keeps-sessions"] == true, keeps_sessions, "{discovered}");
        assert_eq!(
            world.of("tools/call").iter().filter(|call| call.session.is_some()).count(),
            in_sessions,
            "{versions}"
        );
    }
}

#[tokio::test]
async fn what_passes_between_two_sides_without_sessions_is_theirs() {
    const DISCOVERED: &str = concat!(
        r#"{"resultType":"complete", "supportedVersions":["2031-01-01","2026-07-28"],"capabilities":{"x":1.0},"ttlMs":7,"#,
        r#""cacheScope":"public","instructions":"Do.","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s", "version":"1"}}}"#
    );
    const RESULT: &str =
        r#"{ "b" : 2.00, "resultType":"input_required","requestState":"s","ttlMs":1.0, "a":{"k":1,"k":2}}"#;
    let server = Server::stateless(|recorded: Recorded| async move {
        json_body(result(&recorded, if recorded.what() == "server/discover" { DISCOVERED } else { RESULT }))
    })
    .await;
    let proxy = start(&config(&server, json!({}))).await;
    let params = described(
        json!({"z": 1.5, "name": "ü", "requestState": "r", "_meta": {"traceparent": "t", "progressToken": 7}}),
    );
    for method in ["tools/call", "vendor/unheard-of", "ping"] {
        let mut client = proxy.client().mirroring(method, &params);
        client.set("mcp-name", "=?base64?w7w=?=");
        client.set("mcp-param-region", "us-west");
        client.set("mcp-other", "not passed");
        let answer = client.request(method, params.clone()).await;
        assert_eq!(answer.text, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{RESULT}}}"#));
        let sent = server.wait_for(|recorded| recorded.what() == method).await;
        assert_eq!(sent.json()["params"], params);
        assert_eq!((sent.header("mcp-method"), sent.header("mcp-param-region")), (Some(method), Some("us-west")));
        assert_eq!((sent.header("mcp-protocol-version"), sent.header("mcp-other")), (Some("2026-07-28"), None));
        let name = (method == "tools/call").then_some("=?base64?w7w=?=");
        assert_eq!(sent.header("mcp-name"), name, "{method}");
    }
    let discovered = proxy.client().ask("server/discover", json!({})).await.text;
    let expected = DISCOVERED.replace(r#"["2031-01-01","2026-07-28"]"#, &json!(REVISIONS).to_string());
    let discovered: Value = serde_json::from_str(&discovered).unwrap();
    assert_eq!(discovered["result"], serde_json::from_str::<Value>(&expected).unwrap());
}

#[tokio::test]
async fn errors_and_refusals_of_a_server_without_sessions_pass_with_their_codes() {
    let (_world, proxy) = modern("").await;
    let client = proxy.client();
    let modest = client.ask_tool("book", json!({})).await;
    assert_eq!((modest.status, modest.error_code()), (StatusCode::BAD_REQUEST, -32021));
    assert!(modest.json()["error"]["data"]["requiredCapabilities"]["elicitation"].is_object(), "{modest:?}");
    let unknown = client.ask("vendor/unheard-of", json!({})).await;
    assert_eq!((unknown.status, unknown.error_code()), (StatusCode::NOT_FOUND, -32601));
    assert_eq!(client.ask("resources/read", json!({"uri": "test://none"})).await.error_code(), -32602);
    // The server knows which arguments must be in headers.
    let unrepeated = client.ask_tool("regional", json!({"region": "x"})).await;
    assert_eq!((unrepeated.status, unrepeated.error_code()), (StatusCode::BAD_REQUEST, -32020), "{unrepeated:?}");
    let repeated = client.with("mcp-param-region", "x").ask_tool("regional", json!({"region": "x"})).await.json();
    assert_eq!(repeated["result"]["content"][0]["text"], "in x", "{repeated}");
    // What the proxy itself reads, it checks itself.
    let params = described(json!({"name": "echo", "arguments": {}}));
    let other = client.mirroring("tools/call", &params).with("mcp-name", "slow").request("tools/call", params).await;
    assert_eq!((other.status, other.error_code()), (StatusCode::BAD_REQUEST, -32020));
}

#[tokio::test]
async fn rounds_are_between_client_and_server() {
    let (world, proxy) = modern("").await;
    let client = proxy.client();
    let declared = meta(&json!({"elicitation": {}, "sampling": {}, "roots": {}}));
    let params = json!({"name": "book", "arguments": {"n": 1}, "_meta": declared});
    let first = client.ask("tools/call", params.clone()).await.json()["result"].clone();
    assert_eq!(first["inputRequests"]["who"]["method"], "elicitation/create", "{first}");
    let again = |responses: Value, state: &Value| {
        let mut params = params.clone();
        params["inputResponses"] = responses;
        params["requestState"] = state.clone();
        params
    };
    let who = json!({"who": {"action": "accept", "content": {"name": "Alice"}}});
    let second = client.ask("tools/call", again(who, &first["requestState"])).await.json()["result"].clone();
    let greeting = json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "hello"}});
    let rest = json!({"where": {"roots": [{"uri": "file:///home"}]}, "greeting": greeting});
    let last = client.ask("tools/call", again(rest, &second["requestState"])).await.json();
    assert_eq!(last["result"]["content"][0]["text"], "Alice in file:///home: hello, 1", "{last}");
    let states: Vec<_> =
        world.of("tools/call").iter().map(|call| call.body.params().unwrap()["requestState"].clone()).collect();
    assert_eq!(states, [Value::Null, first["requestState"].clone(), second["requestState"].clone()], "nobody else's");
    assert!(world.refusals().is_empty(), "{:?}", world.refusals());
}

#[tokio::test]
async fn a_client_with_a_session_is_asked_for_what_a_server_without_sessions_needs() {
    let (world, proxy) = modern("").await;
    let client = everything(&proxy).await;
    let message =
        json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "book", "arguments": {"n": 1}}});
    let mut events = Events::of(client.open(Method::POST, "/mcp", message.to_string()).await);
    let asked = events.next().await.unwrap();
    assert_eq!(asked["method"], "elicitation/create");
    reply(&client, &asked, json!({"action": "decline"})).await;
    // Whatever comes next: the answer reached the server in a round of its own.
    events.next().await.unwrap();
    assert_eq!(world.count("tools/call"), 2);
}

#[tokio::test]
async fn changes_are_told_under_the_clients_own_name_of_the_stream() {
    let (world, proxy) = modern("").await;
    let filter = json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["test://a"]}});
    let mut events = proxy.client().ask_streamed(json!("l"), "subscriptions/listen", filter.clone()).await;
    let acknowledged = events.next().await.unwrap();
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(acknowledged["params"]["notifications"], filter["notifications"], "{acknowledged}");
    world.change("announce: {server: 'http://mcp.example.com/mcp', about: {resource: 'test://a'}}").await;
    let updated = events.next().await.unwrap();
    let params = json!({"uri": "test://a", "_meta": {"io.modelcontextprotocol/subscriptionId": "l"}});
    assert_eq!(updated["params"], params, "{updated}");
    world.change("setTools: {server: 'http://mcp.example.com/mcp', tools: [{name: other}]}").await;
    assert_eq!(events.next().await.unwrap()["method"], "notifications/tools/list_changed");
    let listening = world.of("subscriptions/listen")[0].sequence;
    drop(events);
    world.saw(|entry| entry.cancels == Some(listening)).await;
}

#[tokio::test]
async fn clients_with_sessions_hear_of_changes_of_a_server_without() {
    let (world, proxy) = modern("").await;
    let client = proxy.connected().await;
    let mut events = client.listen().await;
    assert_eq!(client.tool_names().await.len(), 4);
    world.saw(|entry| entry.method.as_deref() == Some("subscriptions/listen")).await;
    world.change("setTools: {server: 'http://mcp.example.com/mcp', tools: [{name: other}]}").await;
    assert_eq!(events.next().await.unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(client.tool_names().await, ["other"]);
}

#[tokio::test]
async fn clients_without_sessions_hear_of_changes_of_a_server_with_some() {
    let world = World::start(&yaml("[2025-11-25]", "")).await;
    let proxy = world.proxy(json!({})).await;
    let filter = json!({"notifications": {"toolsListChanged": true}});
    let mut events = proxy.client().ask_streamed(json!(4), "subscriptions/listen", filter).await;
    assert_eq!(events.next().await.unwrap()["method"], "notifications/subscriptions/acknowledged");
    world.change("setTools: {server: 'http://mcp.example.com/mcp', tools: [{name: other}]}").await;
    assert_eq!(events.next().await.unwrap()["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_call_at_the_server() {
    let (world, proxy) = modern("").await;
    let params = json!({"name": "slow", "arguments": {}, "_meta": {"progressToken": "t"}});
    let mut events = proxy.client().ask_streamed(json!(1), "tools/call", params).await;
    let progress = events.next().await.unwrap();
    assert_eq!(
        (&progress["method"], &progress["params"]["progressToken"]),
        (&json!("notifications/progress"), &json!("t"))
    );
    drop(events);
    let call = world.of("tools/call")[0].sequence;
    world.saw(|entry| entry.cancels == Some(call)).await;
}

#[tokio::test]
async fn how_long_and_for_whom_results_are_kept_is_the_servers_to_say() {
    for (cache, scope) in [("{ttl: 20s, scope: public}", "public"), ("{ttl: 20s, scope: private}", "private")] {
        let (world, proxy) = modern(&format!("    cache: {cache}")).await;
        for (method, params) in [("tools/list", json!({})), ("resources/read", json!({"uri": "test://a"}))] {
            let result = proxy.client().ask(method, params).await.json()["result"].clone();
            assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(20_000), &json!(scope)), "{method} {cache}");
        }
        proxy.client().ask("tools/list", json!({})).await;
        assert_eq!(world.count("tools/list"), 2, "the proxy keeps none");
    }
}

#[tokio::test]
async fn tools_are_filtered_and_renamed_for_clients_without_sessions() {
    for versions in ["[2026-07-28]", "[2025-11-25]"] {
        let world = World::start(&yaml(versions, "")).await;
        let tools =
            json!({"filter": ["say", "slow"], "overrides": {"echo": {"name": "say", "description": "Says it."}}});
        let proxy = world.proxy(json!({ "tools": tools })).await;
        let client = proxy.client();
        let listed = client.ask("tools/list", json!({})).await.json();
        let names: Vec<_> = listed["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
        assert_eq!(names, ["say", "slow"], "{versions}: {listed}");
        let said = client.ask_tool("say", json!({"text": "x"})).await.json();
        assert_eq!(said["result"]["content"][0]["text"], "x", "{versions}: {said}");
        for hidden in ["echo", "book"] {
            assert_eq!(client.ask_tool(hidden, json!({})).await.error_code(), -32602, "{versions} {hidden}");
        }
        let calls = world.of("tools/call");
        assert_eq!(calls.len(), 1, "{versions}");
        if versions == "[2026-07-28]" {
            assert_eq!(calls[0].headers["mcp-name"], "echo");
        }
    }
}

#[tokio::test]
async fn a_server_that_changes_its_revisions_goes_on_working() {
    let (old, new) = ("[2025-06-18, 2025-11-25]", "[2026-07-28]");
    for (before, after) in [(old, new), (new, old)] {
        let world = World::start(&yaml(before, "")).await;
        let proxy = world.proxy(json!({})).await;
        let said = async |number: &str| {
            let answer = proxy.client().ask_tool("echo", json!({"text": number})).await.json();
            assert_eq!(answer["result"]["content"][0]["text"], number, "{before} to {after}: {answer}");
            assert_eq!(text(&proxy.connected().await, "echo", json!({"text": number})).await, number);
        };
        said("1").await;
        world.change("removeServer: 'http://mcp.example.com/mcp'").await;
        world.change(&added(after)).await;
        said("2").await;
        said("3").await;
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named_to_clients_of_both_eras() {
    let server = Server::plain(|_| async { crate::out_support::text(StatusCode::SERVICE_UNAVAILABLE, "") }).await;
    let config = config(&server, json!({}));
    drop(server);
    let proxy = start(&config).await;
    let answer = proxy.client().ask_tool("a", json!({})).await;
    assert_eq!((answer.status, answer.error_code()), (StatusCode::OK, -32603), "{answer:?}");
    assert_eq!(answer.json()["error"]["data"], json!({"backend": "partner", "cause": "refused", "outage": true}));
    let old = proxy.client().request("initialize", initialize_params("2025-11-25")).await;
    assert_eq!(old.json()["error"]["data"], json!({"backend": "partner", "cause": "refused", "outage": true}));
}

#[tokio::test]
async fn another_selection_of_tools_is_told_to_clients_without_sessions() {
    const TOOLS: &str = r#"{"resultType":"complete","tools":[{"name":"keep"},{"name":"get_x"}]}"#;
    let server = Server::stateless(|recorded: Recorded| async move {
        let discovered = r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#;
        match recorded.what().as_str() {
            "server/discover" => json_body(result(&recorded, discovered)),
            "initialize" => refused(StatusCode::NOT_FOUND, ""),
            "subscriptions/listen" => {
                let agreed = json!({"notifications": recorded.json()["params"]["notifications"]});
                let method = "notifications/subscriptions/acknowledged";
                let first = json!({"jsonrpc": "2.0", "method": method, "params": agreed});
                let first = Ok::<_, Infallible>(format!("data: {first}\n\n"));
                event_stream(Body::from_stream(stream::once(ready(first)).chain(stream::pending())))
            }
            _ => json_body(result(&recorded, TOOLS)),
        }
    })
    .await;
    let with = |tools: Value| config(&server, json!({ "tools": tools })).to_string();
    let file = File::new(&with(json!({"filter": ["keep"]})));
    let proxy = following(&file, None).await;
    let client = proxy.client();
    let names = async || {
        let listed = client.ask("tools/list", json!({})).await.json();
        listed["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["keep"]);
    let listen = async |filter: Value| {
        let mut events =
            client.ask_streamed(json!("l"), "subscriptions/listen", json!({"notifications": filter})).await;
        assert_eq!(events.next().await.unwrap()["method"], "notifications/subscriptions/acknowledged");
        events
    };
    let mut events = listen(json!({"toolsListChanged": true})).await;
    file.write(&with(json!({"filter": ["lookup"], "overrides": {"get_x": {"name": "lookup"}}})));
    let told = events.next().await.unwrap();
    assert_eq!(told["method"], "notifications/tools/list_changed");
    assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "l");
    assert_eq!(names().await, ["lookup"]);
    let old = proxy.connected().await;
    assert_eq!(old.tool_names().await, ["lookup"]);
    let mut told = old.listen().await;
    file.write(&with(json!({"filter": ["keep"]})));
    assert_eq!(told.next().await.unwrap()["method"], "notifications/tools/list_changed", "through the bridge, too");
    assert_eq!(old.tool_names().await, ["keep"]);
}
