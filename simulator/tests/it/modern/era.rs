//! Which era a server serves, and what tells a dual one which is meant.

use reqwest::StatusCode;
use serde_json::json;

use super::client::{CAPABILITIES, Modern, VERSION};
use crate::client::{Mcp, world};

const WORLD: &str = "
servers:
  - {url: http://modern.example.com/mcp, protocolVersions: [2026-07-28], tools: [{name: echo}]}
  - {url: http://dual.example.com/mcp, protocolVersions: [2025-06-18, 2025-11-25, 2026-07-28], tools: [{name: echo}]}
  - {url: http://legacy.example.com/mcp, tools: [{name: echo}]}
";
const MODERN: &str = "http://modern.example.com/mcp";
const DUAL: &str = "http://dual.example.com/mcp";
const LEGACY: &str = "http://legacy.example.com/mcp";

#[tokio::test]
async fn a_modern_server_tells_its_revisions() {
    let (_simulator, handle) = world(WORLD).await;
    let result = Modern::new(&handle, MODERN).call("server/discover", json!({})).await["result"].clone();
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["ttlMs"], 0);
    assert_eq!(result["cacheScope"], "private");
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "modern.example.com");
    let dual = Modern::new(&handle, DUAL).call("server/discover", json!({})).await;
    assert_eq!(dual["result"]["supportedVersions"], json!(["2026-07-28", "2025-11-25", "2025-06-18"]));
}

#[tokio::test]
async fn a_dual_server_serves_both_eras_at_once() {
    let (_simulator, handle) = world(WORLD).await;
    let mut legacy = Mcp::new(&handle, &[], DUAL);
    assert_eq!(legacy.initialize("2026-07-28").await["protocolVersion"], "2025-11-25");
    let modern = Modern::new(&handle, DUAL);
    assert_eq!(modern.call_tool("echo", json!({"text": "a"})).await["result"]["resultType"], "complete");
    let answer = legacy.call_tool("echo", json!({"text": "b"})).await;
    assert_eq!(answer["result"], json!({"content": [{"type": "text", "text": "b"}]}));
}

#[tokio::test]
async fn the_method_header_does_not_make_a_request_modern() {
    let (_simulator, handle) = world(WORLD).await;
    let mut legacy = Mcp::new(&handle, &[], DUAL).with("mcp-method", "initialize");
    assert_eq!(legacy.initialize("2025-06-18").await["protocolVersion"], "2025-06-18");
}

#[tokio::test]
async fn the_body_decides_before_the_header() {
    let (_simulator, handle) = world(WORLD).await;
    let client = Modern::new(&handle, DUAL);
    let request = || client.request(7, "tools/list", json!({}));
    assert_eq!(request().header("mcp-protocol-version", None).refused().await, (400, Some(-32020)));
    assert_eq!(request().header("mcp-protocol-version", Some("2025-11-25")).refused().await, (400, Some(-32020)));
    // Without `_meta` the header alone says it.
    assert_eq!(request().metadata(json!({})).refused().await, (400, Some(-32602)));
    // A revision of the other era, in both places: that era's rules hold, and there is no session.
    let older = request().metadata(json!({VERSION: "2025-11-25", CAPABILITIES: {}}));
    let (status, answer) = older.header("mcp-protocol-version", Some("2025-11-25")).send().await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(-32000)));
}

#[tokio::test]
async fn a_modern_server_names_its_revisions_to_a_legacy_client() {
    let (_simulator, handle) = world(WORLD).await;
    let mut legacy = Mcp::new(&handle, &[], MODERN);
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}});
    let message = legacy.request("initialize", params);
    let refused = legacy.post(&message).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let error = refused.json::<serde_json::Value>().await.unwrap()["error"].clone();
    assert_eq!(error["code"], -32022);
    assert_eq!(error["data"], json!({"supported": ["2026-07-28"], "requested": "2025-11-25"}));
}

#[tokio::test]
async fn a_legacy_server_answers_modern_requests_with_no_modern_error() {
    let (_simulator, handle) = world(WORLD).await;
    let (status, answer) = Modern::new(&handle, LEGACY).request(1, "server/discover", json!({})).send().await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(-32000)));
}

#[tokio::test]
async fn streams_and_sessions_are_gone() {
    let (_simulator, handle) = world(WORLD).await;
    let mcp = Mcp::new(&handle, &[], MODERN);
    for method in [reqwest::Method::GET, reqwest::Method::DELETE, reqwest::Method::PUT] {
        let response = mcp.client.request(method, &mcp.url).headers(mcp.headers.clone()).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], "POST");
    }
    let request = Modern::new(&handle, MODERN).request(1, "tools/list", json!({}));
    let response =
        request.header("mcp-session-id", Some("made-up")).header("last-event-id", Some("3")).response().await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key("mcp-session-id"));
    // A dual server has both for its legacy clients.
    let mut dual = Mcp::new(&handle, &[], DUAL);
    dual.initialize("2025-11-25").await;
    let deleted = dual.client.delete(&dual.url).headers(dual.headers.clone()).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::OK);
}
