//! Prompts, resources, templates and completions, and what a server says that it can do.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::{Events, Mcp, world};

const SERVER: &str = "http://mcp.example.com/mcp";
const WORLD: &str = r#"
servers:
  - url: http://mcp.example.com/mcp
    pageSize: 2
    instructions: Ask before you delete.
    prompts:
      - name: greeting
        title: Greeting
        description: Greets somebody.
        arguments:
          - {name: who, description: Whom, required: true, completes: [Alice, Alan, Bob]}
          - {name: how}
        messages: [{role: user, content: {type: text, text: "Say ${argument:how} to ${argument:who}"}}]
      - {name: raw, answer: {result: {messages: [], other: kept}}}
      - {name: refused, answer: {error: {code: -32050, message: not today}}}
    resources:
      - {uri: "test://text", name: text, description: A text, mimeType: text/plain, text: "for ${header:x-user}"}
      - {uri: "test://image", mimeType: image/png, blob: aGVsbG8=, extra: {size: 5}}
      - {uri: "test://items/special", text: a resource of its own}
    resourceTemplates:
      - uriTemplate: test://items/{id}
        name: items
        mimeType: application/json
        completes: {id: [one, two]}
        text: '{"id": "${id}"}'
"#;

async fn connected(yaml: &str) -> (simulator::Simulator, simulator::WorldHandle, Mcp, Value) {
    let (simulator, handle) = world(yaml).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER).with("x-user", "alice");
    let result = mcp.initialize("2025-11-25").await;
    (simulator, handle, mcp, result)
}

#[tokio::test]
async fn capabilities_follow_from_what_the_server_offers() {
    let (_simulator, _handle, mut mcp, result) = connected(WORLD).await;
    assert_eq!(
        result["capabilities"],
        json!({
            "prompts": {"listChanged": true},
            "resources": {"listChanged": true, "subscribe": true},
            "completions": {},
        })
    );
    assert_eq!(result["instructions"], "Ask before you delete.");
    for method in ["tools/list", "tools/call", "logging/setLevel"] {
        assert_eq!(mcp.call(method, json!({})).await["error"]["code"], -32601, "{method}");
    }
    let (_simulator, _handle, _mcp, result) =
        connected("servers: [{url: http://mcp.example.com/mcp, tools: [{name: echo}]}]").await;
    assert_eq!(result["capabilities"], json!({"tools": {"listChanged": true}}));
}

#[tokio::test]
async fn prompts_are_listed_and_filled_in() {
    let (_simulator, _handle, mut mcp, _) = connected(WORLD).await;
    let page = mcp.call("prompts/list", json!({})).await["result"].clone();
    assert_eq!(
        page["prompts"][0],
        json!({
            "name": "greeting", "title": "Greeting", "description": "Greets somebody.",
            "arguments": [{"name": "who", "description": "Whom", "required": true}, {"name": "how", "required": false}],
        })
    );
    let rest = mcp.call("prompts/list", json!({"cursor": page["nextCursor"]})).await["result"].clone();
    assert_eq!(rest, json!({"prompts": [{"name": "refused"}]}));
    let get = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});
    assert_eq!(
        mcp.call("prompts/get", get("greeting", json!({"who": "Bob", "how": "hello"}))).await["result"],
        json!({
            "description": "Greets somebody.",
            "messages": [{"role": "user", "content": {"type": "text", "text": "Say hello to Bob"}}],
        })
    );
    assert_eq!(
        mcp.call("prompts/get", get("raw", json!({}))).await["result"],
        json!({"messages": [], "other": "kept"})
    );
    for (name, arguments, code) in [
        ("greeting", json!({"how": "hello"}), -32602),
        ("greeting", json!({"who": 7}), -32602),
        ("absent", json!({}), -32602),
        ("refused", json!({}), -32050),
    ] {
        assert_eq!(mcp.call("prompts/get", get(name, arguments)).await["error"]["code"], code, "{name}");
    }
}

#[tokio::test]
async fn resources_are_listed_and_read() {
    let (_simulator, _handle, mut mcp, _) = connected(WORLD).await;
    let page = mcp.call("resources/list", json!({})).await["result"].clone();
    assert_eq!(
        page["resources"],
        json!([
            {"uri": "test://text", "name": "text", "description": "A text", "mimeType": "text/plain"},
            {"uri": "test://image", "name": "test://image", "mimeType": "image/png", "size": 5},
        ])
    );
    let templates = mcp.call("resources/templates/list", json!({})).await["result"]["resourceTemplates"].clone();
    assert_eq!(
        templates,
        json!([{"uriTemplate": "test://items/{id}", "name": "items", "mimeType": "application/json"}])
    );
    for (uri, content) in [
        ("test://text", json!({"mimeType": "text/plain", "text": "for alice"})),
        ("test://image", json!({"mimeType": "image/png", "blob": "aGVsbG8="})),
        ("test://items/special", json!({"text": "a resource of its own"})),
        ("test://items/7", json!({"mimeType": "application/json", "text": "{\"id\": \"7\"}"})),
    ] {
        let mut content = content;
        content["uri"] = uri.into();
        assert_eq!(mcp.call("resources/read", json!({"uri": uri})).await["result"], json!({"contents": [content]}));
    }
    let error = mcp.call("resources/read", json!({"uri": "test://absent"})).await["error"].clone();
    assert_eq!((&error["code"], &error["data"]), (&json!(-32002), &json!({"uri": "test://absent"})));
}

#[tokio::test]
async fn completions_begin_with_what_was_typed() {
    let (_simulator, _handle, mut mcp, _) = connected(WORLD).await;
    let prompt = json!({"type": "ref/prompt", "name": "greeting"});
    let template = json!({"type": "ref/resource", "uri": "test://items/{id}"});
    for (reference, name, typed, values) in [
        (&prompt, "who", "Al", json!(["Alice", "Alan"])),
        (&prompt, "how", "", json!([])),
        (&template, "id", "t", json!(["two"])),
    ] {
        let params = json!({"ref": reference, "argument": {"name": name, "value": typed}});
        let answer = mcp.call("completion/complete", params).await;
        let total = values.as_array().unwrap().len();
        assert_eq!(answer["result"]["completion"], json!({"values": values, "total": total, "hasMore": false}));
    }
    let params = json!({"ref": prompt, "argument": {"name": "absent", "value": ""}});
    assert_eq!(mcp.call("completion/complete", params).await["error"]["code"], -32602);
}

#[tokio::test]
async fn a_subscriber_hears_of_its_resource_alone() {
    let yaml = "
servers:
  - url: http://mcp.example.com/mcp
    tools:
      - {name: touch, steps: [{announce: {resource: 'test://b'}}, {announce: {resource: 'test://a'}}], answer: {text: done}}
      - {name: lists, steps: [{announce: tools}, {announce: prompts}, {announce: resources}], answer: {text: done}}
    resources: [{uri: 'test://a', text: a}, {uri: 'test://b', text: b}]
";
    let (_simulator, _handle, mut mcp, _) = connected(yaml).await;
    let mut stream = Events::of(mcp.listen(None).await);
    assert_eq!(mcp.call("resources/subscribe", json!({"uri": "test://a"})).await["result"], json!({}));
    assert_eq!(mcp.call("resources/subscribe", json!({"uri": "test://c"})).await["error"]["code"], -32002);
    mcp.open("tools/call", json!({"name": "touch"})).await.next().await.unwrap();
    let updated = json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "test://a"}});
    assert_eq!(stream.next().await.unwrap(), updated);
    assert_eq!(mcp.call("resources/unsubscribe", json!({"uri": "test://a"})).await["result"], json!({}));
    mcp.open("tools/call", json!({"name": "touch"})).await.next().await.unwrap();
    mcp.open("tools/call", json!({"name": "lists"})).await.next().await.unwrap();
    for kind in ["tools", "prompts", "resources"] {
        assert_eq!(stream.next().await.unwrap()["method"], format!("notifications/{kind}/list_changed"));
    }
}

#[tokio::test]
async fn a_server_without_sessions_takes_each_request_by_itself() {
    let yaml = "
servers:
  - url: http://mcp.example.com/mcp
    sessions: false
    tools:
      - name: echo
      - {name: counted, steps: [{progress: {progress: 1}}], answer: {text: done}}
      - {name: curious, steps: [{ask: {roots: {roots: {}}}}], answer: {text: done}}
";
    let (_simulator, handle, mut mcp, result) = connected(yaml).await;
    assert_eq!(result["capabilities"], json!({"tools": {"listChanged": false}}));
    assert!(!mcp.headers.contains_key("mcp-session-id"));
    assert_eq!(mcp.call_tool("echo", json!({"text": "hi"})).await["result"]["content"][0]["text"], "hi");
    let params = json!({"name": "counted", "_meta": {"progressToken": 1}});
    let mut stream = mcp.open("tools/call", params).await;
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/progress");
    assert_eq!(stream.next().await.unwrap()["result"]["content"][0]["text"], "done");
    let refused = mcp.open("tools/call", json!({"name": "curious"})).await.next().await.unwrap();
    assert!(refused["error"]["message"].as_str().unwrap().contains("keeps no sessions"), "{refused}");
    assert_eq!(mcp.listen(None).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    let fresh = Mcp::new(&handle, &[], SERVER);
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    assert_eq!(fresh.post(&message).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn new_prompts_and_resources_are_announced() {
    let (_simulator, handle, mut mcp, _) = connected(WORLD).await;
    let mut stream = Events::of(mcp.listen(None).await);
    for (change, announced, method, member) in [
        (
            "setPrompts: {server: http://mcp.example.com/mcp, prompts: [{name: new, messages: [{role: user}]}]}",
            "notifications/prompts/list_changed",
            "prompts/list",
            "prompts",
        ),
        (
            "setResources: {server: http://mcp.example.com/mcp, resources: [{uri: 'test://new', text: new}]}",
            "notifications/resources/list_changed",
            "resources/list",
            "resources",
        ),
    ] {
        handle.update(serde_saphyr::from_str(change).unwrap()).await.unwrap();
        assert_eq!(stream.next().await.unwrap()["method"], announced);
        assert_eq!(mcp.call(method, json!({})).await["result"][member].as_array().unwrap().len(), 1);
    }
    let announce = "announce: {server: http://mcp.example.com/mcp, about: tools}";
    handle.update(serde_saphyr::from_str(announce).unwrap()).await.unwrap();
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
}
