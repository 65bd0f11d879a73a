//! What passes through a proxy: everything, as it came.

use crate::in_support::{Events, initialize_params};
use crate::modern_support::described;
use crate::out_support::{PATIENCE, Recorded, Server, event_stream, initialized, json_body, mcp, result, text};
use crate::proxy_support::{config, start, try_start_with};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, StatusCode};
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

/// A stream of a server, which a test writes.
type Writer = mpsc::UnboundedSender<Result<Bytes, Infallible>>;

fn say(writer: &Writer, message: &str) {
    writer.send(Ok(Bytes::from(format!("data: {message}\n\n")))).unwrap();
}

/// A server that answers each `tools/call` and each GET with a stream, which goes to the test with its request.
async fn talkative() -> (Server, mpsc::UnboundedReceiver<(Recorded, Writer)>) {
    let (opened, streams) = mpsc::unbounded_channel();
    let script = mcp(move |recorded| match recorded.what().as_str() {
        "tools/call" | "GET" => {
            let (writer, events) = mpsc::unbounded_channel();
            opened.send((recorded.clone(), writer)).unwrap();
            event_stream(Body::from_stream(UnboundedReceiverStream::new(events)))
        }
        // The answer to a request of the server's own.
        "POST" => text(StatusCode::ACCEPTED, ""),
        _ => json_body(result(recorded, "{}")),
    });
    (Server::plain(script).await, streams)
}

/// The stream that answers `tools/call`; others are dropped.
async fn call_stream(streams: &mut mpsc::UnboundedReceiver<(Recorded, Writer)>) -> (Recorded, Writer) {
    stream_of(streams, "tools/call").await
}

async fn stream_of(streams: &mut mpsc::UnboundedReceiver<(Recorded, Writer)>, what: &str) -> (Recorded, Writer) {
    loop {
        let (recorded, writer) = tokio::time::timeout(PATIENCE, streams.recv()).await.unwrap().unwrap();
        if recorded.what() == what {
            return (recorded, writer);
        }
    }
}

const CALL: &str =
    r#"{"jsonrpc":"2.0","id":"call","method":"tools/call","params":{"name":"ask","_meta":{"progressToken":7}}}"#;

#[tokio::test]
async fn an_unknown_method_goes_through_byte_for_byte() {
    const PARAMS: &str = r#"{ "z" : 1.10, "a":[1e3,{"k":1,"k":2}],"name":"\u00e9é", "_meta":{"x": 1} }"#;
    const RESULT: &str = r#"{ "b" : 2.00, "a":{"k":1,"k":2}, "text":"\u0041" }"#;
    let server = Server::plain(mcp(|recorded| json_body(result(recorded, RESULT)))).await;
    let proxy = start(&config(&server, json!({}))).await;
    let client = proxy.connected().await;
    let body = format!(r#"{{"jsonrpc":"2.0","id":"\u0061","method":"vendor/unheard-of","params":{PARAMS}}}"#);
    let answer = client.post(body).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.text, format!(r#"{{"jsonrpc":"2.0","id":"\u0061","result":{RESULT}}}"#));
    let sent = server.wait_for(|recorded| recorded.what() == "vendor/unheard-of").await;
    assert!(sent.body.ends_with(&format!(r#""method":"vendor/unheard-of","params":{PARAMS}}}"#)), "{}", sent.body);
}

#[tokio::test]
async fn an_error_of_the_server_goes_through_as_it_is() {
    const ERROR: &str = r#"{"code":-32042,"message":"no","data":{"a":1.0}}"#;
    let script =
        mcp(|recorded| json_body(format!(r#"{{"jsonrpc":"2.0","id":{},"error":{ERROR}}}"#, recorded.json()["id"])));
    let server = Server::plain(script).await;
    let proxy = start(&config(&server, json!({}))).await;
    let answer = proxy.connected().await.request("prompts/get", json!({"name": "a"})).await;
    assert_eq!(answer.text, format!(r#"{{"jsonrpc":"2.0","id":1,"error":{ERROR}}}"#));
}

#[tokio::test]
async fn the_session_is_one_of_the_server_with_the_clients_own_handshake() {
    const PARAMS: &str = concat!(
        r#"{"protocolVersion":"2025-06-18","capabilities":{"sampling":{},"roots":{"listChanged":true}},"#,
        r#""clientInfo":{"name":"c","version":"1"}}"#
    );
    let server = Server::plain(mcp(|recorded| json_body(result(recorded, "{}")))).await;
    let proxy = start(&config(&server, json!({}))).await;
    let mut client = proxy.client();
    let answer = client.post(format!(r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{PARAMS}}}"#)).await;
    assert_eq!(answer.json()["result"]["serverInfo"]["name"], "test", "the server's own result");
    assert!(server.journal()[0].body.ends_with(&format!(r#""params":{PARAMS}}}"#)));
    assert_ne!(answer.header("mcp-session-id"), "session-1", "the proxy's sessions have ids of their own");
    let mut headers = client.headers.clone();
    headers.insert("mcp-session-id", answer.headers["mcp-session-id"].clone());
    client.headers = headers;
    assert_eq!(client.notify("notifications/initialized", json!({})).await.status, StatusCode::ACCEPTED);
    client.request("resources/list", json!({})).await;
    assert_eq!(client.notify("notifications/roots/list_changed", json!({"a": 1.0})).await.status, StatusCode::ACCEPTED);
    assert_eq!(client.send(Method::DELETE, "/mcp", "").await.status, StatusCode::OK);
    let posted: Vec<_> = server.journal().into_iter().filter(|recorded| recorded.method != "GET").collect();
    let methods: Vec<_> = posted.iter().map(Recorded::what).collect();
    let expected =
        ["initialize", "notifications/initialized", "resources/list", "notifications/roots/list_changed", "DELETE"];
    assert_eq!(methods, expected);
    assert!(posted[1..].iter().all(|recorded| recorded.header("mcp-session-id") == Some("session-1")));
    assert_eq!(posted[2].header("mcp-protocol-version"), Some("2025-11-25"), "what the server agreed to");
}

#[tokio::test]
async fn two_clients_share_no_session() {
    let sessions = Arc::new(AtomicUsize::new(0));
    let server = Server::plain(move |recorded: Recorded| -> BoxFuture<'static, Response> {
        let mut response = match recorded.what().as_str() {
            "initialize" => initialized(&recorded, "2025-11-25"),
            "GET" => text(StatusCode::METHOD_NOT_ALLOWED, ""),
            method if method.starts_with("notifications/") => text(StatusCode::ACCEPTED, ""),
            _ => json_body(result(&recorded, "{}")),
        };
        if recorded.what() == "initialize" {
            let id = format!("session-{}", sessions.fetch_add(1, Ordering::SeqCst) + 1);
            response.headers_mut().insert("mcp-session-id", id.parse().unwrap());
        }
        Box::pin(async move { response })
    })
    .await;
    let proxy = start(&config(&server, json!({}))).await;
    let (one, two) = (proxy.connected().await, proxy.connected().await);
    two.request("ping", json!({})).await;
    one.request("ping", json!({})).await;
    let sessions: Vec<_> = server.journal().into_iter().filter(|recorded| recorded.what() == "ping").collect();
    let ids: Vec<_> = sessions.iter().map(|recorded| recorded.header("mcp-session-id").unwrap()).collect();
    assert_eq!(ids, ["session-2", "session-1"]);
}

#[tokio::test]
async fn a_request_of_the_server_reaches_the_client_and_the_answer_the_server() {
    const ASK: &str = r#"{"jsonrpc":"2.0","id":"s-1","method":"sampling/createMessage","params":{"maxTokens":1.0}}"#;
    const ANSWER: &str = r#"{"jsonrpc":"2.0","id":"s-1","result":{"role":"assistant", "n":2.50}}"#;
    let (server, mut streams) = talkative().await;
    let proxy = start(&config(&server, json!({}))).await;
    let client = proxy.connected().await;
    let opening = client.clone();
    let opened = tokio::spawn(async move { Events::of(opening.open(Method::POST, "/mcp", CALL).await) });
    let (call, writer) = call_stream(&mut streams).await;
    say(&writer, ASK);
    let mut events = tokio::time::timeout(PATIENCE, opened).await.unwrap().unwrap();
    assert_eq!(events.next_data().await.unwrap(), ASK);
    assert_eq!(client.post(ANSWER).await.status, StatusCode::ACCEPTED);
    let answered = server.wait_for(|recorded| recorded.what() == "POST").await;
    assert_eq!(answered.body, ANSWER);
    assert_eq!(answered.header("mcp-session-id"), Some("session-1"));
    say(&writer, &result(&call, r#"{"content":[]}"#));
    assert_eq!(events.next_data().await.unwrap(), r#"{"jsonrpc":"2.0","id":"call","result":{"content":[]}}"#);
    assert_eq!(events.next_data().await, None);
}

#[tokio::test]
async fn progress_comes_before_the_answer_on_the_same_stream() {
    const PROGRESS: &str =
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":0.50}}"#;
    let (server, mut streams) = talkative().await;
    let proxy = start(&config(&server, json!({}))).await;
    let client = proxy.connected().await;
    let calling = tokio::spawn(async move { client.post(CALL).await });
    let (call, writer) = call_stream(&mut streams).await;
    assert_eq!(call.json()["params"]["_meta"]["progressToken"], 7);
    say(&writer, PROGRESS);
    say(&writer, PROGRESS);
    say(&writer, &result(&call, "{}"));
    let answer = calling.await.unwrap();
    let data = answer.text.lines().filter_map(|line| line.strip_prefix("data: "));
    // The first event has no message: from it on a client can come back.
    let data: Vec<_> = data.filter(|data| !data.is_empty()).collect();
    assert_eq!(data, [PROGRESS, PROGRESS, r#"{"jsonrpc":"2.0","id":"call","result":{}}"#]);
}

#[tokio::test]
async fn what_the_server_says_outside_of_requests_comes_on_the_clients_stream() {
    const ROOTS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#;
    const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#;
    let (server, mut streams) = talkative().await;
    let proxy = start(&config(&server, json!({}))).await;
    let client = proxy.connected().await;
    let mut events = client.listen().await;
    let (_, writer) = stream_of(&mut streams, "GET").await;
    for message in [ROOTS, CHANGED, CHANGED] {
        say(&writer, message);
        assert_eq!(events.next_data().await.unwrap(), message);
    }
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"roots":[]}}"#;
    assert_eq!(client.post(answer).await.status, StatusCode::ACCEPTED);
    assert_eq!(server.wait_for(|recorded| recorded.what() == "POST").await.body, answer);
}

#[tokio::test]
async fn a_cancellation_names_the_request_as_the_server_knows_it() {
    let (server, mut streams) = talkative().await;
    let proxy = start(&config(&server, json!({}))).await;
    let client = proxy.connected().await;
    let calling = client.clone();
    let calling = tokio::spawn(async move { calling.post(CALL).await });
    let (call, _writer) = call_stream(&mut streams).await;
    client.notify("notifications/cancelled", json!({"requestId": "call"})).await;
    let cancelled = server.wait_for(|recorded| recorded.what() == "notifications/cancelled").await;
    assert_eq!(cancelled.json()["params"]["requestId"], call.json()["id"]);
    assert!(!calling.await.unwrap().text.contains("data"), "a cancelled request has no answer");
}

#[tokio::test]
async fn a_session_that_the_server_has_lost_is_lost_for_the_client_too() {
    let script = mcp(|recorded| match recorded.what().as_str() {
        "ping" => json_body(result(recorded, "{}")),
        _ => text(StatusCode::NOT_FOUND, ""),
    });
    let server = Server::plain(script).await;
    let proxy = start(&config(&server, json!({}))).await;
    let mut client = proxy.connected().await;
    assert_eq!(client.request("ping", json!({})).await.status, StatusCode::OK);
    assert_eq!(client.request("tools/list", json!({})).await.status, StatusCode::NOT_FOUND);
    server.wait_for(|recorded| recorded.what() == "DELETE").await;
    assert_eq!(client.request("ping", json!({})).await.status, StatusCode::NOT_FOUND);
    client.set("mcp-session-id", "");
    client.initialize().await;
    assert_eq!(client.request("ping", json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_server_that_fails_is_named_with_the_cause() {
    let server = Server::plain(|_| async { text(StatusCode::UNAUTHORIZED, "") }).await;
    let proxy = start(&config(&server, json!({}))).await;
    let answer = proxy.client().request("initialize", initialize_params("2025-11-25")).await;
    assert_eq!((answer.status, answer.error_code()), (StatusCode::OK, -32050));
    assert_eq!(answer.json()["error"]["data"], json!({"backend": "partner", "cause": "unauthorized"}));
    assert_eq!(answer.header("mcp-session-id"), "", "no session begins");
}

#[tokio::test]
async fn only_what_a_proxy_serves_is_served() {
    let server = Server::plain(mcp(|recorded| json_body(result(recorded, "{}")))).await;
    let proxy = start(&config(&server, json!({}))).await;
    let client = proxy.client();
    assert_eq!(client.get("/health").await.status, StatusCode::OK);
    assert_eq!(client.get("/readyz").await.json(), json!({"status": "ready", "mode": "proxy"}));
    for path in ["/status", "/sse", "/messages", "/"] {
        assert_eq!(client.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let unknown = described(json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2031-01-01"}}));
    let unknown = client.with("mcp-protocol-version", "2031-01-01").request("tools/list", unknown).await;
    assert_eq!((unknown.status, unknown.error_code()), (StatusCode::BAD_REQUEST, -32022));
}

#[tokio::test]
async fn a_server_that_does_not_keep_up_holds_a_bounded_number_of_requests() {
    let (server, mut streams) = talkative().await;
    let proxy = try_start_with(&config(&server, json!({})), None, &["--backend-cap", "1"]).await.unwrap();
    let (client, other) = (proxy.connected().await, proxy.connected().await);
    let held = tokio::spawn({
        let client = client.clone();
        async move { client.post(CALL).await }
    });
    let (recorded, writer) = call_stream(&mut streams).await;
    let refused = other.post(CALL).await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    let error = refused.json()["error"].clone();
    assert_eq!(
        (&error["code"], &error["data"]),
        (&json!(-32051), &json!({"backend": "partner", "cause": "overloaded"}))
    );
    let unopened = proxy.client().request("initialize", initialize_params("2025-11-25")).await;
    assert_eq!((unopened.status, unopened.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    assert_eq!((unopened.error_code(), unopened.header("mcp-session-id")), (-32051, ""));
    say(&writer, &result(&recorded, "{}"));
    assert_eq!(held.await.unwrap().json()["result"], json!({}));
    assert_eq!(other.request("prompts/list", json!({})).await.json()["result"], json!({}), "there is place again");
}
