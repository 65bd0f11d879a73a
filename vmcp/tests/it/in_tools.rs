//! Tools of many backends through one endpoint.

use crate::in_backend::Backend;
use crate::in_support::{PATIENCE, config, gateway, health};
use http::{Method, StatusCode};
use serde_json::json;

fn text(answer: &crate::in_support::Answer) -> String {
    let json = answer.json();
    json["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {json}")).to_owned()
}

#[tokio::test]
async fn every_backends_tools_have_its_prefix_and_calls_find_it() {
    let (one, two) = (Backend::start(&["echo", "add"]).await, Backend::start(&["echo"]).await);
    let gateway = gateway(&[("two", &two), ("one", &one)], "").await;
    let client = gateway.connected().await;
    assert_eq!(client.tool_names().await, ["one_echo", "one_add", "two_echo"]);
    assert_eq!(text(&client.call("one_echo", json!({})).await), format!("echo of {}", one.url));
    assert_eq!(text(&client.call("two_echo", json!({})).await), format!("echo of {}", two.url));
    for unknown in ["echo", "two_add", "three_echo", "one_", "ONE_echo"] {
        assert_eq!(client.call(unknown, json!({})).await.error_code(), -32602, "{unknown}");
    }
}

#[tokio::test]
async fn the_prefix_format_and_collisions_follow_the_configuration() {
    let (one, two) = (Backend::start(&["echo"]).await, Backend::start(&["echo", "add"]).await);
    let format = |format: &str| {
        format!("aggregation: {{conflictResolution: prefix, conflictResolutionConfig: {{prefixFormat: '{format}'}}}}")
    };
    let dotted = gateway(&[("one", &one), ("two", &two)], &format("{workload}.")).await;
    assert_eq!(dotted.connected().await.tool_names().await, ["one.echo", "two.echo", "two.add"]);
    let same = gateway(&[("two", &two), ("one", &one)], &format("x-")).await;
    let client = same.connected().await;
    assert_eq!(client.tool_names().await, ["x-echo", "x-add"]);
    assert_eq!(text(&client.call("x-echo", json!({})).await), format!("echo of {}", one.url));
    assert_eq!(text(&client.call("x-add", json!({})).await), format!("add of {}", two.url));
}

#[tokio::test]
async fn what_the_gateway_does_not_own_passes_byte_for_byte() {
    let backend = Backend::start(&[]).await;
    let schema = r#"{"type":"object","z":1,"a":1.50,"a":2,"n":12345678901234567890123}"#;
    backend.add_item(&format!(r#"{{"title":"ü","name":"raw","inputSchema":{schema},"execution":{{"x": null}}}}"#));
    let result = r#"{"structuredContent":[1.0,1e3,{"k":1,"k":2}],"_meta":{"x/y": {}},"isError":true,"content":[],"new":"\ud83d\ude00"}"#;
    backend.script("raw", &format!("\"result\":{result}"));
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    let listed = client.request("tools/list", json!({})).await.text;
    let item = format!(r#"{{"title":"ü","name":"b_raw","inputSchema":{schema},"execution":{{"x": null}}}}"#);
    assert_eq!(listed, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{item}]}}}}"#));
    let params = |name: &str| {
        format!(
            r#"{{"_meta":{{"progressToken":"t","a/b":1.0}},"name":"{name}","arguments":{{"b":1.0,"a":{{"x":1,"x":2}}}},"extra":[1e2]}}"#
        )
    };
    let call = |name: &str| format!(r#"{{"jsonrpc":"2.0","id":"ä","method":"tools/call","params":{}}}"#, params(name));
    let answer = client.post(call("b_raw")).await;
    assert_eq!(answer.text, format!(r#"{{"jsonrpc":"2.0","id":"ä","result":{result}}}"#));
    let sent = backend.saw("tools/call").await.body;
    assert!(sent.ends_with(&format!(r#""params":{}}}"#, params("raw"))), "{sent}");
}

#[tokio::test]
async fn a_backends_own_errors_pass_untouched() {
    let backend = Backend::start(&["fail"]).await;
    backend.script("fail", r#""error":{"code":-31999,"message":"no","data":{"a": 1.0}}"#);
    let gateway = gateway(&[("b", &backend)], "").await;
    let answer = gateway.connected().await.call("b_fail", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK);
    let error = r#"{"code":-31999,"message":"no","data":{"a": 1.0}}"#;
    assert_eq!(answer.text, format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error}}}"#));
}

#[tokio::test]
async fn a_call_is_one_request_to_the_backend() {
    let backend = Backend::start(&["echo"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    client.tool_names().await;
    let before = backend.journal().len();
    for _ in 0..5 {
        client.call("b_echo", json!({})).await;
    }
    assert_eq!(backend.journal().len() - before, 5);
    // A second client shares the list, and nothing else.
    let other = gateway.connected().await;
    other.tool_names().await;
    other.call("b_echo", json!({})).await;
    assert_eq!((backend.count("tools/list"), backend.count("tools/call")), (1, 6));
    let mut sessions: Vec<_> = backend.journal().into_iter().filter(|entry| entry.method == "tools/call").collect();
    sessions.dedup_by_key(|entry| entry.session.clone());
    assert_eq!(sessions.len(), 2);
}

#[tokio::test]
async fn the_end_of_a_session_ends_its_sessions_at_backends() {
    let (used, unused) = (Backend::start(&["echo"]).await, Backend::start(&[]).await);
    let gateway = gateway(&[("used", &used), ("unused", &unused)], "").await;
    let client = gateway.connected().await;
    client.call("used_echo", json!({})).await;
    assert_eq!(client.send(Method::DELETE, "/mcp", "").await.status, StatusCode::OK);
    assert_eq!((used.count("initialize") >= 1, used.count("DELETE")), (true, 1));
    assert_eq!((unused.count("tools/list"), unused.count("DELETE")), (0, 0));
}

#[tokio::test]
async fn a_lost_session_at_a_backend_is_opened_again() {
    let backend = Backend::start(&["echo"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    client.call("b_echo", json!({})).await;
    backend.forget_sessions();
    assert_eq!(text(&client.call("b_echo", json!({})).await), format!("echo of {}", backend.url));
}

#[tokio::test]
async fn one_bad_backend_harms_nobody_else() {
    let (good, down, odd) =
        (Backend::start(&["echo"]).await, Backend::start(&["echo"]).await, Backend::start(&["echo"]).await);
    down.end();
    odd.break_with(Some(StatusCode::INTERNAL_SERVER_ERROR));
    let gateway = gateway(&[("down", &down), ("good", &good), ("odd", &odd)], "").await;
    let client = gateway.connected().await;
    assert_eq!(client.tool_names().await, ["good_echo"]);
    assert_eq!(text(&client.call("good_echo", json!({})).await), format!("echo of {}", good.url));
    let error = client.call("down_echo", json!({})).await.json()["error"].clone();
    assert_eq!((&error["code"], &error["data"]), (&json!(-32050), &json!({"backend": "down", "cause": "refused"})));
    assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    let error = client.call("odd_echo", json!({})).await.json()["error"].clone();
    assert_eq!(error["data"]["backend"], "odd");
    health(&gateway, "good", "healthy").await;
    health(&gateway, "down", "unhealthy").await;
    health(&gateway, "odd", "unhealthy").await;
    assert_eq!(gateway.client().get("/status").await.json()["healthy"], true);
}

#[tokio::test]
async fn partial_failure_mode_fail_names_the_backend_and_leaves_calls_alone() {
    let (good, down) = (Backend::start(&["echo"]).await, Backend::start(&["echo"]).await);
    down.end();
    let mode = "operational: {failureHandling: {partialFailureMode: fail}}";
    let gateway = gateway(&[("down", &down), ("good", &good)], mode).await;
    let client = gateway.connected().await;
    let error = client.request("tools/list", json!({})).await.json()["error"].clone();
    assert_eq!(error["code"], -32050);
    assert_eq!(error["data"], json!({"backends": [{"backend": "down", "cause": "refused"}]}));
    assert_eq!(text(&client.call("good_echo", json!({})).await), format!("echo of {}", good.url));
}

#[tokio::test]
async fn a_call_that_takes_too_long_fails_with_a_timeout_and_is_cancelled() {
    let backend = Backend::start(&["hang", "echo"]).await;
    let timeouts = "operational: {timeouts: {default: 10s, perWorkload: {b: 200ms}}}";
    let gateway = gateway(&[("b", &backend)], timeouts).await;
    let client = gateway.connected().await;
    let error = client.call("b_hang", json!({})).await.json()["error"].clone();
    assert_eq!(error["data"], json!({"backend": "b", "cause": "timeout"}));
    backend.saw("notifications/cancelled").await;
    // That a tool takes long does not make its server unhealthy.
    assert_eq!(text(&client.call("b_echo", json!({})).await), format!("echo of {}", backend.url));
    health(&gateway, "b", "healthy").await;
}

#[tokio::test]
async fn a_client_cancels_its_own_call() {
    let backend = Backend::start(&["hang"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    client.tool_names().await;
    let call = client.calling("b_hang");
    backend.saw("tools/call").await;
    let duplicate = client.request("ping", json!({})).await;
    assert_eq!((duplicate.status, duplicate.error_code()), (StatusCode::BAD_REQUEST, -32600));
    let answer = client.notify("notifications/cancelled", json!({"requestId": 1})).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let answer = call.await.unwrap();
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));
    backend.saw("notifications/cancelled").await;
    assert_eq!(client.request("ping", json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_session_that_asks_for_too_much_at_once_is_told_to_wait() {
    // Each call under way takes four sockets of this process: more than what many systems allow without being asked.
    vmcp::descriptors::raise_limit();
    let backend = Backend::start(&["hang"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    let call = |id: usize| {
        let params = json!({"name": "b_hang", "arguments": {}});
        let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string();
        let client = client.clone();
        tokio::spawn(async move { client.send(Method::POST, "/mcp", call).await })
    };
    let mut calls: futures::stream::FuturesUnordered<_> = (0..300).map(call).collect();
    let first = futures::StreamExt::next(&mut calls).await.unwrap().unwrap();
    assert_eq!((first.status, first.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert_eq!(first.error_code(), -32051);
    assert_eq!(gateway.connected().await.request("ping", json!({})).await.status, StatusCode::OK, "others may go on");
    backend.release();
}

#[tokio::test]
async fn a_backend_that_does_not_keep_up_holds_a_bounded_number_of_calls() {
    let (slow, other) = (Backend::start(&["hang"]).await, Backend::start(&["echo"]).await);
    let backends = config(&[("other", &other), ("slow", &slow)], "");
    let gateway = crate::in_support::start(&backends, &["--backend-cap", "2"]).await;
    let client = gateway.connected().await;
    assert_eq!(client.tool_names().await, ["other_echo", "slow_hang"]);
    let call = |id: usize| {
        let params = json!({"name": "slow_hang", "arguments": {}});
        let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string();
        let client = client.clone();
        tokio::spawn(async move { client.send(Method::POST, "/mcp", call).await })
    };
    let mut calls: futures::stream::FuturesUnordered<_> = (10..13).map(call).collect();
    let refused = futures::StreamExt::next(&mut calls).await.unwrap().unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    let error = refused.json()["error"].clone();
    assert_eq!((&error["code"], &error["data"]), (&json!(-32051), &json!({"backend": "slow", "cause": "overloaded"})));
    assert!(client.call("other_echo", json!({})).await.json()["result"].is_object());
    slow.release();
    while let Some(answer) = futures::StreamExt::next(&mut calls).await {
        assert!(answer.unwrap().json()["result"].is_object());
    }
    assert_eq!(slow.count("tools/call"), 2);
}

#[tokio::test]
async fn a_client_that_leaves_cancels_nothing() {
    let backend = Backend::start(&["hang"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    let call = client.calling("b_hang");
    backend.saw("tools/call").await;
    call.abort();
    client.request("tools/list", json!({"_meta": {}})).await;
    assert_eq!(backend.count("notifications/cancelled"), 0);
}

#[tokio::test]
async fn recovery_is_noticed_and_told() {
    let (good, down) = (Backend::start(&["echo"]).await, Backend::start(&["echo"]).await);
    down.break_with(Some(StatusCode::SERVICE_UNAVAILABLE));
    let fast = "operational: {failureHandling: {healthCheckInterval: 500ms, healthCheckTimeout: 400ms, \
                partialFailureMode: best_effort, unhealthyThreshold: 2}}";
    let gateway = gateway(&[("down", &down), ("good", &good)], fast).await;
    let client = gateway.connected().await;
    let mut events = client.listen().await;
    health(&gateway, "down", "unhealthy").await;
    assert_eq!(client.tool_names().await, ["good_echo"]);
    down.break_with(None);
    let message = events.next().await.unwrap();
    assert_eq!(message, json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}));
    assert_eq!(client.tool_names().await, ["down_echo", "good_echo"]);
    health(&gateway, "down", "healthy").await;
}

#[tokio::test]
async fn the_end_of_the_server_lets_calls_finish() {
    let backend = Backend::start(&["hang"]).await;
    let mut gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    let mut events = client.listen().await;
    let call = client.calling("b_hang");
    backend.saw("tools/call").await;
    gateway.stop.cancel();
    assert_eq!(events.next().await, None, "streams end at once: their clients come back to another replica");
    assert!(!gateway.task.is_finished() && !call.is_finished());
    backend.release();
    assert_eq!(text(&call.await.unwrap()), format!("hang of {}", backend.url));
    tokio::time::timeout(PATIENCE, &mut gateway.task).await.unwrap().unwrap();
    assert_eq!(backend.count("DELETE"), 1, "the session at the backend ends with the server");
}

#[tokio::test]
async fn the_end_of_a_session_ends_its_calls() {
    let backend = Backend::start(&["hang"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    let call = client.calling("b_hang");
    backend.saw("tools/call").await;
    assert_eq!(client.send(Method::DELETE, "/mcp", "").await.status, StatusCode::OK);
    assert_eq!(call.await.unwrap().text, "");
    backend.saw("DELETE").await;
    let methods: Vec<_> = backend.journal().into_iter().map(|entry| entry.method).collect();
    assert_eq!(
        methods[methods.len() - 2..],
        ["notifications/cancelled", "DELETE"],
        "it is told while it may still know"
    );
}

#[tokio::test]
async fn no_key_that_the_gateway_reads_reaches_a_backend_twice() {
    let backend = Backend::start(&["echo"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    for params in [
        r#""name":"b_echo","name":"b_other""#,
        r#""name":"b_echo","n\u0061me":"b_other""#,
        r#""name":"b_echo","Name":"b_other""#,
        r#""name":"b_echo","arguments":{},"arguments":{"x":1}"#,
        r#""name":"b_echo","ARGUMENTS":{}"#,
        r#""name":"b_echo","_meta":{},"_meta":{}"#,
        r#""name":"b_echo","_Meta":{}"#,
        r#""name":"b_echo","_meta":{"progressToken":1,"progressToken":2}"#,
        r#""name":"b_echo","_meta":{"ProgressToken":1}"#,
        r#""name":"b_echo","_meta":[]"#,
        r#""name":"b_echo","x":1,"x":2"#,
    ] {
        let answer =
            client.post(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{{params}}}}}"#)).await;
        assert_eq!((answer.status, answer.error_code()), (StatusCode::BAD_REQUEST, -32602), "{params}");
    }
    assert_eq!(backend.count("tools/call"), 0);
}

#[tokio::test]
async fn a_backend_that_changes_its_tools_is_asked_again_and_clients_are_told() {
    let backend = Backend::start(&["a"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    let mut events = client.listen().await;
    assert_eq!(client.tool_names().await, ["b_a"]);
    backend.change_tools(&["a", "c"]).await;
    let message = events.next().await.unwrap();
    assert_eq!(message, json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}));
    assert_eq!(client.tool_names().await, ["b_a", "b_c"]);
    let status = gateway.client().get("/status").await.json();
    assert_eq!(status["backends"][0]["mcp_revision"], "2025-11-25");
}
