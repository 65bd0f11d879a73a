//! The wire without sessions: what a request must say of itself, and what is refused.

use crate::in_backend::Backend;
use crate::in_support::{ANONYMOUS, Answer, gateway, start};
use crate::modern_support::{VERSION, described, meta};
use http::{Method, StatusCode};
use serde_json::{Value, json};

fn verdict(answer: &Answer) -> (u16, i64) {
    (answer.status.as_u16(), answer.error_code())
}

#[tokio::test]
async fn headers_and_body_say_the_same() {
    let backend = Backend::start(&["echo"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.client();
    let (list, call) = (json!({}), json!({"name": "b_echo", "arguments": {}}));
    for (method, params, header, value, refused) in [
        ("tools/list", &list, "mcp-protocol-version", "", Some(-32020)),
        ("tools/list", &list, "mcp-protocol-version", "2025-11-25", Some(-32020)),
        ("tools/list", &list, "mcp-method", "", Some(-32020)),
        ("tools/list", &list, "mcp-method", "tools/call", Some(-32020)),
        ("tools/list", &list, "mcp-method", "Tools/List", Some(-32020)),
        ("tools/list", &list, "mcp-name", "b_echo", None),
        ("tools/list", &list, "mcp-session-id", "nonsense", None),
        ("tools/list", &list, "last-event-id", "1-0", None),
        ("tools/call", &call, "mcp-name", "", Some(-32020)),
        ("tools/call", &call, "mcp-name", "b_Echo", Some(-32020)),
        ("tools/call", &call, "mcp-name", "=?base64?Yl9lY2hv?=", None),
        ("tools/call", &call, "mcp-name", "=?base64?Yl9lY2h?=", Some(-32020)),
        ("tools/call", &call, "mcp-param-unknown", "x", None),
    ] {
        let params = described(params.clone());
        let client = client.mirroring(method, &params).with(header, value);
        let answer = client.request(method, params).await;
        let expected = refused.map_or((200, Value::Null), |code| (400, json!(code)));
        assert_eq!((answer.status.as_u16(), answer.json()["error"]["code"].clone()), expected, "{method} {header}");
        assert_eq!(answer.json()["id"], 1, "{method} {header}");
    }
    assert_eq!(backend.count("tools/call"), 2);
}

#[tokio::test]
async fn a_request_says_its_revision_and_what_its_client_can() {
    let gateway = start(ANONYMOUS, &[]).await;
    let client = gateway.client();
    let served = client.ask("server/discover", json!({})).await.json()["result"]["supportedVersions"].clone();
    let without = |key: &str| {
        let mut meta = meta(&json!({}));
        meta.as_object_mut().unwrap().remove(key);
        json!({ "_meta": meta })
    };
    for params in [
        json!({}),
        json!({"_meta": {}}),
        without("io.modelcontextprotocol/protocolVersion"),
        without("io.modelcontextprotocol/clientCapabilities"),
        json!({"_meta": {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": 1}}),
    ] {
        let answer = client.mirroring("tools/list", &params).request("tools/list", params.clone()).await;
        assert_eq!(verdict(&answer), (400, -32602), "{params}");
    }
    let mut future = described(json!({}));
    future["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2027-01-01");
    let answer = client.mirroring("tools/list", &future).request("tools/list", future.clone()).await;
    assert_eq!(verdict(&answer), (400, -32020), "the header says another revision");
    let client = client.mirroring("tools/list", &future).with("mcp-protocol-version", "2027-01-01");
    let answer = client.request("tools/list", future).await;
    assert_eq!(verdict(&answer), (400, -32022));
    assert_eq!(answer.json()["error"]["data"], json!({"supported": served.clone(), "requested": "2027-01-01"}));
    let mut older = described(json!({}));
    older["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2025-11-25");
    let client = client.mirroring("tools/list", &older).with("mcp-protocol-version", "2025-11-25");
    let answer = client.request("tools/list", older).await;
    assert_eq!(verdict(&answer), (400, -32022));
    let error = answer.json()["error"].take();
    assert_eq!(error["data"], json!({"supported": served, "requested": "2025-11-25"}));
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("initialize") && !message.contains("one of"), "{message}");
}

#[tokio::test]
async fn methods_that_the_revision_has_not_are_not_found() {
    let gateway = start(ANONYMOUS, &[]).await;
    let client = gateway.client();
    for method in
        ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/get", "x"]
    {
        assert_eq!(verdict(&client.ask(method, json!({})).await), (404, -32601), "{method}");
    }
    let named = client.with("mcp-protocol-version", VERSION);
    for method in [Method::GET, Method::DELETE] {
        let answer = named.send(method.clone(), "/mcp", "").await;
        assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"), "{method}");
    }
    assert_eq!(named.notify("notifications/cancelled", json!({"requestId": 1})).await.status, StatusCode::ACCEPTED);
    let answer = named.post(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    assert_eq!((answer.status, answer.error_code()), (StatusCode::BAD_REQUEST, -32600));
    // Who sends a routing header with the handshake of the other era means that era.
    let mut old = client.with("mcp-method", "initialize");
    assert_eq!(old.initialize().await["protocolVersion"], "2025-11-25");
}

#[tokio::test]
async fn arguments_are_repeated_in_the_headers_that_the_schema_names() {
    let backend = Backend::start(&[]).await;
    let schema = json!({"type": "object", "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "options": {"type": "object", "properties": {"count": {"type": "integer", "x-mcp-header": "Count"}}},
    }});
    backend.add_item(&json!({"name": "query", "inputSchema": schema}).to_string());
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.client();
    for (arguments, headers, taken) in [
        (json!({}), vec![], true),
        (json!({"region": "eu"}), vec![("mcp-param-region", "eu")], true),
        (json!({"region": "eu"}), vec![], false),
        (json!({"region": "eu"}), vec![("mcp-param-region", "EU")], false),
        (json!({"region": "ü"}), vec![("mcp-param-region", "=?base64?w7w=?=")], true),
        (json!({"region": "ü"}), vec![("mcp-param-region", "=?base64?w7w?=")], false),
        (json!({"region": null}), vec![], true),
        (json!({}), vec![("mcp-param-region", "eu")], false),
        (json!({"options": {"count": 42}}), vec![("mcp-param-count", "42.0")], true),
        (json!({"options": {"count": 42}}), vec![("mcp-param-count", "43")], false),
        (json!({"options": {"count": (1_u64 << 53) + 1}}), vec![("mcp-param-count", "9007199254740992")], false),
        (json!({"options": {"count": (1_u64 << 53) + 1}}), vec![("mcp-param-count", "9007199254740993")], false),
        (json!({"options": {"count": 1.5}}), vec![("mcp-param-count", "1.5")], false),
        (json!({"options": {"count": 1.5}}), vec![], false),
    ] {
        let params = described(json!({"name": "b_query", "arguments": arguments}));
        let mut client = client.mirroring("tools/call", &params);
        for (name, value) in &headers {
            client.set(name, value);
        }
        let answer = client.request("tools/call", params).await;
        if taken {
            assert_eq!(answer.status, StatusCode::OK, "{arguments} {headers:?} {answer:?}");
        } else {
            assert_eq!(verdict(&answer), (400, -32020), "{arguments} {headers:?}");
        }
    }
}

#[tokio::test]
async fn no_key_that_the_gateway_reads_is_taken_twice() {
    let backend = Backend::start(&["echo"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let meta = meta(&json!({})).to_string();
    for (method, params) in [
        ("tools/call", format!(r#""name":"b_echo","name":"b_x","_meta":{meta}"#)),
        ("tools/call", format!(r#""name":"b_echo","Name":"b_x","_meta":{meta}"#)),
        ("tools/call", format!(r#""name":"b_echo","requestState":"a","RequestState":"b","_meta":{meta}"#)),
        ("tools/call", format!(r#""name":"b_echo","inputResponses":{{}},"inputResponses":{{}},"_meta":{meta}"#)),
        ("tools/list", format!(r#""_meta":{meta},"_META":{{}}"#)),
        ("tools/list", format!(r#""_meta":{}"#, meta.replacen('{', r#"{"progressToken":1,"ProgressToken":2,"#, 1))),
        ("subscriptions/listen", format!(r#""notifications":{{}},"Notifications":{{}},"_meta":{meta}"#)),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#);
        let client = gateway.client().mirroring(method, &json!({"name": "b_echo"}));
        assert_eq!(verdict(&client.post(body).await), (400, -32602), "{params}");
    }
    assert_eq!(backend.count("tools/call"), 0);
}
