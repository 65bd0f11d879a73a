//! Streamable HTTP: sessions, revisions, and the refusals of what the specification forbids.

use futures::StreamExt as _;
use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::WorldChange;

use crate::client::{LIMIT, Mcp, world};

const SERVER: &str = "http://mcp.example.com/mcp";
const WORLD: &str = "
servers:
  - url: http://mcp.example.com/mcp
    tools:
      - name: echo
      - {name: fixed, answer: {text: always this}}
      - {name: broken, answer: {isError: out of order}}
      - {name: raw, answer: {result: {content: [], structuredContent: {n: 1}, unknownField: kept}}}
      - {name: refused, answer: {error: {code: -32050, message: no, data: {why: because}}}}
";

#[tokio::test]
async fn a_tool_echoes_its_text() {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    let result = mcp.initialize("2025-11-25").await;
    assert_eq!(result["protocolVersion"], "2025-11-25");
    let answer = mcp.call_tool("echo", json!({"text": "hello"})).await;
    assert_eq!(answer["result"], json!({"content": [{"type": "text", "text": "hello"}]}));
}

#[tokio::test]
async fn tools_answer_as_scripted() {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-11-25").await;
    assert_eq!(mcp.call_tool("fixed", json!({})).await["result"]["content"][0]["text"], "always this");
    assert_eq!(mcp.call_tool("broken", json!({})).await["result"]["isError"], true);
    assert_eq!(
        mcp.call_tool("raw", json!({})).await["result"],
        json!({"content": [], "structuredContent": {"n": 1}, "unknownField": "kept"})
    );
    assert_eq!(
        mcp.call_tool("refused", json!({})).await["error"],
        json!({"code": -32050, "message": "no", "data": {"why": "because"}})
    );
    assert_eq!(mcp.call_tool("absent", json!({})).await["error"]["code"], -32602);
    assert_eq!(mcp.call("prompts/list", json!({})).await["error"]["code"], -32601);
}

#[tokio::test]
async fn the_newest_revision_answers_an_unknown_one_and_older_ones_are_kept() {
    let (_simulator, handle) = world(WORLD).await;
    for (asked, agreed) in [
        ("1999-01-01", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
    ] {
        let result = Mcp::new(&handle, &[], SERVER).initialize(asked).await;
        assert_eq!(result["protocolVersion"], agreed);
    }
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let (_simulator, handle) =
        world("servers: [{url: http://mcp.example.com/mcp, pageSize: 2, tools: [{name: a}, {name: b}, {name: c}]}]")
            .await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-11-25").await;
    let first = mcp.call("tools/list", json!({})).await["result"].clone();
    assert_eq!(first["tools"].as_array().unwrap().len(), 2);
    let second = mcp.call("tools/list", json!({"cursor": first["nextCursor"]})).await["result"].clone();
    assert_eq!(second["tools"][0]["name"], "c");
    assert!(second.get("nextCursor").is_none());
    assert_eq!(mcp.call("tools/list", json!({"cursor": "made-up"})).await["error"]["code"], -32602);
}

#[tokio::test]
async fn replies_can_be_event_streams() {
    let (_simulator, handle) =
        world("servers: [{url: http://mcp.example.com/mcp, replies: event-stream, tools: [{name: echo}]}]").await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
    let message = mcp.request("initialize", params);
    let response = mcp.post(&message).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    assert!(text.starts_with("event: message\ndata: {"), "{text}");
    assert!(text.ends_with("}\n\n"), "{text}");
}

#[tokio::test]
async fn what_the_transport_forbids_is_refused() {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-11-25").await;
    let list = json!({"jsonrpc": "2.0", "id": 100, "method": "tools/list"});
    let good = || mcp.client.post(&mcp.url).headers(mcp.headers.clone());
    let without = |name: &str| {
        let mut headers = mcp.headers.clone();
        headers.remove(name);
        mcp.client.post(&mcp.url).headers(headers)
    };
    let cases = [
        ("only JSON accepted", without("accept").header("accept", "application/json").json(&list), 406),
        ("wildcard accepted", without("accept").header("accept", "*/*").json(&list), 406),
        ("plain text", good().header("content-type", "text/plain").body(list.to_string()), 415),
        ("no JSON", good().header("content-type", "application/json").body("{"), 400),
        ("a batch", good().json(&json!([list])), 400),
        ("a null id", good().json(&json!({"jsonrpc": "2.0", "id": null, "method": "ping"})), 400),
        ("no version of JSON-RPC", good().json(&json!({"id": 1, "method": "ping"})), 400),
        ("no session", without("mcp-session-id").json(&list), 400),
        ("another session", without("mcp-session-id").header("mcp-session-id", "made-up").json(&list), 404),
        ("no revision", without("mcp-protocol-version").json(&list), 400),
        (
            "an unknown revision",
            without("mcp-protocol-version").header("mcp-protocol-version", "2026-07-28").json(&list),
            400,
        ),
        (
            "another revision",
            without("mcp-protocol-version").header("mcp-protocol-version", "2025-06-18").json(&list),
            400,
        ),
        ("a foreign page", good().header("origin", "https://evil.example").json(&list), 403),
        (
            "a second initialize in the session",
            good().json(&json!({"jsonrpc": "2.0", "id": 101, "method": "initialize"})),
            400,
        ),
        ("PUT", mcp.client.put(&mcp.url).headers(mcp.headers.clone()), 405),
        ("a legacy stream", mcp.client.get(&mcp.url).header("accept", "text/event-stream"), 405),
    ];
    for (what, request, status) in cases {
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{what}");
        let verdict = handle.journal().entries().last().unwrap().verdict.clone();
        assert!(verdict.is_some(), "{what}");
    }
}

#[tokio::test]
async fn a_request_id_is_used_once() {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-11-25").await;
    let ping = mcp.request("ping", json!({}));
    assert_eq!(mcp.post(&ping).await.json::<Value>().await.unwrap()["result"], json!({}));
    assert_eq!(mcp.post(&ping).await.json::<Value>().await.unwrap()["error"]["code"], -32600);
}

#[tokio::test]
async fn batches_belong_to_one_revision() {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-03-26").await;
    let batch = json!([mcp.request("ping", json!({})), {"jsonrpc": "2.0", "method": "notifications/cancelled"}, mcp.request("tools/list", json!({}))]);
    let answers: Vec<Value> = mcp.post(&batch).await.json().await.unwrap();
    assert_eq!(answers.len(), 2);
}

#[tokio::test]
async fn a_deleted_session_is_gone() {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-11-25").await;
    let deleted = mcp.client.delete(&mcp.url).headers(mcp.headers.clone()).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::OK);
    let message = mcp.request("ping", json!({}));
    assert_eq!(mcp.post(&message).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn changed_tools_are_announced_on_the_stream() {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    mcp.initialize("2025-11-25").await;
    let stream = mcp.client.get(&mcp.url).headers(mcp.headers.clone()).send().await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    let change: WorldChange =
        serde_saphyr::from_str("setTools: {server: http://mcp.example.com/mcp, tools: [{name: other}]}").unwrap();
    handle.update(change).await.unwrap();
    let event = tokio::time::timeout(LIMIT, stream.bytes_stream().next()).await.unwrap().unwrap().unwrap();
    assert!(String::from_utf8_lossy(&event).contains("notifications/tools/list_changed"));
    assert_eq!(mcp.call("tools/list", json!({})).await["result"]["tools"][0]["name"], "other");
}

#[tokio::test]
async fn the_handshake_must_be_confirmed() {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
    let message = mcp.request("initialize", params);
    let session = mcp.post(&message).await.headers()["mcp-session-id"].clone();
    let mut mcp = mcp.with("mcp-protocol-version", "2025-11-25");
    mcp.headers.insert("mcp-session-id", session);
    assert_eq!(mcp.call("ping", json!({})).await["result"], json!({}));
    assert_eq!(mcp.call("tools/list", json!({})).await["error"]["code"], -32600);
}

#[tokio::test]
async fn a_handshake_that_fails_leaves_no_session() {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &[], SERVER);
    let message = mcp.request("initialize", json!({"protocolVersion": "2025-11-25"}));
    let refused = mcp.post(&message).await;
    assert!(!refused.headers().contains_key("mcp-session-id"));
    assert_eq!(refused.json::<Value>().await.unwrap()["error"]["code"], -32602);
}
