//! Replicas of a proxy: the session of a client is one with the server, at any of them.

use crate::gateways::{at, connected, ready, text};
use crate::in_backend::{Backend, Entry};
use crate::in_support::{Running, eventually};
use crate::out_support::{Recorded, Server, json_body, result, text as plain};
use crate::path::Path;
use crate::proxy_support::{config_of, try_start_with};
use crate::redis_server::RedisServer;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// A proxy, before its replicas start.
struct Proxy {
    config: Value,
    folder: TempDir,
    flags: Vec<String>,
}

impl Proxy {
    /// A proxy for anybody of the server at this URL, with a key of its own.
    fn of(redis: &RedisServer, url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key: [u8; 32] = rand::random();
        std::fs::write(folder.path().join("key"), key).unwrap();
        let storage = storage(&redis.address());
        let config = config_of(url, json!({"class": "workload", "sessionStorage": storage}));
        Self { config, folder, flags: Vec::new() }
    }

    /// The same with another flag.
    fn flagged(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// Starts a replica whose configuration has these keys, and waits until it is ready.
    async fn with(&self, keys: Value) -> Running {
        let mut config = self.config.clone();
        config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        let key = format!("--seal-key-file={}", self.folder.path().join("key").display());
        let flags: Vec<_> = self.flags.iter().map(String::as_str).chain([key.as_str()]).collect();
        let replica = Box::pin(try_start_with(&config, None, &flags)).await.unwrap();
        ready(&replica, StatusCode::OK).await;
        replica
    }

    async fn pair(&self) -> (Running, Running) {
        tokio::join!(self.with(json!({})), self.with(json!({})))
    }
}

/// Where sessions are: in the Redis at this address.
fn storage(address: &str) -> Value {
    json!({"provider": "redis", "address": address, "keyPrefix": "proxy:"})
}

/// The messages of a method that have arrived.
fn arrived(backend: &Backend, method: &str) -> Vec<Entry> {
    backend.journal().into_iter().filter(|entry| entry.method == method).collect()
}

pub(crate) async fn a_session_with_the_server_is_one_for_all_replicas(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo"]).await;
    let (one, two) = Proxy::of(&redis, &backend.url).pair().await;
    let here = connected(&one).await;
    let there = at(&here, &two);
    assert_eq!(there.tool_names().await, ["echo"]);
    for client in [&here, &there, &here, &there] {
        assert!(text(&client.call("echo", json!({})).await.json()).starts_with("echo of"));
    }
    assert_eq!(there.notify("notifications/roots/list_changed", json!({})).await.status, StatusCode::ACCEPTED);
    backend.saw("notifications/roots/list_changed").await;
    assert_eq!((backend.count("initialize"), backend.count("notifications/initialized")), (1, 1));
    let named = backend.journal().into_iter().filter_map(|entry| entry.session).collect::<BTreeSet<_>>();
    assert_eq!(named.len(), 1, "{named:?}");
    let ids = arrived(&backend, "tools/call").into_iter();
    let ids: BTreeSet<_> =
        ids.map(|call| serde_json::from_str::<Value>(&call.body).unwrap()["id"].to_string()).collect();
    assert_eq!(ids.len(), 4, "no two requests of a session have the same id");
    let other = connected(&two).await;
    other.call("echo", json!({})).await;
    assert_eq!(backend.count("initialize"), 2, "another client has another session");
}

pub(crate) async fn a_session_outlives_its_replica_and_ends_once(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo"]).await;
    let proxy = Proxy::of(&redis, &backend.url);
    let (one, two) = proxy.pair().await;
    let here = connected(&one).await;
    here.call("echo", json!({})).await;
    one.stop.cancel();
    eventually("the end of the replica", async || one.task.is_finished()).await;
    let there = at(&here, &two);
    assert!(text(&there.call("echo", json!({})).await.json()).starts_with("echo of"));
    let three = proxy.with(json!({})).await;
    let last = at(&here, &three);
    last.call("echo", json!({})).await;
    assert_eq!((backend.count("initialize"), backend.count("DELETE")), (1, 0));
    assert_eq!(there.send(Method::DELETE, "/mcp", "").await.status, StatusCode::OK);
    backend.saw("DELETE").await;
    for client in [&there, &last] {
        assert_eq!(client.call("echo", json!({})).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(backend.count("DELETE"), 1);
}

pub(crate) async fn requests_that_reach_another_replica_together_go_on_in_one_way(_: Arc<RedisServer>) {
    let redis = RedisServer::own(&[]);
    let backend = Backend::start(&["echo"]).await;
    let (one, two) = Proxy::of(&redis, &backend.url).pair().await;
    let there = at(&connected(&one).await, &two);
    let call = |id: u64| {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "echo"}});
        there.post(message.to_string())
    };
    for answer in futures::future::join_all((0..8).map(call)).await {
        assert!(text(&answer.json()).starts_with("echo of"));
    }
    let dump = redis.dump();
    let users = dump.iter().position(|text| text.starts_with("users:")).unwrap();
    assert_eq!(dump[users + 1], "2", "each replica uses the session once");
}

pub(crate) async fn a_session_that_the_server_has_lost_is_lost_at_all_replicas(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo"]).await;
    let (one, two) = Proxy::of(&redis, &backend.url).pair().await;
    let here = connected(&one).await;
    let there = at(&here, &two);
    there.call("echo", json!({})).await;
    backend.forget_sessions();
    for client in [&there, &here] {
        assert_eq!(client.call("echo", json!({})).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(backend.count("initialize"), 1, "the client must open it again");
}

pub(crate) async fn what_the_server_says_reaches_the_client_at_any_replica(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo", "hang"]).await;
    let (one, two) = Proxy::of(&redis, &backend.url).pair().await;
    let here = connected(&one).await;
    here.call("echo", json!({})).await;
    let there = at(&here, &two);
    there.call("echo", json!({})).await;
    eventually("the stream", async || backend.count("GET") == 1).await;
    // While the client reads no stream of its own, it is asked where its call is under way.
    let calling = there.clone();
    let call = tokio::spawn(async move { calling.call_streamed(1, "hang", json!({})).await });
    eventually("the call", async || arrived(&backend, "tools/call").len() == 3).await;
    backend.say(&json!({"jsonrpc": "2.0", "id": "q", "method": "roots/list"}));
    let mut events = call.await.unwrap();
    assert_eq!(events.next().await.unwrap(), json!({"jsonrpc": "2.0", "id": "q", "method": "roots/list"}));
    let roots = json!({"jsonrpc": "2.0", "id": "q", "result": {"roots": []}});
    assert_eq!(here.post(roots.to_string()).await.status, StatusCode::ACCEPTED, "any replica takes the answer");
    let session = arrived(&backend, "tools/call")[0].session.clone().unwrap();
    backend.answered(&session, &json!("q")).await;
    backend.release();
    assert!(text(&events.next().await.unwrap()).starts_with("hang of"));
    // Its own stream is where the client opens it, whichever replica hears the server, and whichever is left.
    let mut stream = there.listen().await;
    backend.change_tools(&["echo"]).await;
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
    one.stop.cancel();
    eventually("another stream", async || one.task.is_finished() && backend.count("GET") == 2).await;
    backend.change_tools(&["echo", "new"]).await;
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
}

pub(crate) async fn a_session_goes_on_with_other_headers_and_not_at_another_place(redis: Arc<RedisServer>) {
    let (backend, other) = (Backend::start(&["echo"]).await, Backend::start(&["echo"]).await);
    let proxy = Proxy::of(&redis, &backend.url);
    let here = connected(&proxy.with(json!({})).await).await;
    let headed = proxy.with(json!({"headers": {"plain": {"X-Tenant": "a"}}})).await;
    assert!(text(&at(&here, &headed).call("echo", json!({})).await.json()).starts_with("echo of"));
    assert_eq!(arrived(&backend, "tools/call")[0].headers["x-tenant"], "a");
    let moved = proxy.with(json!({"url": other.url})).await;
    assert_eq!(at(&here, &moved).call("echo", json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(other.requests(), 0, "a server is not told of the sessions of another one");
}

pub(crate) async fn sessions_before_a_server_without_any_are_shared_too(redis: Arc<RedisServer>) {
    const DISCOVERED: &str =
        r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0}"#;
    let failing = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&failing);
    let server = Server::stateless(move |recorded: Recorded| {
        let fails = fails.load(Ordering::SeqCst);
        async move {
            match recorded.what().as_str() {
                _ if fails => plain(StatusCode::SERVICE_UNAVAILABLE, ""),
                "server/discover" => json_body(result(&recorded, DISCOVERED)),
                "tools/list" => json_body(result(
                    &recorded,
                    r#"{"resultType":"complete","tools":[{"name":"echo","inputSchema":{"type":"object"}}],"ttlMs":0}"#,
                )),
                "tools/call" => json_body(result(&recorded, r#"{"resultType":"complete","content":[]}"#)),
                _ => plain(StatusCode::BAD_REQUEST, ""),
            }
        }
    })
    .await;
    let (one, two) = Proxy::of(&redis, server.url("/mcp").as_str()).pair().await;
    let here = connected(&one).await;
    let there = at(&here, &two);
    failing.store(true, Ordering::SeqCst);
    let refused = there.call("echo", json!({})).await;
    assert_eq!(
        (refused.status, refused.headers["retry-after"].to_str().unwrap()),
        (StatusCode::SERVICE_UNAVAILABLE, "1")
    );
    failing.store(false, Ordering::SeqCst);
    for client in [&here, &there] {
        assert_eq!(client.tool_names().await, ["echo"]);
        assert!(client.call("echo", json!({})).await.json()["result"]["content"].is_array());
    }
    assert_eq!(here.send(Method::DELETE, "/mcp", "").await.status, StatusCode::OK);
    assert_eq!(there.call("echo", json!({})).await.status, StatusCode::NOT_FOUND);
}

pub(crate) async fn a_client_that_read_at_a_replica_that_is_gone_is_asked_elsewhere(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["echo", "hang"]).await;
    let path = Path::to(&redis, Duration::ZERO).await;
    // Every tenth of that time a replica looks.
    let proxy = Proxy::of(&redis, &backend.url).flagged("--session-ttl=3s");
    let (gone, two) =
        tokio::join!(proxy.with(json!({"sessionStorage": storage(path.address())})), proxy.with(json!({})),);
    let here = connected(&two).await;
    here.call("echo", json!({})).await;
    eventually("the stream", async || backend.count("GET") == 1).await;
    let mut stream = at(&here, &gone).listen().await;
    backend.change_tools(&["echo", "hang", "new"]).await;
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
    path.cut();
    let asking = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        for id in 0_u64.. {
            ticks.tick().await;
            backend.say(&json!({"jsonrpc": "2.0", "id": id, "method": "roots/list"}));
        }
    };
    let mut events = tokio::select! {
        events = here.call_streamed(1, "hang", json!({})) => events,
        () = asking => panic!("no end of questions"),
    };
    assert_eq!(events.next().await.unwrap()["method"], "roots/list");
    backend.release();
}
