//! Clients of HTTP+SSE, whose answers come on their own stream.

use crate::gateways::Gateway;
use crate::in_backend::Backend;
use crate::in_support::{Events, PATIENCE, Running, config, eventually, initialize_params};
use crate::path::Path;
use crate::redis_server::RedisServer;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A client of HTTP+SSE: its stream, and where it posts to.
async fn http_and_sse(replica: &Running) -> (Events, String) {
    let mut events = Events::of(replica.client().open(Method::GET, "/sse", "").await);
    let endpoint = events.next_data().await.unwrap();
    post(replica, &endpoint, &initialize()).await;
    assert_eq!(events.next().await.unwrap()["result"]["protocolVersion"], "2024-11-05");
    (events, endpoint)
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize_params("2024-11-05")})
}

async fn post(replica: &Running, endpoint: &str, message: &Value) {
    let answer = replica.client().send(Method::POST, endpoint, message.to_string()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
}

fn call(id: u64, tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}})
}

pub(crate) async fn clients_post_to_any_replica(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo"]).await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let (mut events, endpoint) = http_and_sse(&one).await;
    for (id, replica) in [(1, &one), (2, &two)] {
        post(replica, &endpoint, &call(id, "b_echo")).await;
        assert_eq!(events.next().await.unwrap()["id"], id);
    }
    drop(events);
    let ping = json!({"jsonrpc": "2.0", "id": 9, "method": "ping"}).to_string();
    let there = two.client();
    let is_lost = async || there.send(Method::POST, &endpoint, ping.clone()).await.status == StatusCode::NOT_FOUND;
    eventually("the end of the session", is_lost).await;
}

pub(crate) async fn an_answer_outlives_the_connection_with_redis(_: Arc<RedisServer>) {
    let redis = RedisServer::own(&[]);
    let backend = Backend::start(&["hang"]).await;
    let one = Gateway::of(&redis, &[("b", &backend)]).replica().await;
    let (mut events, endpoint) = http_and_sse(&one).await;
    post(&one, &endpoint, &call(1, "b_hang")).await;
    backend.saw("tools/call").await;
    redis::cmd("CLIENT").arg(&["KILL", "TYPE", "normal"]).exec(&mut redis.connection()).unwrap();
    backend.release();
    assert_eq!(events.next().await.unwrap()["id"], 1);
    post(&one, &endpoint, &json!({"jsonrpc": "2.0", "id": 2, "method": "ping"})).await;
    assert_eq!(events.next().await.unwrap()["id"], 2);
}

pub(crate) async fn an_answer_that_redis_may_have_got_is_told_once(redis: Arc<RedisServer>) {
    let path = Path::to(&redis, Duration::ZERO).await;
    let backend = Backend::start(&["hang"]).await;
    let one = Gateway::storing_at(path.address(), &config(&[("b", &backend)], "")).replica().await;
    let (mut events, endpoint) = http_and_sse(&one).await;
    post(&one, &endpoint, &call(1, "b_hang")).await;
    backend.saw("tools/call").await;
    path.silence();
    backend.release();
    assert_eq!(events.next().await.unwrap()["id"], 1);
    post(&one, &endpoint, &json!({"jsonrpc": "2.0", "id": 2, "method": "ping"})).await;
    assert_eq!(events.next().await.unwrap()["id"], 2);
}

pub(crate) async fn a_session_that_has_ended_is_not_initialized(_: Arc<RedisServer>) {
    let redis = RedisServer::own(&[]);
    let path = Path::to(&redis, Duration::from_millis(100)).await;
    let gateway = Gateway::of(&redis, &[]).with("--session-cap=2");
    let (near, far) = (gateway.replica().await, gateway.replica_by(&path).await);
    let client = near.client();
    let mut events = Events::of(client.open(Method::GET, "/sse", "").await);
    let endpoint = events.next_data().await.unwrap();
    let used = || {
        let mut redis = redis.connection();
        let [session]: [String; 1] = redis::cmd("KEYS").arg("*:session:*").query(&mut redis).unwrap();
        redis::cmd("HGET").arg(session).arg("used").query::<u64>(&mut redis).unwrap()
    };
    let began = used();
    let ended = async {
        eventually("a use of the session", async || used() > began).await;
        // The other replica does not know yet that it may use the session.
        drop(events);
        let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}).to_string();
        let is_lost = async || client.send(Method::POST, &endpoint, ping.clone()).await.status == StatusCode::NOT_FOUND;
        eventually("the end of the session", is_lost).await;
    };
    let initialize = initialize();
    tokio::join!(ended, post(&far, &endpoint, &initialize));
    // What the replica notes reaches Redis in order, and there is room for two.
    let _first = http_and_sse(&far).await;
    http_and_sse(&near).await;
}

pub(crate) async fn messages_do_not_wait_for_each_other_on_a_slow_way_to_redis(redis: Arc<RedisServer>) {
    // Nearly as much as may wait: one after the other it would take 36 seconds.
    const CLIENTS: usize = 40;
    const MESSAGES: usize = 90;
    let path = Path::to(&redis, Duration::from_millis(5)).await;
    let backend = Backend::start(&["echo"]).await;
    let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}"#;
    backend.speak("echo", &[log; MESSAGES]);
    let one = Gateway::storing_at(path.address(), &config(&[("b", &backend)], "")).replica().await;
    let clients = futures::future::join_all((0..CLIENTS).map(|_| http_and_sse(&one))).await;
    let calls = clients.into_iter().map(async |(mut events, endpoint)| {
        post(&one, &endpoint, &call(1, "b_echo")).await;
        for number in 0..MESSAGES {
            assert_eq!(events.next().await.unwrap()["method"], "notifications/message", "{number}");
        }
        assert_eq!(events.next().await.unwrap()["id"], 1);
    });
    tokio::time::timeout(PATIENCE, futures::future::join_all(calls)).await.unwrap();
}

pub(crate) async fn a_client_that_redis_is_away_from_loses_its_session_and_no_answer(_: Arc<RedisServer>) {
    let redis = RedisServer::own(&[]);
    let backend = Backend::start(&["hang"]).await;
    let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}"#;
    backend.speak("hang", &vec![log; 5000]);
    let one = Gateway::of(&redis, &[("b", &backend)]).replica().await;
    let (mut events, endpoint) = http_and_sse(&one).await;
    post(&one, &endpoint, &call(1, "b_hang")).await;
    backend.saw("tools/call").await;
    redis.stop();
    backend.release();
    assert!(events.next().await.is_none());
}
