//! The endpoint as HTTP clients meet it: headers, sessions, malformed messages.

use crate::in_support::{ANONYMOUS, Events, initialize_params, start, try_start};
use http::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn a_session_starts_answers_and_ends() {
    let gateway = start(ANONYMOUS, &[]).await;
    let mut client = gateway.client();
    let result = client.initialize().await;
    assert_eq!(result["protocolVersion"], "2025-11-25");
    assert_eq!(result["capabilities"], json!({"tools": {"listChanged": true}}));
    assert_eq!(result["serverInfo"]["name"], "engineering");
    assert_eq!(client.request("ping", json!({})).await.json(), json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    assert_eq!(client.tool_names().await, Vec::<String>::new());
    assert_eq!(client.send(Method::DELETE, "/mcp", "").await.status, StatusCode::OK);
    assert_eq!(client.request("ping", json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.send(Method::DELETE, "/mcp", "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.get("/mcp").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn session_ids_are_long_different_and_not_guessed() {
    let gateway = start(ANONYMOUS, &[]).await;
    let (one, two) = (gateway.connected().await, gateway.connected().await);
    let id = |client: &crate::in_support::Client| client.headers["mcp-session-id"].to_str().unwrap().to_owned();
    assert!(id(&one).len() >= 32 && id(&one) != id(&two));
    assert_eq!(one.with("mcp-session-id", "guess").request("ping", json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(one.with("mcp-session-id", "").request("ping", json!({})).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn versions_are_negotiated_and_checked() {
    let gateway = start(ANONYMOUS, &[]).await;
    for (asked, agreed) in [
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let answer = gateway.client().request("initialize", initialize_params(asked)).await;
        assert_eq!(answer.json()["result"]["protocolVersion"], agreed, "{asked}");
    }
    let client = gateway.connected().await;
    assert_eq!(client.with("mcp-protocol-version", "").request("ping", json!({})).await.status, StatusCode::OK);
    let wrong = client.with("mcp-protocol-version", "2025-01-01").request("ping", json!({})).await;
    assert_eq!((wrong.status, wrong.error_code()), (StatusCode::BAD_REQUEST, -32600));
    let answer = gateway.client().request("initialize", json!({"capabilities": {}})).await;
    assert_eq!((answer.status, answer.error_code()), (StatusCode::BAD_REQUEST, -32602));
}

#[tokio::test]
async fn media_types_are_checked() {
    let gateway = start(ANONYMOUS, &[]).await;
    let client = gateway.connected().await;
    for (accept, status) in [
        ("application/json", StatusCode::NOT_ACCEPTABLE),
        ("text/event-stream", StatusCode::NOT_ACCEPTABLE),
        ("", StatusCode::NOT_ACCEPTABLE),
        ("*/*", StatusCode::OK),
    ] {
        assert_eq!(client.with("accept", accept).request("ping", json!({})).await.status, status, "{accept}");
    }
    for content_type in ["text/plain", "", "application/xml"] {
        let answer = client.with("content-type", content_type).request("ping", json!({})).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
    }
    assert_eq!(client.with("accept", "application/json").get("/mcp").await.status, StatusCode::NOT_ACCEPTABLE);
    let answer = client.send(Method::PUT, "/mcp", "").await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST, GET, DELETE"));
}

#[tokio::test]
async fn malformed_messages_get_the_protocols_error_and_harm_nothing() {
    let gateway = start(ANONYMOUS, &[]).await;
    let client = gateway.connected().await;
    for (body, code) in [
        ("{", -32700),
        ("", -32700),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","NAME":"b"}}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"x":1,"x":2}}}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["a"]}"#, -32602),
    ] {
        let answer = client.post(body).await;
        assert_eq!((answer.status, answer.error_code()), (StatusCode::BAD_REQUEST, code), "{body}");
    }
    let huge = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":"{}"}}}}"#, "x".repeat(9 << 20));
    assert_eq!(client.post(huge).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(client.request("ping", json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_served_says_so() {
    let gateway = start(ANONYMOUS, &[]).await;
    let client = gateway.connected().await;
    for method in ["tasks/list", "resources/nonsense", "nonsense"] {
        let answer = client.request(method, json!({})).await;
        assert_eq!((answer.status, answer.error_code()), (StatusCode::OK, -32601), "{method}");
    }
    assert_eq!(client.request("tools/list", json!({"cursor": "x"})).await.error_code(), -32602);
    assert_eq!(client.request("tools/call", json!({})).await.error_code(), -32602);
    let unknown = client.call("nobody_echo", json!({})).await.json();
    assert_eq!(unknown["error"], json!({"code": -32602, "message": "Unknown tool: nobody_echo"}));
    for path in ["/", "/mcp/", "/sse/", "/.well-known/oauth-protected-resource", "/metrics"] {
        assert_eq!(client.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn probes_answer_without_a_session() {
    let gateway = start(ANONYMOUS, &[]).await;
    let client = gateway.client();
    assert_eq!(client.get("/health").await.json(), json!({"status": "ok"}));
    assert_eq!(client.get("/readyz").await.json(), json!({"status": "ready", "mode": "static"}));
    let status = client.get("/status").await.json();
    let version = env!("CARGO_PKG_VERSION");
    let expected = json!({
        "backends": [], "healthy": false, "version": version, "group_ref": "engineering-tools", "configuration": "current",
    });
    assert_eq!(status, expected);
}

#[tokio::test]
async fn a_loopback_listener_refuses_the_names_of_others() {
    let gateway = start(ANONYMOUS, &["--allow-origin", "http://inspector.example:6274"]).await;
    let client = gateway.connected().await;
    for (name, value, status) in [
        ("host", "evil.example", StatusCode::FORBIDDEN),
        ("origin", "http://evil.example", StatusCode::FORBIDDEN),
        ("origin", "null", StatusCode::FORBIDDEN),
        ("host", "localhost:1", StatusCode::OK),
        ("origin", "http://localhost:6274", StatusCode::OK),
        ("origin", "http://inspector.example:6274", StatusCode::OK),
    ] {
        assert_eq!(client.with(name, value).request("ping", json!({})).await.status, status, "{name}: {value}");
        assert_eq!(client.with(name, value).get("/status").await.status, status, "{name}: {value}");
    }
}

#[tokio::test]
async fn another_listener_refuses_foreign_origins_only() {
    let gateway = start(ANONYMOUS, &["--host", "127.77.0.1"]).await;
    let client = gateway.connected().await;
    assert_eq!(client.with("origin", &gateway.url).request("ping", json!({})).await.status, StatusCode::OK);
    let by_name = client.with("host", "vmcp.example:4483");
    assert_eq!(by_name.request("ping", json!({})).await.status, StatusCode::OK);
    for origin in ["http://vmcp.example:4483", "http://localhost"] {
        let page = by_name.with("origin", origin);
        assert_eq!(page.request("ping", json!({})).await.status, StatusCode::FORBIDDEN, "{origin}");
    }
}

#[tokio::test]
async fn sessions_are_limited() {
    let gateway = start(ANONYMOUS, &["--session-cap", "1"]).await;
    let _client = gateway.connected().await;
    let full = gateway.client().request("initialize", initialize_params("2025-11-25")).await;
    assert_eq!((full.status, full.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"));
}

#[tokio::test]
async fn an_idle_session_ends_and_its_stream_tells() {
    let gateway = start(ANONYMOUS, &["--session-cap", "1", "--session-ttl", "100ms"]).await;
    // On a busy machine one may end before its stream is asked for.
    let (client, mut events) = loop {
        let mut client = gateway.client();
        let opened = client.request("initialize", initialize_params("2025-11-25")).await;
        client.set("mcp-session-id", opened.header("mcp-session-id"));
        client.set("mcp-protocol-version", "2025-11-25");
        let stream = client.open(Method::GET, "/mcp", "").await;
        if stream.status() == StatusCode::OK {
            break (client, Events::of(stream));
        }
    };
    assert_eq!(events.next().await, None);
    assert_eq!(client.request("ping", json!({})).await.status, StatusCode::NOT_FOUND);
    let next = gateway.client().request("initialize", initialize_params("2025-11-25")).await;
    assert_eq!(next.status, StatusCode::OK, "there is room again");
}

#[tokio::test]
async fn the_end_of_the_server_ends_streams_and_is_complete() {
    let mut gateway = start(ANONYMOUS, &[]).await;
    let client = gateway.connected().await;
    let mut events = client.listen().await;
    gateway.stop.cancel();
    assert_eq!(events.next().await, None);
    tokio::time::timeout(crate::in_support::PATIENCE, &mut gateway.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_not_supported_keeps_the_gateway_from_starting() {
    let config = format!("{ANONYMOUS}\ncompositeTools: []\n");
    let Err(error) = try_start(&config, &[]).await else { panic!("started") };
    assert!(error.is_usage() && error.to_string().contains("compositeTools"), "{error}");
}
