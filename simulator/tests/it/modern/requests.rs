//! What each request must say about itself, and what results say besides the method's own answer.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::client::{CAPABILITIES, Modern, VERSION};
use crate::client::world;

const SERVER: &str = "http://mcp.example.com/mcp";
const WORLD: &str = "
servers:
  - url: http://mcp.example.com/mcp
    protocolVersions: [2026-07-28]
    pageSize: 2
    cache: {ttl: 5s, scope: public}
    tools:
      - name: echo
      - {name: raw, answer: {result: {content: [], resultType: strange, _meta: {kept: 1}}}}
      - {name: refused, answer: {error: {code: -32601, message: no}}}
      - name: query
        inputSchema:
          type: object
          properties:
            region: {type: string, x-mcp-header: Region}
            limit: {type: integer, x-mcp-header: Limit}
            options: {type: object, properties: {dry: {type: boolean, x-mcp-header: Dry}}}
";

#[tokio::test]
async fn what_a_request_must_say_is_required() {
    let (_simulator, handle) = world(WORLD).await;
    let client = Modern::new(&handle, SERVER);
    let list = || client.request(5, "tools/list", json!({}));
    let call = || client.request(6, "tools/call", json!({"name": "echo", "arguments": {"text": "a"}}));
    let version = "mcp-protocol-version";
    let cases = [
        ("no _meta", list().metadata(Value::Null), (400, -32602)),
        ("no revision", list().metadata(json!({CAPABILITIES: {}})), (400, -32602)),
        ("no capabilities", list().metadata(json!({VERSION: "2026-07-28"})), (400, -32602)),
        ("no version header", list().header(version, None), (400, -32020)),
        ("another version header", list().header(version, Some("2025-11-25")), (400, -32020)),
        ("another revision in the body", list().metadata(json!({VERSION: "v999", CAPABILITIES: {}})), (400, -32020)),
        ("no method header", list().header("mcp-method", None), (400, -32020)),
        ("another method", list().header("mcp-method", Some("prompts/list")), (400, -32020)),
        ("a method in capitals", list().header("mcp-method", Some("TOOLS/LIST")), (400, -32020)),
        ("no name header", call().header("mcp-name", None), (400, -32020)),
        ("another name", call().header("mcp-name", Some("raw")), (400, -32020)),
        ("a name that is not Base64", call().header("mcp-name", Some("=?base64?ZWNobw?=")), (400, -32020)),
        ("an unknown method", client.request(1, "unknown/method", json!({})), (404, -32601)),
        ("a removed method", client.request(2, "ping", json!({})), (404, -32601)),
        ("the handshake", client.request(3, "initialize", json!({})), (404, -32601)),
    ];
    for (what, request, (status, code)) in cases {
        assert_eq!(request.refused().await, (status, Some(code)), "{what}");
        assert!(handle.journal().entries().last().unwrap().verdict.is_some(), "{what}");
    }
    for (what, request) in [
        ("spaces around a value", call().header("mcp-name", Some("  echo\t"))),
        ("a name in Base64", call().header("mcp-name", Some("=?base64?ZWNobw==?="))),
        ("a name where none is needed", list().header("mcp-name", Some("anything"))),
    ] {
        assert_eq!(request.refused().await, (200, None), "{what}");
        assert!(handle.journal().entries().last().unwrap().verdict.is_none(), "{what}");
    }
}

#[tokio::test]
async fn an_unsupported_revision_is_answered_with_those_that_are() {
    let (_simulator, handle) = world(WORLD).await;
    let request = Modern::new(&handle, SERVER).request(9, "server/discover", json!({}));
    let request = request.metadata(json!({VERSION: "v999", CAPABILITIES: {}}));
    let (status, answer) = request.header("mcp-protocol-version", Some("v999")).send().await;
    assert_eq!((status, &answer["error"]["code"], &answer["id"]), (400, &json!(-32022), &json!(9)));
    assert_eq!(answer["error"]["data"], json!({"supported": ["2026-07-28"], "requested": "v999"}));
}

#[tokio::test]
async fn marked_arguments_are_repeated_in_headers() {
    let (_simulator, handle) = world(WORLD).await;
    let client = Modern::new(&handle, SERVER);
    let query = |arguments: Value| client.request(1, "tools/call", json!({"name": "query", "arguments": arguments}));
    let region = || query(json!({"region": "Hello"}));
    let limit = || query(json!({"limit": 42}));
    let cases = [
        ("a missing header", region(), -32020),
        ("another value", region().header("mcp-param-region", Some("hello")), -32020),
        ("wrong padding", region().header("mcp-param-region", Some("=?base64?SGVsbG8?=")), -32020),
        ("wrong characters", region().header("mcp-param-region", Some("=?base64?SGVs!!!bG8=?=")), -32020),
        ("a header without argument", query(json!({})).header("mcp-param-region", Some("Hello")), -32020),
        ("a header for null", query(json!({"region": null})).header("mcp-param-region", Some("null")), -32020),
        ("another number", limit().header("mcp-param-limit", Some("43")), -32020),
        ("a flag in capitals", query(json!({"options": {"dry": true}})).header("mcp-param-dry", Some("True")), -32020),
    ];
    for (what, request, code) in cases {
        assert_eq!(request.refused().await, (400, Some(code)), "{what}");
    }
    for (what, request) in [
        ("the same text", region().header("mcp-param-region", Some("Hello"))),
        ("the same text in Base64", region().header("mcp-param-region", Some("=?base64?SGVsbG8=?="))),
        ("no argument", query(json!({}))),
        ("null", query(json!({"region": null}))),
        ("the same number", limit().header("mcp-param-limit", Some("42.0"))),
        ("a nested flag", query(json!({"options": {"dry": true}})).header("mcp-param-dry", Some("true"))),
        ("a header that nobody asked for", query(json!({})).header("mcp-param-other", Some("x"))),
        (
            "text that only looks encoded",
            query(json!({"region": "=?base64?SGVs"})).header("mcp-param-region", Some("=?base64?SGVs")),
        ),
    ] {
        assert_eq!(request.refused().await, (200, None), "{what}");
    }
}

#[tokio::test]
async fn results_say_what_they_are_and_how_long_they_are_fresh() {
    let (_simulator, handle) = world(WORLD).await;
    let client = Modern::new(&handle, SERVER);
    let page = client.call("tools/list", json!({})).await["result"].clone();
    assert_eq!(
        (&page["resultType"], &page["ttlMs"], &page["cacheScope"]),
        (&json!("complete"), &json!(5000), &json!("public"))
    );
    let next = client.call("tools/list", json!({"cursor": page["nextCursor"]})).await["result"].clone();
    assert_eq!((next["tools"].as_array().unwrap().len(), &next["cacheScope"]), (2, &json!("public")));
    let called = client.call_tool("echo", json!({"text": "hi"})).await["result"].clone();
    assert_eq!(called["content"], json!([{"type": "text", "text": "hi"}]));
    assert_eq!(called["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "mcp.example.com");
    assert!(called.get("ttlMs").is_none());
    let raw = client.call_tool("raw", json!({})).await["result"].clone();
    assert_eq!((&raw["resultType"], &raw["_meta"]["kept"]), (&json!("strange"), &json!(1)));
}

#[tokio::test]
async fn an_error_that_the_world_scripted_is_an_answer() {
    let (_simulator, handle) = world(WORLD).await;
    let client = Modern::new(&handle, SERVER);
    let scripted = client.request(1, "tools/call", json!({"name": "refused"}));
    assert_eq!(scripted.refused().await, (200, Some(-32601)));
    let unknown = client.request(1, "tools/call", json!({"name": "absent"}));
    assert_eq!(unknown.refused().await, (200, Some(-32602)));
}

#[tokio::test]
async fn notifications_are_accepted_and_responses_are_not() {
    let (_simulator, handle) = world(WORLD).await;
    let client = Modern::new(&handle, SERVER);
    let mut notification = client.request(1, "notifications/cancelled", json!({"requestId": 1}));
    notification.message.as_object_mut().unwrap().remove("id");
    assert_eq!(notification.response().await.status(), StatusCode::ACCEPTED);
    let mut response = client.request(1, "ping", json!({}));
    response.message = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
    assert_eq!(response.response().await.status(), StatusCode::BAD_REQUEST);
    let mut batch = client.request(1, "tools/list", json!({}));
    batch.message = json!([batch.message]);
    assert_eq!(batch.response().await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn answers_come_on_a_stream_where_the_world_says_so() {
    let (_simulator, handle) = world(
        "servers: [{url: http://mcp.example.com/mcp, protocolVersions: [2026-07-28], replies: event-stream, tools: [{name: echo}]}]",
    )
    .await;
    let client = Modern::new(&handle, SERVER);
    let response =
        client.request(3, "tools/call", json!({"name": "echo", "arguments": {"text": "hi"}})).response().await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let text = response.text().await.unwrap();
    let data = text.strip_prefix("event: message\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
    assert_eq!(serde_json::from_str::<Value>(data).unwrap()["id"], 3);
    // What is refused before the call has its status and no stream.
    assert_eq!(client.request(4, "ping", json!({})).refused().await, (404, Some(-32601)));
}
