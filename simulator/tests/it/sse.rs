//! The HTTP+SSE transport.

use futures::StreamExt as _;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{Events, LIMIT, client, url, world};

const WORLD: &str = "servers: [{url: http://mcp.example.com/tools/sse, transport: sse, tools: [{name: echo}]}]";
const SERVER: &str = "http://mcp.example.com/tools/sse";

async fn event(stream: &mut (impl futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin)) -> (String, String) {
    let bytes = tokio::time::timeout(LIMIT, stream.next()).await.unwrap().unwrap().unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let field =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
    (field("event:"), field("data:"))
}

async fn open(handle: &simulator::WorldHandle) -> Response {
    client(handle, &[]).get(url(handle, SERVER)).header("accept", "text/event-stream").send().await.unwrap()
}

#[tokio::test]
async fn a_call_is_posted_and_answered_on_the_stream() {
    let (_simulator, handle) = world(WORLD).await;
    let mut stream = open(&handle).await.bytes_stream();
    let (kind, endpoint) = event(&mut stream).await;
    assert_eq!(kind, "endpoint");
    assert!(endpoint.starts_with("/tools/messages?sessionId="), "{endpoint}");

    let client = client(&handle, &[]);
    let target = url(&handle, &format!("http://mcp.example.com{endpoint}"));
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": "hi"}}});
    for message in [initialize, json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), call] {
        assert_eq!(client.post(&target).json(&message).send().await.unwrap().status(), StatusCode::ACCEPTED);
    }
    let (_, initialized) = event(&mut stream).await;
    assert_eq!(serde_json::from_str::<Value>(&initialized).unwrap()["result"]["protocolVersion"], "2024-11-05");
    let (kind, answer) = event(&mut stream).await;
    assert_eq!(kind, "message");
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["result"]["content"][0]["text"], "hi");

    let call = handle.journal().wait_for(|entry| entry.method.as_deref() == Some("tools/call")).await;
    assert_eq!(call.server.as_deref(), Some(SERVER));
    assert_eq!(call.url, "http://mcp.example.com/tools/messages");
    assert!(call.session.is_some());
}

#[tokio::test]
async fn steps_and_questions_come_on_the_stream() {
    let (_simulator, handle) = world(
        "
servers:
  - url: http://mcp.example.com/tools/sse
    transport: sse
    tools:
      - name: report
        steps: [{log: {data: begun}}, {ask: {folders: {roots: {}}}}]
        answer: {text: 'found ${folders.roots.0.uri}'}
      - {name: slow, steps: [{log: {data: begun}}, {wait: 1h}], answer: {text: late}}
",
    )
    .await;
    let mut stream = Events::of(open(&handle).await);
    let endpoint = stream.next_event().await.unwrap();
    let endpoint = endpoint.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let target = url(&handle, &format!("http://mcp.example.com{endpoint}"));
    let client = client(&handle, &[]);
    let post = async |message: Value| {
        assert_eq!(client.post(&target).json(&message).send().await.unwrap().status(), StatusCode::ACCEPTED);
    };
    let call =
        |id: u64, name: &str| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name}});
    post(json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2024-11-05", "capabilities": {"roots": {}}, "clientInfo": {"name": "test", "version": "1"}}})).await;
    post(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    assert_eq!(stream.next().await.unwrap()["result"]["capabilities"]["logging"], json!({}));

    post(call(2, "report")).await;
    assert_eq!(stream.next().await.unwrap()["params"]["data"], "begun");
    let asked = stream.next().await.unwrap();
    assert_eq!(asked["method"], "roots/list");
    post(json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": [{"uri": "file:///home"}]}})).await;
    assert_eq!(stream.next().await.unwrap()["result"]["content"][0]["text"], "found file:///home");

    post(call(3, "slow")).await;
    assert_eq!(stream.next().await.unwrap()["params"]["data"], "begun");
    post(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 3}})).await;
    // The cancelled call is never answered, the next one is.
    post(json!({"jsonrpc": "2.0", "id": 4, "method": "ping"})).await;
    assert_eq!(stream.next().await.unwrap(), json!({"jsonrpc": "2.0", "id": 4, "result": {}}));
}

#[tokio::test]
async fn the_session_ends_with_the_stream() {
    let (_simulator, handle) = world(WORLD).await;
    let mut stream = open(&handle).await.bytes_stream();
    let (_, endpoint) = event(&mut stream).await;
    drop(stream);
    let target = url(&handle, &format!("http://mcp.example.com{endpoint}"));
    let client = client(&handle, &[]);
    let gone = async {
        while client.post(&target).json(&json!({"jsonrpc": "2.0", "method": "x"})).send().await.unwrap().status()
            != StatusCode::NOT_FOUND
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.unwrap();
}

#[tokio::test]
async fn streamable_http_finds_no_endpoint() {
    let (_simulator, handle) = world(WORLD).await;
    let client = client(&handle, &[]);
    let posted = client
        .post(url(&handle, SERVER))
        .header("accept", "application/json, text/event-stream")
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(posted.headers()["allow"], "GET");
    let no_session =
        client.post(url(&handle, "http://mcp.example.com/tools/messages")).json(&json!({})).send().await.unwrap();
    assert_eq!(no_session.status(), StatusCode::BAD_REQUEST);
}
