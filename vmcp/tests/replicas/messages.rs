//! What clients and backends say reaches whom it is for, at whichever replica that is.

use crate::gateways::{Gateway, at, connected};
use crate::in_backend::Backend;
use crate::in_support::{Events, eventually};
use crate::redis_server::RedisServer;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

const ASK: &str = r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#;
const ASK_AGAIN: &str = r#"{"jsonrpc":"2.0","id":2,"method":"roots/list"}"#;

fn roots(asked: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": []}}).to_string()
}

pub(crate) async fn a_question_of_one_replica_is_answered_through_another(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["ask"]).await;
    backend.speak("ask", &[ASK, ASK_AGAIN]);
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let here = connected(&one).await;
    let there = at(&here, &two);
    let mut events = here.call_streamed(1, "b_ask", json!({})).await;
    let first = events.next().await.unwrap();
    // The other replica knows the session for the first answer no more than for the second.
    assert_eq!(there.post(roots(&first)).await.status, StatusCode::ACCEPTED);
    let second = events.next().await.unwrap();
    assert_ne!(first["id"], second["id"]);
    assert_eq!(there.post(roots(&second)).await.status, StatusCode::ACCEPTED);
    let heard = &events.next().await.unwrap()["result"]["heard"];
    assert_eq!(heard[1]["result"], json!({"roots": []}));
    // An answer to nothing is nothing.
    assert_eq!(there.post(roots(&second)).await.status, StatusCode::ACCEPTED);
}

pub(crate) async fn a_request_of_one_replica_is_cancelled_through_another(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["hang"]).await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let here = connected(&one).await;
    let call = here.calling("b_hang");
    backend.saw("tools/call").await;
    let there = at(&here, &two);
    assert_eq!(there.notify("notifications/cancelled", json!({"requestId": 1})).await.status, StatusCode::ACCEPTED);
    assert_eq!(call.await.unwrap().text, "", "the client wants no answer");
    backend.saw("notifications/cancelled").await;
}

pub(crate) async fn a_stream_of_one_replica_is_read_on_at_another(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["ask"]).await;
    backend.speak("ask", &[ASK]);
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let here = connected(&one).await;
    let there = at(&here, &two);
    let mut events = here.call_streamed(1, "b_ask", json!({})).await;
    let asked = events.next().await.unwrap();
    let last_id = events.last_id.clone();
    drop(events);
    let (stream, _) = last_id.split_once('-').unwrap();
    let priming = format!("{stream}-");
    // What was said is noted a moment later.
    let again = there.with("last-event-id", &priming);
    eventually("the stream", async || again.open(Method::GET, "/mcp", "").await.status() == StatusCode::OK).await;
    let mut rest = there.listen_after(&priming).await;
    assert_eq!(rest.next().await.unwrap(), asked, "what was said before");
    assert_eq!(there.post(roots(&asked)).await.status, StatusCode::ACCEPTED);
    assert_eq!(rest.next().await.unwrap()["result"]["heard"][0]["result"], json!({"roots": []}), "what is said later");
    assert!(rest.next().await.is_none(), "the stream ends with the answer");
    let mut after = there.listen_after(&last_id).await;
    assert!(after.next().await.unwrap()["result"].is_object(), "for a while after the end, too");
    let other = connected(&two).await;
    for (client, id) in [(&other, last_id.as_str()), (&there, "99-0"), (&there, "nonsense")] {
        let mut lost = client.clone();
        lost.headers.insert("last-event-id", id.parse().unwrap());
        assert_eq!(lost.get("/mcp").await.status, StatusCode::BAD_REQUEST, "{id}");
    }
}

pub(crate) async fn the_rest_of_a_stream_is_told_elsewhere_after_its_replica_has_ended(redis: Arc<RedisServer>) {
    let backend = Backend::start(&["ask"]).await;
    backend.speak("ask", &[ASK]);
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let here = connected(&one).await;
    let mut events = here.call_streamed(1, "b_ask", json!({})).await;
    let asked = events.next().await.unwrap();
    let (stream, _) = events.last_id.split_once('-').unwrap();
    let mut rest = at(&here, &two).listen_after(&format!("{stream}-")).await;
    assert_eq!(rest.next().await.unwrap(), asked);
    // A replica that ends waits for clients that still listen.
    drop(events);
    one.stop.cancel();
    while let Some(message) = rest.next().await {
        // The question may be taken back.
        assert!(message["result"].is_null(), "a call that ends with its replica has no answer");
    }
}

async fn subscribed_backend() -> Backend {
    let backend = Backend::start(&["echo"]).await;
    backend.offer(json!({"resources": {"subscribe": true}}));
    backend.set_items("resources/list", vec![json!({"uri": "x:a", "name": "a"}).to_string()]);
    backend.reply("resources/subscribe", r#""result":{}"#);
    backend
}

async fn updated(backend: &Backend, events: &mut Events, part: &str) {
    let uri = format!("x:a/{part}");
    backend.tell("notifications/resources/updated", &json!({ "uri": uri })).await;
    assert_eq!(events.next().await.unwrap()["params"]["uri"], json!(uri));
}

pub(crate) async fn the_clients_own_stream_tells_what_any_replica_hears(redis: Arc<RedisServer>) {
    let backend = subscribed_backend().await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let here = connected(&one).await;
    let mut events = here.listen().await;
    let there = at(&here, &two);
    assert_eq!(there.request("resources/subscribe", json!({"uri": "x:a"})).await.json()["result"], json!({}));
    updated(&backend, &mut events, "1").await;
    // Lists that were served by the other replica.
    assert_eq!(there.tool_names().await, ["b_echo"]);
    backend.change_tools(&["echo", "new"]).await;
    let told = events.next().await.unwrap();
    assert_eq!(told["method"], "notifications/tools/list_changed");
}

pub(crate) async fn the_clients_own_stream_moves_with_the_client(redis: Arc<RedisServer>) {
    let backend = subscribed_backend().await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let here = connected(&one).await;
    let there = at(&here, &two);
    here.request("resources/subscribe", json!({"uri": "x:a"})).await;
    // What nobody reads waits for a stream.
    backend.tell("notifications/resources/updated", &json!({"uri": "x:a/0"})).await;
    let mut first = there.listen().await;
    assert_eq!(first.next().await.unwrap()["params"]["uri"], "x:a/0");
    updated(&backend, &mut first, "1").await;
    let lost = first.last_id.clone();
    let mut second = here.listen().await;
    assert!(first.next().await.is_none(), "the newest stream has taken over");
    updated(&backend, &mut second, "2").await;
    drop(second);
    let mut third = there.listen_after(&lost).await;
    assert_eq!(third.next().await.unwrap()["params"]["uri"], "x:a/2", "what came after is told again");
    updated(&backend, &mut third, "3").await;
}

pub(crate) async fn the_clients_own_stream_is_kept_as_long_as_its_session(_: Arc<RedisServer>) {
    let redis = RedisServer::own(&[]);
    let backend = subscribed_backend().await;
    let one = Gateway::of(&redis, &[("b", &backend)]).replica().await;
    let client = connected(&one).await;
    client.request("resources/subscribe", json!({"uri": "x:a"})).await;
    let mut events = client.listen().await;
    updated(&backend, &mut events, "1").await;
    let mut redis = redis.connection();
    let [stream]: [String; 1] = redis::cmd("KEYS").arg("*:stream:*:0").query(&mut redis).unwrap();
    redis::cmd("PEXPIRE").arg(&stream).arg(60_000).exec(&mut redis).unwrap();
    assert_eq!(client.request("ping", json!({})).await.status, StatusCode::OK);
    let kept: u64 = redis::cmd("PTTL").arg(&stream).query(&mut redis).unwrap();
    assert!(kept > 60_000, "{kept}");
    // One that is lost none the less begins again, for those too who have read of it.
    redis::cmd("DEL").arg(&stream).exec(&mut redis).unwrap();
    updated(&backend, &mut events, "2").await;
    updated(&backend, &mut events, "3").await;
}

pub(crate) async fn who_names_a_message_that_was_never_told_is_told_what_is_new(redis: Arc<RedisServer>) {
    let backend = subscribed_backend().await;
    let (one, two) = Gateway::of(&redis, &[("b", &backend)]).pair().await;
    let here = connected(&one).await;
    here.request("resources/subscribe", json!({"uri": "x:a"})).await;
    let mut ahead = here.listen_after("0-9007199254740990").await;
    updated(&backend, &mut ahead, "1").await;
    updated(&backend, &mut ahead, "2").await;
    drop(ahead);
    drop(here.listen_after("0-18446744073709551614").await);
    let mut events = at(&here, &two).listen().await;
    updated(&backend, &mut events, "3").await;
}
