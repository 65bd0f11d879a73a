//! What backends say and ask while they work on a request, and how it reaches the client of that request alone.

use crate::in_backend::{Backend, Entry};
use crate::in_support::{ANONYMOUS, Client, PATIENCE, Running, gateway, initialize_params, start};
use crate::out_http_sse::Streams;
use crate::out_support::{Recorded, Server, result, text};
use crate::proxy_sse::SseClient;
use http::StatusCode;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A client that declares these capabilities.
async fn capable(gateway: &Running, capabilities: Value) -> Client {
    let mut client = gateway.client();
    let mut params = initialize_params("2025-11-25");
    params["capabilities"] = capabilities;
    client.initialize_with(params).await;
    client
}

async fn everything(gateway: &Running) -> Client {
    capable(gateway, json!({"roots": {"listChanged": true}, "sampling": {}, "elicitation": {"form": {}, "url": {}}}))
        .await
}

fn ask(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

async fn answer(client: &Client, asked: &Value, result: &str) {
    let response = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, asked["id"]);
    assert_eq!(client.post(response).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_backend_asks_the_client_on_the_stream_of_its_call() {
    let backend = Backend::start(&["ask"]).await;
    let sampling = r#"{"messages":[{"x": 1.0}],"maxTokens":1e2}"#;
    let form = r#"{"message":"?","requestedSchema":{"z":1,"a":2}}"#;
    let questions = [
        ask(r#""s""#, "sampling/createMessage", sampling),
        ask("0", "elicitation/create", form),
        ask("1", "roots/list", "{}"),
    ];
    backend.speak("ask", &questions.each_ref().map(String::as_str));
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = everything(&gateway).await;
    let mut events = client.call_streamed(7, "b_ask", json!({})).await;
    let result = r#"{"content":{"type":"text","text":"\u00fc","n":1.50}}"#;
    for method in ["sampling/createMessage", "elicitation/create", "roots/list"] {
        let text = events.next_data().await.unwrap();
        let asked: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(asked["method"], method);
        if method == "sampling/createMessage" {
            assert!(text.ends_with(&format!(r#""params":{sampling}}}"#)), "{text}");
        }
        answer(&client, &asked, result).await;
    }
    let answered = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    let heard = [answered(r#""s""#), answered("0"), answered("1")].join(",");
    let last = events.next_data().await.unwrap();
    assert_eq!(last, format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"heard":[{heard}]}}}}"#));
    assert!(events.next_data().await.is_none(), "the stream ends with the answer");
    // Probes open sessions too, in which a client can do nothing.
    let sessions = backend.journal().into_iter().filter(|entry| entry.method == "initialize");
    let declared = |entry: Entry| serde_json::from_str::<Value>(&entry.body).unwrap()["params"]["capabilities"].clone();
    let everything = json!({"roots": {"listChanged": true}, "sampling": {}, "elicitation": {"form": {}, "url": {}}});
    assert!(sessions.map(declared).any(|declared| declared == everything));
}

#[tokio::test]
async fn what_a_client_does_not_offer_it_is_not_asked() {
    let backend = Backend::start(&["ask"]).await;
    let questions = [
        ask("0", "sampling/createMessage", "{}"),
        ask("1", "elicitation/create", r#"{"mode":"url"}"#),
        ask("2", "tasks/list", "{}"),
        ask("3", "ping", "{}"),
    ];
    backend.speak("ask", &questions.each_ref().map(String::as_str));
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = capable(&gateway, json!({"elicitation": {}})).await;
    let answer = client.call("b_ask", json!({})).await.json();
    let heard = answer["result"]["heard"].as_array().unwrap();
    let codes: Vec<_> = heard.iter().map(|heard| heard["error"]["code"].clone()).collect();
    assert_eq!(codes, [json!(-32601), json!(-32602), json!(-32601), Value::Null]);
    assert_eq!(heard[0]["error"]["message"], "the client does not offer sampling");
}

#[tokio::test]
async fn an_answer_goes_back_to_the_backend_that_asked() {
    let (one, two) = (Backend::start(&["ask"]).await, Backend::start(&["ask"]).await);
    let question = ask("1", "roots/list", "{}");
    one.speak("ask", &[&question]);
    two.speak("ask", &[&question]);
    let gateway = gateway(&[("one", &one), ("two", &two)], "").await;
    let (client, other) = (everything(&gateway).await, everything(&gateway).await);
    let mut of_one = client.call_streamed(1, "one_ask", json!({})).await;
    let mut of_two = client.call_streamed(2, "two_ask", json!({})).await;
    let mut of_other = other.call_streamed(1, "one_ask", json!({})).await;
    let asked = [of_one.next().await.unwrap(), of_two.next().await.unwrap(), of_other.next().await.unwrap()];
    assert_ne!(asked[0]["id"], asked[1]["id"], "one client is not asked twice under one id");
    answer(&client, &asked[1], r#"{"roots":["two"]}"#).await;
    answer(&other, &asked[2], r#"{"roots":["other"]}"#).await;
    answer(&client, &asked[0], r#"{"roots":["one"]}"#).await;
    for (events, expected) in [(&mut of_one, "one"), (&mut of_two, "two"), (&mut of_other, "other")] {
        assert_eq!(events.next().await.unwrap()["result"]["heard"][0]["result"]["roots"], json!([expected]));
    }
}

#[tokio::test]
async fn a_backend_asks_on_the_stream_of_the_session_in_the_midst_of_a_call() {
    let backend = Backend::start(&["hang"]).await;
    let gateway = gateway(&[("b", &backend)], "operational: {timeouts: {default: 300ms}}").await;
    let client = everything(&gateway).await;
    let asking = async {
        let call = backend.saw("tools/call").await;
        backend.say(&serde_json::from_str(&ask("1", "roots/list", "{}")).unwrap());
        call.session.unwrap()
    };
    let (mut events, session) = tokio::join!(client.call_streamed(1, "b_hang", json!({})), asking);
    let asked = events.next().await.unwrap();
    assert_eq!(asked["method"], "roots/list");
    // The clock of the call stands still meanwhile.
    tokio::time::sleep(Duration::from_millis(700)).await;
    answer(&client, &asked, r#"{"roots":[{"uri":"file:///x"}]}"#).await;
    let told: Value = serde_json::from_str(&backend.answered(&session, &json!(1)).await).unwrap();
    assert_eq!(told["result"]["roots"][0]["uri"], "file:///x");
    backend.release();
    assert!(events.next().await.unwrap()["result"].is_object());
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_costs_the_backend_no_stream() {
    let backend = Backend::start(&["greet"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = capable(&gateway, json!({"experimental": {}})).await;
    assert!(client.call("b_greet", json!({})).await.json()["result"].is_object());
    assert_eq!(backend.count("GET"), 0);
    // One stream, whatever number of calls.
    let client = everything(&gateway).await;
    for _ in 0..3 {
        assert!(client.call("b_greet", json!({})).await.json()["result"].is_object());
    }
    assert_eq!(backend.count("GET"), 1);
}

#[tokio::test]
async fn the_clock_of_a_call_stops_while_its_client_is_asked() {
    let backend = Backend::start(&["ask", "hang"]).await;
    backend.speak("ask", &[&ask("1", "elicitation/create", "{}")]);
    let gateway = gateway(&[("b", &backend)], "operational: {timeouts: {default: 300ms}}").await;
    let client = everything(&gateway).await;
    let mut events = client.call_streamed(1, "b_ask", json!({})).await;
    let asked = events.next().await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    answer(&client, &asked, r#"{"action":"accept"}"#).await;
    assert_eq!(events.next().await.unwrap()["result"]["heard"][0]["result"]["action"], "accept");
    let late = client.call("b_hang", json!({})).await.json();
    assert_eq!(late["error"]["data"]["cause"], "timeout");
}

#[tokio::test]
async fn a_question_that_is_taken_back_is_taken_back_from_the_client() {
    let backend = Backend::start(&["ask"]).await;
    let (first, second) = (ask(r#""taken back""#, "sampling/createMessage", "{}"), ask("1", "roots/list", "{}"));
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"taken back"}}"#;
    backend.speak("ask", &[&first, &second, cancelled]);
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = everything(&gateway).await;
    let mut events = client.call_streamed(1, "b_ask", json!({})).await;
    let (sampling, roots) = (events.next().await.unwrap(), events.next().await.unwrap());
    assert_eq!((&sampling["method"], &roots["method"]), (&json!("sampling/createMessage"), &json!("roots/list")));
    answer(&client, &roots, r#"{"roots":[]}"#).await;
    let told = events.next().await.unwrap();
    assert_eq!((&told["method"], &told["params"]["requestId"]), (&json!("notifications/cancelled"), &sampling["id"]));
    answer(&client, &sampling, "{}").await;
    assert_eq!(events.next().await.unwrap()["result"]["heard"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cancels_its_call_is_asked_nothing_more() {
    let backend = Backend::start(&["ask"]).await;
    backend.speak("ask", &[&ask("1", "roots/list", "{}")]);
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = everything(&gateway).await;
    let mut events = client.call_streamed(1, "b_ask", json!({})).await;
    let asked = events.next().await.unwrap();
    client.notify("notifications/cancelled", json!({"requestId": 1})).await;
    backend.saw("notifications/cancelled").await;
    answer(&client, &asked, r#"{"roots":[]}"#).await;
    // On the stream of the call, or on its own where that had ended.
    let told = match events.next().await {
        Some(told) => told,
        None => client.listen().await.next().await.unwrap(),
    };
    assert_eq!((&told["method"], &told["params"]["requestId"]), (&json!("notifications/cancelled"), &asked["id"]));
    assert_eq!(events.next().await, None, "there is no answer any more");
}

#[tokio::test]
async fn progress_and_log_messages_come_before_the_answer() {
    let backend = Backend::start(&["work"]).await;
    backend.offer(json!({"logging": {}}));
    backend.reply("logging/setLevel", r#""result":{}"#);
    let log = |level: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":{{"b":1.0}}}}}}"#
        )
    };
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"täg","progress":1e0,"x":null}}"#;
    let (info, error) = (log("info"), log("error"));
    let other = r#"{"jsonrpc":"2.0","method":"notifications/new","params":{"k": 1}}"#;
    backend.speak("work", &[&info, progress, &error, other]);
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    let mut events = client.call_streamed(1, "b_work", json!({"progressToken": "täg"})).await;
    for expected in [&info, progress, &error, other] {
        assert_eq!(events.next_data().await.unwrap(), expected, "byte for byte");
    }
    assert_eq!(events.next().await.unwrap()["result"]["heard"], json!([]));
    assert_eq!(backend.count("logging/setLevel"), 0);
    // A level holds for all backends, and whatever a backend makes of it.
    assert_eq!(client.request("logging/setLevel", json!({"level": "warning"})).await.json()["result"], json!({}));
    let mut events = client.call_streamed(2, "b_work", json!({"progressToken": "täg"})).await;
    for expected in [progress, &error, other] {
        assert_eq!(events.next_data().await.unwrap(), expected);
    }
    let told: Value = serde_json::from_str(&backend.saw("logging/setLevel").await.body).unwrap();
    assert_eq!(told["params"], json!({"level": "warning"}));
    client.call("b_work", json!({})).await;
    assert_eq!(backend.count("logging/setLevel"), 1, "once per session");
    let wrong = client.request("logging/setLevel", json!({"level": "loud"})).await;
    assert_eq!(wrong.error_code(), -32602);
}

#[tokio::test]
async fn news_of_a_resource_reach_its_subscribers_only() {
    let backend = Backend::start(&[]).await;
    backend.offer(json!({"resources": {"subscribe": true}}));
    backend.set_items("resources/list", vec![json!({"uri": "x:a"}).to_string(), json!({"uri": "x:b"}).to_string()]);
    backend.reply("resources/subscribe", r#""result":{}"#);
    backend.reply("resources/unsubscribe", r#""result":{}"#);
    let gateway = gateway(&[("b", &backend)], "").await;
    let (subscriber, other) = (gateway.connected().await, gateway.connected().await);
    let (mut news, mut others) = (subscriber.listen().await, other.listen().await);
    subscriber.request("resources/subscribe", json!({"uri": "x:a"})).await;
    other.request("resources/subscribe", json!({"uri": "x:b"})).await;
    backend.tell("notifications/resources/updated", &json!({"uri": "x:a", "title": "A"})).await;
    backend.tell("notifications/resources/updated", &json!({"uri": "x:b"})).await;
    let told = news.next().await.unwrap();
    assert_eq!(told["params"], json!({"uri": "x:a", "title": "A"}));
    assert_eq!(others.next().await.unwrap()["params"], json!({"uri": "x:b"}));
    assert_eq!(subscriber.request("resources/unsubscribe", json!({"uri": "x:a"})).await.json()["result"], json!({}));
    subscriber.request("resources/subscribe", json!({"uri": "x:b"})).await;
    backend.tell("notifications/resources/updated", &json!({"uri": "x:a"})).await;
    backend.tell("notifications/resources/updated", &json!({"uri": "x:b"})).await;
    assert_eq!(news.next().await.unwrap()["params"], json!({"uri": "x:b"}), "nothing more of x:a");
}

#[tokio::test]
async fn a_session_that_is_opened_again_is_subscribed_again() {
    let backend = Backend::start(&[]).await;
    backend.offer(json!({"resources": {"subscribe": true}}));
    backend.set_items("resources/list", vec![json!({"uri": "x:a"}).to_string()]);
    for method in ["resources/subscribe", "resources/read"] {
        backend.reply(method, r#""result":{}"#);
    }
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    client.request("resources/subscribe", json!({"uri": "x:a"})).await;
    client.request("resources/read", json!({"uri": "x:a"})).await;
    assert_eq!(backend.count("resources/subscribe"), 1);
    backend.forget_sessions();
    client.request("resources/read", json!({"uri": "x:a"})).await;
    backend.until(|backend| backend.count("resources/subscribe") == 2).await;
}

#[tokio::test]
async fn who_waits_for_news_hears_them_also_of_a_backend_that_was_started_anew() {
    let backend = Backend::start(&[]).await;
    backend.offer(json!({"resources": {"subscribe": true}}));
    backend.set_items("resources/list", vec![json!({"uri": "x:a"}).to_string()]);
    backend.reply("resources/subscribe", r#""result":{}"#);
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    let mut news = client.listen().await;
    client.request("resources/subscribe", json!({"uri": "x:a"})).await;
    let filter = json!({"notifications": {"resourceSubscriptions": ["x:a"]}});
    let mut events = gateway.client().ask_streamed(json!("l"), "subscriptions/listen", filter).await;
    assert_eq!(events.next().await.unwrap()["method"], "notifications/subscriptions/acknowledged");
    backend.listened_to(2).await;
    backend.start_anew();
    backend.until(|backend| backend.count("resources/subscribe") == 4).await;
    backend.listened_to(2).await;
    backend.tell("notifications/resources/updated", &json!({"uri": "x:a"})).await;
    assert_eq!(news.next().await.unwrap()["params"], json!({"uri": "x:a"}));
    assert_eq!(events.next().await.unwrap()["params"]["uri"], "x:a");
}

#[tokio::test]
async fn what_a_call_that_is_cancelled_has_not_told_its_backend_the_next_one_tells() {
    let backend = Backend::start(&["echo"]).await;
    backend.offer(json!({"logging": {}}));
    backend.reply("logging/setLevel", r#""result":{}"#);
    backend.hang_on("logging/setLevel");
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = gateway.connected().await;
    client.request("logging/setLevel", json!({"level": "warning"})).await;
    let cancelled = client.calling("b_echo");
    backend.saw("logging/setLevel").await;
    client.notify("notifications/cancelled", json!({"requestId": 1})).await;
    cancelled.await.unwrap();
    backend.release();
    client.call("b_echo", json!({})).await;
    client.call("b_echo", json!({})).await;
    let methods: Vec<_> = backend.journal().into_iter().map(|entry| entry.method).collect();
    let told = methods.iter().filter(|method| ["logging/setLevel", "tools/call"].contains(&method.as_str()));
    assert_eq!(told.collect::<Vec<_>>(), ["logging/setLevel", "logging/setLevel", "tools/call", "tools/call"]);
}

#[tokio::test]
async fn a_backend_that_does_not_take_subscriptions_again_keeps_no_call_longer_than_its_time() {
    let backend = Backend::start(&["echo"]).await;
    backend.offer(json!({"resources": {"subscribe": true}}));
    backend.reply("resources/subscribe", r#""result":{}"#);
    let gateway = gateway(&[("b", &backend)], "operational: {timeouts: {default: 3s}}").await;
    let client = gateway.connected().await;
    for uri in ["x:a", "x:b", "x:c"] {
        client.request("resources/subscribe", json!({"uri": uri})).await;
    }
    backend.hang_on("resources/subscribe");
    backend.forget_sessions();
    let asked = Instant::now();
    // One of them finds out, and opens another session. What it cannot tell there is not tried with each call.
    for _ in 0..3 {
        let answer = client.call("b_echo", json!({})).await.json();
        assert!(answer["result"].is_object(), "{answer}");
    }
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert!(backend.count("resources/subscribe") > 3, "it was told");
}

#[tokio::test]
async fn backends_hear_that_the_roots_of_the_client_changed() {
    let backend = Backend::start(&["echo"]).await;
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = everything(&gateway).await;
    client.call("b_echo", json!({})).await;
    client.notify("notifications/roots/list_changed", json!({})).await;
    backend.saw("notifications/roots/list_changed").await;
}

#[tokio::test]
async fn a_client_of_the_old_transport_is_served_too() {
    let backend = Backend::start(&["ask"]).await;
    backend.speak("ask", &[&ask("1", "roots/list", "{}")]);
    let gateway = gateway(&[("b", &backend)], "").await;
    let mut client = SseClient::connect(gateway.client()).await;
    let mut params = initialize_params("2024-11-05");
    params["capabilities"] = json!({"roots": {}});
    assert_eq!(client.request("initialize", params).await["result"]["protocolVersion"], "2024-11-05");
    let listed = client.request("tools/list", json!({})).await;
    assert_eq!(listed["result"]["tools"][0]["name"], "b_ask");
    let asked = client.request("tools/call", json!({"name": "b_ask"})).await;
    assert_eq!(asked["method"], "roots/list");
    client.post(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": []}})).await;
    let called = tokio::time::timeout(PATIENCE, client.events.next()).await.unwrap().unwrap();
    assert_eq!(called["result"]["heard"][0]["result"], json!({"roots": []}));
}

#[tokio::test]
async fn what_a_backend_asks_outside_of_requests_comes_on_the_clients_own_stream() {
    let backend = Backend::start(&[]).await;
    backend.offer(json!({"resources": {"subscribe": true}}));
    backend.set_items("resources/list", vec![json!({"uri": "x:a"}).to_string()]);
    backend.reply("resources/subscribe", r#""result":{}"#);
    let gateway = gateway(&[("b", &backend)], "").await;
    let client = everything(&gateway).await;
    // A client with a subscription has its backend's stream open, and so far none of its own.
    client.request("resources/subscribe", json!({"uri": "x:a"})).await;
    let session = backend.saw("resources/subscribe").await.session.unwrap();
    let question = |id: u64| json!({"jsonrpc": "2.0", "id": id, "method": "roots/list"});
    backend.say(&question(1));
    let refused: Value = serde_json::from_str(&backend.answered(&session, &json!(1)).await).unwrap();
    assert_eq!(refused["error"]["message"], "the client has no stream on which it could be asked");
    let mut events = client.listen().await;
    backend.say(&question(2));
    let asked = events.next().await.unwrap();
    assert_eq!(asked["method"], "roots/list");
    answer(&client, &asked, r#"{"roots":[]}"#).await;
    let answered: Value = serde_json::from_str(&backend.answered(&session, &json!(2)).await).unwrap();
    assert_eq!(answered["result"], json!({"roots": []}));
}

#[tokio::test]
async fn the_progress_of_a_client_reaches_the_backend_that_asked() {
    let (one, two) = (Backend::start(&["ask"]).await, Backend::start(&["ask"]).await);
    let gateway = gateway(&[("one", &one), ("two", &two)], "").await;
    let client = everything(&gateway).await;
    let params = r#"{"_meta":{"progressToken":"deep"}}"#;
    one.speak("ask", &[&ask("1", "sampling/createMessage", params)]);
    two.speak("ask", &[&ask("1", "sampling/createMessage", "{}")]);
    let mut of_two = client.call_streamed(2, "two_ask", json!({})).await;
    let mut of_one = client.call_streamed(1, "one_ask", json!({})).await;
    of_two.next().await.unwrap();
    let asked = of_one.next().await.unwrap();
    client.notify("notifications/progress", json!({"progressToken": "deep", "progress": 1})).await;
    let told: Value = serde_json::from_str(&one.saw("notifications/progress").await.body).unwrap();
    assert_eq!(told["params"], json!({"progressToken": "deep", "progress": 1}));
    answer(&client, &asked, "{}").await;
    of_one.next().await.unwrap();
    client.notify("notifications/progress", json!({"progressToken": "deep", "progress": 2})).await;
    assert_eq!((one.count("notifications/progress"), two.count("notifications/progress")), (1, 0));
}

/// A server of the old transport with a tool whose answer a test writes.
async fn old_server(streams: &Streams) -> Server {
    let streams = streams.clone();
    Server::plain(move |recorded: Recorded| {
        let said = match recorded.what().as_str() {
            "initialize" => Some(r#"{"protocolVersion":"2024-11-05","capabilities":{"tools":{}}}"#),
            "tools/list" => Some(r#"{"tools":[{"name":"wait"}]}"#),
            "ping" => Some("{}"),
            _ => None,
        };
        let response = if recorded.method == "GET" {
            streams.open()
        } else {
            if let Some(said) = said {
                streams.say(&recorded.path, &result(&recorded, said));
            }
            text(StatusCode::ACCEPTED, "")
        };
        async move { response }
    })
    .await
}

#[tokio::test]
async fn a_backend_of_the_old_transport_speaks_to_the_client_of_its_call() {
    let streams = Streams::default();
    let server = old_server(&streams).await;
    let backends = json!([{"name": "b", "url": server.url("/sse"), "transport": "sse"}]);
    let gateway = start(&format!("{ANONYMOUS}\nbackends: {backends}"), &[]).await;
    let client = everything(&gateway).await;
    let calling = tokio::spawn({
        let client = client.clone();
        async move { client.call_streamed(1, "b_wait", json!({"progressToken": "p"})).await }
    });
    let call = server.wait_for(|recorded| recorded.what() == "tools/call").await;
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": "p"}});
    let stray = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": "q"}});
    let question = json!({"jsonrpc": "2.0", "id": 9, "method": "roots/list"});
    for message in [&stray, &progress, &question] {
        assert!(streams.say(&call.path, &message.to_string()));
    }
    let mut events = calling.await.unwrap();
    assert_eq!(events.next().await.unwrap(), progress);
    let asked = events.next().await.unwrap();
    answer(&client, &asked, r#"{"roots":[]}"#).await;
    let answered = json!({"jsonrpc": "2.0", "id": 9, "result": {"roots": []}});
    server.wait_for(|recorded| recorded.method == "POST" && recorded.json() == answered).await;
    streams.say(&call.path, &result(&call, r#"{"content":[]}"#));
    assert_eq!(events.next().await.unwrap(), json!({"jsonrpc": "2.0", "id": 1, "result": {"content": []}}));
}
