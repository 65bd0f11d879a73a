//! Requests without a session to backends that have some.

use crate::in_backend::{Backend, Entry};
use crate::in_support::{Events, gateway, start};
use crate::modern_support::{described, meta};
use http::{Method, StatusCode};
use serde_json::{Value, json};

const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

#[tokio::test]
async fn the_gateway_says_what_it_can_bridge() {
    let backend = Backend::start(&["echo"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.client();
    client.ask("tools/list", json!({})).await;
    let result = client.ask("server/discover", json!({})).await.json()["result"].clone();
    assert_eq!(
        result,
        json!({
            "resultType": "complete",
            "supportedVersions": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"],
            "capabilities": {"tools": {"listChanged": true}},
            "ttlMs": 5000,
            "cacheScope": "public",
            "_meta": {SERVER_INFO: {"name": "engineering", "version": env!("CARGO_PKG_VERSION")}},
        })
    );
}

#[tokio::test]
async fn a_list_says_how_long_and_for_whom_it_may_be_kept() {
    let (good, down) = (Backend::start(&["echo"]).await, Backend::start(&["echo"]).await);
    let best_effort = "operational: {failureHandling: {healthCheckInterval: 1h, partialFailureMode: best_effort, \
                       unhealthyThreshold: 2}}";
    let gateway = gateway(&[("a", &good), ("b", &down)], best_effort).await;
    let client = gateway.client();
    let result = client.ask("tools/list", json!({})).await.json()["result"].clone();
    assert_eq!(result["tools"].as_array().unwrap().len(), 2);
    assert_eq!((&result["resultType"], &result["cacheScope"]), (&json!("complete"), &json!("public")));
    let ttl = result["ttlMs"].as_u64().unwrap();
    assert!((1..=30_000).contains(&ttl), "{ttl}");
    assert_eq!(result["_meta"][SERVER_INFO]["name"], "engineering");
    down.break_with(Some(StatusCode::SERVICE_UNAVAILABLE));
    for _ in 0..2 {
        assert_eq!(client.ask_tool("b_echo", json!({})).await.error_code(), -32603);
    }
    crate::in_support::health(&gateway, "b", "unhealthy").await;
    let result = client.ask("tools/list", json!({})).await.json()["result"].clone();
    assert_eq!((result["tools"].as_array().unwrap().len(), &result["ttlMs"]), (1, &json!(0)), "one is missing");
}

#[tokio::test]
async fn what_the_gateway_does_not_own_passes_byte_for_byte() {
    let backend = Backend::start(&["raw"]).await;
    let result = r#""structuredContent":[1.0,1e3,{"k":1,"k":2}],"isError":true,"content":[],"new":"\ud83d\ude00""#;
    backend.script("raw", &format!(r#""result":{{{result},"_meta":{{"x/y":1.0}}}}"#));
    let gateway = gateway(&[("b", &backend)], "").await;
    let meta = meta(&json!({})).to_string().replacen('{', r#"{"a/b":1.0,"#, 1);
    let params =
        format!(r#"{{"name":"b_raw","arguments":{{"b":1.0,"a":{{"x":1,"x":2}}}},"_meta":{meta},"extra":[1e2]}}"#);
    let client = gateway.client().mirroring("tools/call", &json!({"name": "b_raw"}));
    let answer = client.post(format!(r#"{{"jsonrpc":"2.0","id":"ä","method":"tools/call","params":{params}}}"#)).await;
    let version = env!("CARGO_PKG_VERSION");
    let own = format!(r#""{SERVER_INFO}":{{"name":"engineering","version":"{version}"}}"#);
    let result = format!(r#"{{{result},"_meta":{{"x/y":1.0,{own}}},"resultType":"complete"}}"#);
    assert_eq!(answer.text, format!(r#"{{"jsonrpc":"2.0","id":"ä","result":{result}}}"#));
    let sent = backend.saw("tools/call").await.body;
    let expected = r#"{"name":"raw","arguments":{"b":1.0,"a":{"x":1,"x":2}},"_meta":{"a/b":1.0},"extra":[1e2]}"#;
    assert!(sent.ends_with(&format!(r#""params":{expected}}}"#)), "{sent}");
}

#[tokio::test]
async fn clients_without_a_name_never_share_a_session() {
    let backend = Backend::start(&["echo"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.client();
    client.ask("tools/list", json!({})).await;
    client.ask("tools/list", json!({})).await;
    for _ in 0..3 {
        assert_eq!(client.ask_tool("b_echo", json!({})).await.status, StatusCode::OK);
    }
    let calls = backend.journal().into_iter().filter(|entry| entry.method == "tools/call");
    let mut sessions: Vec<_> = calls.map(|entry| entry.session.unwrap()).collect();
    sessions.sort_unstable();
    sessions.dedup();
    assert_eq!(sessions.len(), 3);
    backend.until(|backend| backend.count("DELETE") == 3).await;
    assert_eq!(backend.count("tools/list"), 1);
}

#[tokio::test]
async fn errors_have_the_codes_and_statuses_of_the_revision() {
    let backend = Backend::start(&["fail", "legacy"]).await;
    backend.offer(json!({"resources": {}}));
    backend.reply("resources/read", r#""error":{"code":-32002,"message":"gone","data":{"uri":"x:y"}}"#);
    backend.script("fail", r#""error":{"code":-31999,"message":"no","data":{"a": 1.0}}"#);
    backend.script("legacy", r#""error":{"code":-32042,"message":"open a URL"}"#);
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.client();
    let answer = client.ask_tool("b_fail", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text.ends_with(r#""error":{"code":-31999,"message":"no","data":{"a": 1.0}}}"#), "{answer:?}");
    assert_eq!(client.ask_tool("b_legacy", json!({})).await.error_code(), -32603);
    let answer = client.ask("resources/read", json!({"uri": "x:y"})).await.json()["error"].clone();
    assert_eq!((&answer["code"], &answer["data"]), (&json!(-32602), &json!({"uri": "x:y"})));
    let answer = client.ask_tool("b_unknown", json!({})).await;
    assert_eq!((answer.status, answer.error_code()), (StatusCode::OK, -32602));
    backend.end();
    let error = client.ask_tool("b_fail", json!({})).await.json()["error"].clone();
    assert_eq!((&error["code"], &error["data"]["backend"]), (&json!(-32603), &json!("b")));
}

#[tokio::test]
async fn what_is_read_is_kept_by_nobody_unless_its_backend_says_so() {
    let backend = Backend::start(&[]).await;
    backend.offer(json!({"resources": {}}));
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.client();
    for (hints, ttl, scope) in [
        ("", 0, "private"),
        (r#","ttlMs":7"#, 7, "private"),
        (r#","ttlMs":7,"cacheScope":"public""#, 7, "public"),
        (r#","ttlMs":7,"cacheScope":"private""#, 7, "private"),
    ] {
        backend.reply("resources/read", &format!(r#""result":{{"contents":[]{hints}}}"#));
        let result = client.ask("resources/read", json!({"uri": "x:y"})).await.json()["result"].clone();
        assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(ttl), &json!(scope)), "{hints}");
    }
}

#[tokio::test]
async fn progress_and_log_messages_come_before_the_answer_as_the_client_wants_them() {
    let backend = Backend::start(&["talk"]).await;
    backend.offer(json!({"logging": {}}));
    let log = |level: &str| {
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":1.0}}}}"#)
    };
    // The gateway's name for the progress of the first request with a token.
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1.0}}"#;
    backend.speak("talk", &[&log("info"), progress, &log("error")]);
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.client();
    let params = json!({"name": "b_talk", "arguments": {}, "_meta": {"progressToken": "mine"}});
    let mut events = client.ask_streamed(json!(7), "tools/call", params).await;
    let told = json!({"progressToken": "mine", "progress": 1.0});
    let expected = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": told});
    assert_eq!(events.next().await.unwrap(), expected, "no log message was asked for");
    let answer = events.next().await.unwrap();
    assert_eq!((&answer["id"], &answer["result"]["resultType"]), (&json!(7), &json!("complete")));
    assert_eq!(events.next().await, None);
    let level = json!({"io.modelcontextprotocol/logLevel": "warning"});
    let params = json!({"name": "b_talk", "arguments": {}, "_meta": level});
    let mut events = client.ask_streamed(json!(8), "tools/call", params).await;
    assert_eq!(events.next().await.unwrap()["params"]["level"], "error");
    assert_eq!(events.next().await.unwrap()["id"], 8);
    let asked: Value = serde_json::from_str(&backend.saw("logging/setLevel").await.body).unwrap();
    assert_eq!(asked["params"], json!({"level": "warning"}));
}

#[tokio::test]
async fn a_question_in_the_midst_of_a_call_fails_it_honestly() {
    let backend = Backend::start(&["ask"]).await;
    let question = r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"?"}}"#;
    backend.speak("ask", &[question]);
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.client();
    let answer = client.ask_tool("b_ask", json!({})).await;
    assert_eq!((answer.status, answer.error_code()), (StatusCode::BAD_REQUEST, -32021));
    let required = json!({"elicitation": {}});
    assert_eq!(answer.json()["error"]["data"], json!({"backend": "b", "requiredCapabilities": required}));
    let params = json!({"name": "b_ask", "arguments": {}, "_meta": meta(&required)});
    let answer = client.ask("tools/call", params).await;
    assert_eq!((answer.status, answer.error_code()), (StatusCode::OK, -32603));
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("elicitation/create"), "{answer:?}");
    let told: Vec<_> = backend.journal().into_iter().filter(|entry| entry.method == "initialize").collect();
    let capabilities = |body: &str| serde_json::from_str::<Value>(body).unwrap()["params"]["capabilities"].clone();
    assert_eq!(capabilities(&told.last().unwrap().body), required, "the backend knew what the client can");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_call() {
    let backend = Backend::start(&["hang"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.client();
    client.ask("tools/list", json!({})).await;
    let call = tokio::spawn(async move { client.ask_tool("b_hang", json!({})).await });
    backend.saw("tools/call").await;
    call.abort();
    backend.saw("notifications/cancelled").await;
    backend.saw("DELETE").await;
}

#[tokio::test]
async fn a_state_that_the_gateway_has_not_sealed_is_refused() {
    let backend = Backend::start(&["echo"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    for state in [json!("forged"), json!(""), json!(1)] {
        let params = json!({"name": "b_echo", "arguments": {}, "requestState": state});
        let answer = gateway.client().ask("tools/call", params).await;
        assert_eq!(answer.error_code(), -32602, "{state}");
    }
    assert_eq!(backend.count("tools/call"), 0);
}

#[tokio::test]
async fn a_backend_with_sessions_that_needs_a_url_opened_asks_for_it() {
    let backend = Backend::start(&["connect"]).await;
    let url = json!({"mode": "url", "elicitationId": "e1", "url": "https://x.example/connect", "message": "Connect."});
    let error = json!({"code": -32042, "message": "first", "data": {"elicitations": [url]}});
    backend.script("connect", &format!("\"error\":{error}"));
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.client();
    let modest = client.ask_tool("b_connect", json!({})).await;
    assert_eq!((modest.status, modest.error_code()), (StatusCode::BAD_REQUEST, -32021));
    let needed = json!({"elicitation": {"url": {}}});
    assert_eq!(modest.json()["error"]["data"]["requiredCapabilities"], needed);

    let mut params = json!({"name": "b_connect", "arguments": {}, "_meta": meta(&needed)});
    let asking = client.ask("tools/call", params.clone()).await.json()["result"].clone();
    assert_eq!((&asking["resultType"], asking.get("requestState")), (&json!("input_required"), None), "{asking}");
    let asked = json!({"mode": "url", "url": "https://x.example/connect", "message": "Connect."});
    assert_eq!(asking["inputRequests"], json!({"e1": {"method": "elicitation/create", "params": asked}}));
    params["inputResponses"] = json!({"e1": {"action": "decline"}});
    let declined = client.ask("tools/call", params.clone()).await.json()["error"].clone();
    assert_eq!((&declined["code"], &declined["data"]["backend"]), (&json!(-32603), &json!("b")), "{declined}");
    // It was not opened yet.
    params["inputResponses"] = json!({"e1": {"action": "accept"}});
    let again = client.ask("tools/call", params.clone()).await.json()["result"].clone();
    assert_eq!(again["resultType"], "input_required");
    backend.script("connect", r#""result":{"content":[]}"#);
    assert_eq!(client.ask("tools/call", params).await.json()["result"]["resultType"], "complete");

    // Clients with a session know the error.
    backend.script("connect", &format!("\"error\":{error}"));
    let known = gateway.connected().await.call("b_connect", json!({})).await.json();
    assert_eq!(known["error"], error);
}

#[tokio::test]
async fn a_backend_that_asks_by_its_result_is_answered_with_what_it_gave() {
    let backend = Backend::start(&["ask"]).await;
    let asks = json!({"q": {"method": "elicitation/create", "params": {"message": "?"}}});
    let result = json!({"resultType": "input_required", "inputRequests": asks, "requestState": "its own"});
    backend.script("ask", &format!("\"result\":{result}"));
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.client();
    let answer = client.ask_tool("b_ask", json!({"a": 1})).await;
    assert_eq!((answer.status, answer.error_code()), (StatusCode::BAD_REQUEST, -32021));
    let able = meta(&json!({"elicitation": {}}));
    let params = json!({"name": "b_ask", "arguments": {"a": 1}, "_meta": able});
    let first = client.ask("tools/call", params.clone()).await.json()["result"].clone();
    assert_eq!((&first["resultType"], &first["inputRequests"]), (&json!("input_required"), &asks));
    assert!(first["ttlMs"].is_null() && first["_meta"][SERVER_INFO].is_object(), "{first}");
    let state = first["requestState"].as_str().unwrap();
    assert!(!state.contains("its own"));
    backend.script("ask", r#""result":{"content":[]}"#);
    let mut again = params.clone();
    again["requestState"] = json!(state);
    again["inputResponses"] = json!({"q": {"action": "accept", "content": {}}});
    let done = client.ask("tools/call", again.clone()).await.json()["result"].clone();
    assert_eq!(done["resultType"], "complete");
    let sent: Value = serde_json::from_str(&backend.journal().last().unwrap().body).unwrap_or_default();
    let calls = backend.journal().into_iter().filter(|entry| entry.method == "tools/call");
    let last: Value = calls.last().map_or(sent, |entry| serde_json::from_str(&entry.body).unwrap());
    assert_eq!(last["params"]["requestState"], "its own");
    assert_eq!(last["params"]["inputResponses"], again["inputResponses"]);
    again["arguments"] = json!({"a": 2});
    assert_eq!(client.ask("tools/call", again).await.error_code(), -32602, "that is another request");
}

#[tokio::test]
async fn who_listens_hears_of_what_it_asked_for() {
    let backend = Backend::start(&["echo"]).await;
    backend.offer(json!({"resources": {"subscribe": true}}));
    backend.set_items("resources/list", vec![json!({"uri": "x:y"}).to_string()]);
    backend.reply("resources/subscribe", r#""result":{}"#);
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.client();
    for list in ["tools/list", "resources/list"] {
        client.ask(list, json!({})).await;
    }
    let wish = json!({"toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": ["x:y"]});
    let params = json!({ "notifications": wish });
    let mut events = client.ask_streamed(json!("s"), "subscriptions/listen", params).await;
    let tag = json!({"io.modelcontextprotocol/subscriptionId": "s"});
    let honoured = json!({"toolsListChanged": true, "resourceSubscriptions": ["x:y"]});
    let expected = json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
        "params": {"_meta": tag, "notifications": honoured}});
    assert_eq!(events.next().await.unwrap(), expected);
    let mut other = client.ask_streamed(json!(2), "subscriptions/listen", json!({"notifications": {}})).await;
    assert_eq!(other.next().await.unwrap()["params"]["notifications"], json!({}));
    backend.change_tools(&["echo", "new"]).await;
    let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {"_meta": tag}});
    assert_eq!(events.next().await.unwrap(), changed);
    backend.say(&json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "x:y"}}));
    let updated = events.next().await.unwrap();
    assert_eq!(updated["params"], json!({"uri": "x:y", "_meta": tag}));
    gateway.stop.cancel();
    let end = events.next().await.unwrap();
    assert_eq!((&end["id"], &end["result"]["resultType"]), (&json!("s"), &json!("complete")));
    assert_eq!(end["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "s");
    assert_eq!(events.next().await, None);
    let end: Value = other.next().await.unwrap();
    assert_eq!(end["id"], 2, "and nothing before it");
}

#[tokio::test]
async fn a_stream_whose_client_leaves_ends_its_sessions() {
    let backend = Backend::start(&[]).await;
    backend.offer(json!({"resources": {"subscribe": true}}));
    backend.set_items("resources/list", vec![json!({"uri": "x:y"}).to_string()]);
    backend.reply("resources/subscribe", r#""result":{}"#);
    let gateway = gateway(&[("b", &backend)], "").await;
    let params = json!({"notifications": {"resourceSubscriptions": ["x:y"]}});
    let mut events: Events = gateway.client().ask_streamed(json!(1), "subscriptions/listen", params).await;
    events.next().await.unwrap();
    let session = backend.saw("resources/subscribe").await.session;
    drop(events);
    let is_end = |entry: &Entry| entry.method == "DELETE" && entry.session == session;
    backend.until(|backend| backend.journal().iter().any(is_end)).await;
}

#[tokio::test]
async fn a_stream_of_many_resources_takes_few_places_of_a_backend_and_none_of_another() {
    let (slow, other) = (Backend::start(&["echo"]).await, Backend::start(&[]).await);
    let uris = |backend: &str, count: usize| (0..count).map(|number| format!("{backend}:{number}")).collect::<Vec<_>>();
    let (many, few) = (uris("a", 100), uris("b", 20));
    for (backend, uris) in [(&slow, &many), (&other, &few)] {
        backend.offer(json!({"resources": {"subscribe": true}}));
        backend.set_items("resources/list", uris.iter().map(|uri| json!({"uri": uri}).to_string()).collect());
        backend.reply("resources/subscribe", r#""result":{}"#);
    }
    slow.hang_on("resources/subscribe");
    let backends = crate::in_support::config(&[("a", &slow), ("b", &other)], "");
    let gateway = start(&backends, &["--backend-cap", "20"]).await;
    let client = gateway.client();
    client.ask("tools/list", json!({})).await;
    let all = [many, few].concat();
    let params = json!({"notifications": {"resourceSubscriptions": all}});
    let listening = client.clone();
    let listen =
        tokio::spawn(
            async move { listening.ask_streamed(json!("s"), "subscriptions/listen", params).await.next().await },
        );
    slow.saw("resources/subscribe").await;
    other.until(|other| other.count("resources/subscribe") == 20).await;
    let answer = client.ask_tool("a_echo", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    slow.release();
    let acknowledged = listen.await.unwrap().unwrap();
    assert_eq!(acknowledged["params"]["notifications"]["resourceSubscriptions"], json!(all));
}

#[tokio::test]
async fn too_many_requests_at_once_are_told_to_wait() {
    let backend = Backend::start(&["hang"]).await;
    let backends = crate::in_support::config(&[("b", &backend)], "");
    let gateway = start(&backends, &["--session-cap", "2"]).await;
    let client = gateway.client();
    client.ask("tools/list", json!({})).await;
    let call = |id: u64| {
        let client = client.clone();
        tokio::spawn(async move {
            let params = described(json!({"name": "b_hang", "arguments": {}}));
            let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string();
            client.mirroring("tools/call", &params).send(Method::POST, "/mcp", message).await
        })
    };
    let mut calls: futures::stream::FuturesUnordered<_> = (0..3).map(call).collect();
    let refused = futures::StreamExt::next(&mut calls).await.unwrap().unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    assert_eq!(refused.error_code(), -32603);
    backend.release();
    while let Some(answer) = futures::StreamExt::next(&mut calls).await {
        assert_eq!(answer.unwrap().status, StatusCode::OK);
    }
}

#[tokio::test]
async fn pages_and_prompts_and_completions_are_those_of_the_catalog() {
    let backend = Backend::start(&[]).await;
    backend.offer(json!({"prompts": {}, "completions": {}}));
    let names: Vec<_> = (0..1_500).map(|number| json!({"name": format!("p{number}")}).to_string()).collect();
    backend.set_items("prompts/list", names);
    backend.reply("prompts/get", r#""result":{"messages":[]}"#);
    backend.reply("completion/complete", r#""result":{"completion":{"values":["a"]}}"#);
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.client();
    let first = client.ask("prompts/list", json!({})).await.json()["result"].clone();
    let second = client.ask("prompts/list", json!({"cursor": first["nextCursor"]})).await.json()["result"].clone();
    assert_eq!(second["prompts"].as_array().unwrap().len(), 500);
    assert_eq!(first["cacheScope"], second["cacheScope"]);
    let result = client.ask("prompts/get", json!({"name": "b_p7"})).await.json()["result"].clone();
    assert_eq!((&result["resultType"], &result["ttlMs"]), (&json!("complete"), &Value::Null));
    let params = json!({"ref": {"type": "ref/prompt", "name": "b_p7"}, "argument": {"name": "n", "value": "v"}});
    let result = client.ask("completion/complete", params).await.json()["result"].clone();
    assert_eq!(result["completion"]["values"], json!(["a"]));
}
