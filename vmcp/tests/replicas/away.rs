//! Redis goes away and comes back.

use crate::gateways::{Gateway, at, connected, ready};
use crate::in_backend::Backend;
use crate::in_support::{ANONYMOUS, eventually, initialize_params, try_start};
use crate::path::Path;
use crate::redis_server::{self, RedisServer};
use http::StatusCode;
use serde_json::json;
use simulator::{Simulator, SimulatorOptions};
use std::sync::Arc;
use std::time::Duration;

pub(crate) async fn without_redis_requests_are_refused_for_now_and_calls_go_on(_: Arc<RedisServer>) {
    let redis = RedisServer::own(&["--appendonly", "yes", "--appendfsync", "always"]);
    let backend = Backend::start(&["echo", "hang"]).await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let client = connected(&one).await;
    let call = client.calling("b_hang");
    backend.saw("tools/call").await;
    redis.stop();
    for replica in [&one, &two] {
        let answer = at(&client, replica).call("b_echo", json!({})).await;
        assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"), "{answer:?}");
        assert!(answer.text.contains("session storage"), "{answer:?}");
        let answer = replica.client().request("initialize", initialize_params("2025-11-25")).await;
        assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"), "{answer:?}");
        ready(replica, StatusCode::OK).await;
    }
    backend.release();
    assert!(call.await.unwrap().text.contains("hang of"), "what was under way goes on");
    redis.resume();
    for replica in [&one, &two] {
        let client = at(&client, replica);
        eventually("there again", async || client.request("ping", json!({})).await.status == StatusCode::OK).await;
        assert_eq!(client.call("b_echo", json!({})).await.status, StatusCode::OK);
    }
}

pub(crate) async fn sessions_that_redis_has_lost_are_lost(_: Arc<RedisServer>) {
    let redis = RedisServer::own(&[]);
    let backend = Backend::start(&["echo"]).await;
    let one = Gateway::of(&redis, &[("b", &backend)]).replica().await;
    let client = connected(&one).await;
    client.call("b_echo", json!({})).await;
    redis.stop();
    redis.resume();
    let is_lost = async || client.request("ping", json!({})).await.status == StatusCode::NOT_FOUND;
    eventually("lost", is_lost).await;
    backend.saw("DELETE").await;
    let again = connected(&one).await;
    assert_eq!(again.call("b_echo", json!({})).await.status, StatusCode::OK);
}

pub(crate) async fn a_stream_ends_with_a_session_that_redis_has_lost(_: Arc<RedisServer>) {
    let redis = RedisServer::own(&[]);
    // Sessions are looked at every three seconds, and would live ten times as long.
    let one = Gateway::of(&redis, &[]).with("--session-ttl=30s").replica().await;
    let mut events = connected(&one).await.listen().await;
    redis::cmd("FLUSHALL").exec(&mut redis.connection()).unwrap();
    assert!(events.next().await.is_none());
}

pub(crate) async fn a_connection_that_goes_silent_is_replaced_once(redis: Arc<RedisServer>) {
    let path = Path::to(&redis, Duration::ZERO).await;
    let one = Gateway::storing_at(path.address(), ANONYMOUS).replica().await;
    let client = connected(&one).await;
    // One for commands, one for signals.
    assert_eq!(path.connections(), 2);
    path.silence();
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let mut asked = Vec::new();
    for _ in 0..30 {
        ticks.tick().await;
        let client = client.clone();
        asked.push(tokio::spawn(async move { client.request("ping", json!({})).await.status }));
    }
    for status in asked {
        // Each waits for as long as Redis may take: the last ones until long after there is another connection.
        assert_eq!(status.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(client.request("ping", json!({})).await.status, StatusCode::OK);
    assert_eq!(path.connections(), 4);
}

pub(crate) async fn a_gateway_is_not_ready_before_it_has_reached_redis(_: Arc<RedisServer>) {
    let redis = RedisServer::stopped(&redis_server::find().unwrap(), &[]);
    let gateway = Gateway::of(&redis, &[]).start().await;
    let answer = gateway.client().get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["reason"], "session_storage_pending");
    redis.resume();
    ready(&gateway, StatusCode::OK).await;
    connected(&gateway).await;
}

pub(crate) async fn a_password_comes_from_a_file(_: Arc<RedisServer>) {
    let redis = RedisServer::own(&["--requirepass", "open sesame"]);
    let mut gateway = Gateway::of(&redis, &[]);
    let password = gateway.file("password");
    gateway = gateway.with(&format!("--redis-password-file={}", password.display()));
    std::fs::write(&password, "wrong\n").unwrap();
    let replica = gateway.start().await;
    ready(&replica, StatusCode::SERVICE_UNAVAILABLE).await;
    // It is read again for each connection.
    std::fs::write(&password, "open sesame\n").unwrap();
    ready(&replica, StatusCode::OK).await;
    connected(&replica).await;
    let storage = format!("{ANONYMOUS}\nsessionStorage: {{provider: redis, address: '{}'}}\n", redis.address());
    let key = format!("--seal-key-file={}", gateway.file("key").display());
    for (flags, expected) in [
        (vec![], "--seal-key-file"),
        (vec!["--seal-key-file=/nowhere/key"], "the key of --seal-key-file cannot be used"),
        (vec![key.as_str(), "--redis-password-file=/nowhere/password"], "/nowhere/password"),
    ] {
        let error = Box::pin(try_start(&storage, &flags)).await.err().unwrap();
        assert!(error.is_usage() && error.to_string().contains(expected), "{error}");
    }
}

pub(crate) async fn its_name_leads_where_the_flags_say(_: Arc<RedisServer>) {
    // Another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let redis = RedisServer::own(&[]);
    let dns = "dns: {redis.example.com: {answers: [[127.0.0.1]]}, far.example.com: {answers: [[192.0.2.1]]}}";
    let world = simulator::World::from_yaml("world.yaml", dns).unwrap();
    let options = SimulatorOptions { dns: Some(([127, 0, 0, 1], 0).into()), ..SimulatorOptions::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let world = simulator.add_world(world).await.unwrap();
    let by_name_server = format!("--dns-server={}", world.name_server().unwrap());
    let port = redis.port();
    let elsewhere = format!("--connect-to=far.example.com:6379=127.0.0.1:{port}");
    for (address, flags) in [
        (format!("redis.example.com:{port}"), vec![&by_name_server]),
        ("far.example.com".to_owned(), vec![&by_name_server, &elsewhere]),
    ] {
        let gateway = Gateway::storing_at(&address, ANONYMOUS);
        let gateway = flags.into_iter().fold(gateway, |gateway, flag| gateway.with(flag));
        connected(&gateway.replica().await).await;
    }
}
