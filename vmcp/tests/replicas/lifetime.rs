//! Sessions begin, are found and end at any replica.

use crate::gateways::{Gateway, at, connected, text};
use crate::in_backend::Backend;
use crate::in_oidc::{self, Issuer};
use crate::in_support::{eventually, initialize_params};
use crate::redis_server::RedisServer;
use http::{Method, StatusCode};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

pub(crate) async fn a_session_of_one_replica_is_served_by_all(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo"]).await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let here = connected(&one).await;
    let there = at(&here, &two);
    assert_eq!(there.tool_names().await, ["b_echo"]);
    for client in [&here, &there, &here] {
        assert!(text(&client.call("b_echo", json!({})).await.json()).starts_with("echo of"));
    }
    let again = there.request("initialize", initialize_params("2025-11-25")).await;
    assert_ne!(again.header("mcp-session-id"), here.headers["mcp-session-id"], "a new session");
}

pub(crate) async fn a_session_that_ends_at_one_replica_ends_at_all(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo", "hang"]).await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let here = connected(&one).await;
    let there = at(&here, &two);
    there.call("b_echo", json!({})).await;
    let mut listening = there.listen().await;
    let call = there.calling("b_hang");
    backend.saw("tools/call").await;
    assert_eq!(here.send(Method::DELETE, "/mcp", "").await.status, StatusCode::OK);
    for client in [&here, &there] {
        assert_eq!(client.call("b_echo", json!({})).await.status, StatusCode::NOT_FOUND);
        assert_eq!(client.get("/mcp").await.status, StatusCode::NOT_FOUND);
        assert_eq!(client.send(Method::DELETE, "/mcp", "").await.status, StatusCode::NOT_FOUND);
    }
    assert!(listening.next().await.is_none(), "its streams end at the other replica too");
    assert!(!call.await.unwrap().text.contains("hang of"), "and its calls");
}

pub(crate) async fn to_anyone_else_a_session_does_not_exist_at_any_replica(redis: Arc<RedisServer>) {
    let (issuer, other) = (Issuer::start().await, Issuer::start().await);
    let backend = Backend::start(&["echo"]).await;
    let backends = format!("backends: [{{name: b, url: '{}', transport: streamable-http}}]\n", backend.url);
    let config = in_oidc::config(&issuer) + &backends;
    let gateway = Gateway::configured(&redis, &config).with("--egress-allow=oidc=127.0.0.0/8");
    let (one, two) = gateway.pair().await;
    let mut alice = one.client().with("authorization", &format!("Bearer {}", issuer.token("alice")));
    alice.initialize().await;
    let there = at(&alice, &two);
    for wrong in [issuer.token("bob"), other.token("alice")] {
        let wrong = there.with("authorization", &format!("Bearer {wrong}"));
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
            let status = wrong.send(method.clone(), "/mcp", body).await.status;
            assert!(matches!(status, StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED), "{method} {status}");
        }
    }
    let bob = there.with("authorization", &format!("Bearer {}", issuer.token("bob")));
    assert_eq!(bob.call("b_echo", json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(there.call("b_echo", json!({})).await.status, StatusCode::OK, "it has harmed nothing");
    assert_eq!(bob.call("b_echo", json!({})).await.status, StatusCode::NOT_FOUND, "where it is known now");
    let dump = redis.dump();
    let token = alice.headers["authorization"].to_str().unwrap().split_once(' ').unwrap().1;
    assert!(!dump.iter().any(|text| text.contains(token) || text.contains("alice") || text.contains(&issuer.url)));
}

pub(crate) async fn a_session_lives_while_any_replica_uses_it(redis: Arc<RedisServer>) {
    const TTL: Duration = Duration::from_secs(3);
    let backend = Backend::start(&["echo"]).await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).with("--session-ttl=3s").pair().await;
    let here = connected(&one).await;
    here.call("b_echo", json!({})).await;
    let there = at(&here, &two);
    let started = Instant::now();
    while started.elapsed() < TTL + TTL / 2 {
        assert_eq!(there.request("ping", json!({})).await.status, StatusCode::OK);
        tokio::time::sleep(TTL / 20).await;
    }
    assert_eq!(here.request("ping", json!({})).await.status, StatusCode::OK, "it was used elsewhere");
    // Each replica tells the store of what it saw within a tenth of that time, and may be slow.
    tokio::time::sleep(TTL + TTL / 2).await;
    for client in [&here, &there] {
        assert_eq!(client.request("ping", json!({})).await.status, StatusCode::NOT_FOUND);
    }
    backend.saw("DELETE").await;
}

pub(crate) async fn a_long_call_keeps_its_session_alive_everywhere(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["hang"]).await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).with("--session-ttl=3s").pair().await;
    let here = connected(&one).await;
    let there = at(&here, &two);
    let call = tokio::spawn(async move { here.call("b_hang", json!({})).await });
    backend.saw("tools/call").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(there.request("ping", json!({})).await.status, StatusCode::OK);
    backend.release();
    assert!(call.await.unwrap().text.contains("hang of"));
}

pub(crate) async fn there_are_no_more_sessions_than_all_replicas_together_may_have(redis: Arc<RedisServer>) {
    let (one, two) = Gateway::of(&redis, &[]).with("--session-cap=2").pair().await;
    let first = connected(&one).await;
    connected(&two).await;
    let params = initialize_params("2025-11-25");
    for replica in [&one, &two] {
        let full = replica.client().request("initialize", params.clone()).await;
        assert_eq!((full.status, full.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    }
    first.send(Method::DELETE, "/mcp", "").await;
    assert_eq!(two.client().request("initialize", params).await.status, StatusCode::OK);
}

pub(crate) async fn gateways_with_another_key_do_not_find_each_others_sessions(redis: Arc<RedisServer>) {
    let one = Gateway::of(&redis, &[]).replica().await;
    let other = Gateway::of(&redis, &[]).replica().await;
    let client = connected(&one).await;
    assert_eq!(at(&client, &other).request("ping", json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.request("ping", json!({})).await.status, StatusCode::OK);
}

pub(crate) async fn a_replica_that_ends_leaves_its_sessions_to_the_others(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo"]).await;
    let gateway = Gateway::of(&redis, &[("b", &backend)]);
    let (one, two) = gateway.pair().await;
    let client = connected(&one).await;
    client.call("b_echo", json!({})).await;
    one.stop.cancel();
    eventually("the end of the replica", async || one.task.is_finished()).await;
    for replica in [&two, &gateway.replica().await] {
        assert_eq!(at(&client, replica).tool_names().await, ["b_echo"]);
    }
}

pub(crate) async fn nothing_in_redis_can_be_read(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo"]).await;
    backend.offer(json!({"resources": {"subscribe": true}}));
    backend.set_items("resources/list", vec![json!({"uri": "x:confidential", "name": "x"}).to_string()]);
    backend.reply("resources/subscribe", r#""result":{}"#);
    backend.speak(
        "echo",
        &[r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"confidential"}}"#],
    );
    let one = Gateway::of(&redis, &[("b", &backend)]).replica().await;
    let client = connected(&one).await;
    client.request("resources/subscribe", json!({"uri": "x:confidential"})).await;
    let mut events = client.call_streamed(1, "b_echo", json!({})).await;
    while events.next().await.is_some() {}
    let id = client.headers["mcp-session-id"].to_str().unwrap();
    // Streams are noted some time soon.
    eventually("the end of the stream", async || redis.dump().iter().any(|text| text == "ended")).await;
    let dump = redis.dump();
    assert!(dump.iter().any(|text| text == "handshake") && dump.iter().any(|text| text.starts_with("interest:")));
    let of_backend = backend.saw("tools/call").await.session.unwrap();
    assert!(dump.iter().any(|text| text.starts_with("ticket:")));
    for secret in [id, &of_backend, "confidential", "roots", "2025-11-25"] {
        assert!(!dump.iter().any(|text| text.contains(secret)), "{secret}");
    }
}
