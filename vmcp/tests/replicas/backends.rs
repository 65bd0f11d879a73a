//! A client's session with a backend is one for all replicas.

use crate::gateways::{Gateway, at, connected, text};
use crate::in_backend::{Backend, Entry};
use crate::in_support::eventually;
use crate::redis_server::RedisServer;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The calls of tools that have arrived.
fn calls(backend: &Backend) -> Vec<Entry> {
    backend.journal().into_iter().filter(|entry| entry.method == "tools/call").collect()
}

/// Waits until clients have had so many sessions in all. Those of probes do not count, once they are known as such.
async fn had_sessions(backend: &Backend, count: usize) {
    let had =
        |backend: &Backend| backend.journal().into_iter().filter_map(|entry| entry.session).collect::<BTreeSet<_>>();
    backend.until(|backend| had(backend).len() == count).await;
}

fn id(entry: &Entry) -> u64 {
    serde_json::from_str::<Value>(&entry.body).unwrap()["id"].as_u64().unwrap()
}

pub(crate) async fn replicas_go_on_with_each_others_sessions(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo"]).await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let here = connected(&one).await;
    let there = at(&here, &two);
    for client in [&here, &there, &here, &there] {
        assert!(text(&client.call("b_echo", json!({})).await.json()).starts_with("echo of"));
    }
    had_sessions(&backend, 1).await;
    let calls = calls(&backend);
    assert_eq!(calls.iter().map(id).collect::<BTreeSet<_>>().len(), 4, "no two requests of a session have the same id");
    let other = connected(&two).await;
    other.call("b_echo", json!({})).await;
    // Another client has another session.
    had_sessions(&backend, 2).await;
}

pub(crate) async fn of_replicas_that_need_a_session_at_once_one_opens_it(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo"]).await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    for round in 1..=5 {
        let here = connected(&one).await;
        let there = at(&here, &two);
        let answers = futures::future::join_all((0..8).map(async |number| {
            let client = if number % 2 == 0 { &here } else { &there };
            let params = json!({"name": "b_echo", "arguments": {}});
            let call = json!({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params});
            client.post(call.to_string()).await
        }));
        for answer in answers.await {
            assert!(text(&answer.json()).starts_with("echo of"));
        }
        had_sessions(&backend, round).await;
    }
}

pub(crate) async fn a_session_that_cannot_be_opened_here_is_opened_elsewhere(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo"]).await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    for replica in [&one, &two] {
        connected(replica).await.tool_names().await;
    }
    let here = connected(&one).await;
    backend.break_with(Some(StatusCode::INTERNAL_SERVER_ERROR));
    assert!(here.call("b_echo", json!({})).await.json()["error"].is_object());
    backend.break_with(None);
    let there = at(&here, &two);
    let called = tokio::time::timeout(std::time::Duration::from_secs(5), there.call("b_echo", json!({}))).await;
    assert!(text(&called.unwrap().json()).starts_with("echo of"), "nobody waits for an opening that has failed");
}

pub(crate) async fn a_session_that_the_backend_has_lost_is_opened_again_once(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo"]).await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let here = connected(&one).await;
    let there = at(&here, &two);
    for round in 1..=5 {
        let (answer, other) = tokio::join!(here.call("b_echo", json!({})), there.call("b_echo", json!({})));
        for answer in [answer, other] {
            assert!(text(&answer.json()).starts_with("echo of"));
        }
        had_sessions(&backend, round).await;
        backend.forget_sessions();
    }
}

pub(crate) async fn the_end_of_a_clients_session_is_told_once(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo"]).await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let here = connected(&one).await;
    let there = at(&here, &two);
    for client in [&here, &there] {
        client.call("b_echo", json!({})).await;
    }
    assert_eq!(there.send(Method::DELETE, "/mcp", "").await.status, StatusCode::OK);
    for replica in [one, two] {
        replica.stop.cancel();
        eventually("the end of the replica", async || replica.task.is_finished()).await;
    }
    assert_eq!(backend.count("DELETE"), 1);
}

pub(crate) async fn one_replica_listens_and_when_it_ends_another_one_does(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo"]).await;
    backend.offer(json!({"resources": {"subscribe": true}}));
    backend.set_items("resources/list", vec![json!({"uri": "x:a", "name": "a"}).to_string()]);
    backend.reply("resources/subscribe", r#""result":{}"#);
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let here = connected(&one).await;
    let there = at(&here, &two);
    here.request("resources/subscribe", json!({"uri": "x:a"})).await;
    there.call("b_echo", json!({})).await;
    assert_eq!(backend.count("GET"), 1);
    let mut events = there.listen().await;
    for uri in ["x:a/1", "x:a/2"] {
        backend.tell("notifications/resources/updated", &json!({ "uri": uri })).await;
        assert_eq!(events.next().await.unwrap()["params"]["uri"], uri);
        if !one.stop.is_cancelled() {
            one.stop.cancel();
            eventually("the end of the replica", async || one.task.is_finished()).await;
            backend.until(|backend| backend.count("GET") == 2).await;
        }
    }
    assert_eq!(backend.count("DELETE"), 0, "the session goes on");
    had_sessions(&backend, 1).await;
}

pub(crate) async fn a_backend_asks_at_one_replica_and_its_client_is_asked_at_another(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo", "hang"]).await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let here = connected(&one).await;
    here.call("b_echo", json!({})).await;
    let there = at(&here, &two);
    let calling = there.clone();
    let call = tokio::spawn(async move { calling.call_streamed(1, "b_hang", json!({})).await });
    backend.until(|backend| calls(backend).len() == 2).await;
    assert_eq!(backend.count("GET"), 1);
    backend.say(&json!({"jsonrpc": "2.0", "id": 7, "method": "roots/list"}));
    let mut events = call.await.unwrap();
    let asked = events.next().await.unwrap();
    assert_eq!(asked["method"], "roots/list");
    let roots = json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": []}});
    assert_eq!(there.post(roots.to_string()).await.status, StatusCode::ACCEPTED);
    let session = calls(&backend)[0].session.clone().unwrap();
    let answer: Value = serde_json::from_str(&backend.answered(&session, &7.into()).await).unwrap();
    assert_eq!(answer["result"], json!({"roots": []}));
    backend.release();
    assert!(text(&events.next().await.unwrap()).starts_with("hang of"));
}

pub(crate) async fn lists_that_one_replica_has_served_change_by_what_another_hears(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo"]).await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let here = connected(&one).await;
    here.call("b_echo", json!({})).await;
    let there = at(&here, &two);
    assert_eq!(there.tool_names().await, ["b_echo"]);
    let mut events = here.listen().await;
    backend.change_tools(&["echo", "new"]).await;
    assert_eq!(events.next().await.unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(there.tool_names().await, ["b_echo", "b_new"]);
}
