//! Users without a session: what they share, and what is theirs alone.

use crate::in_backend::Backend;
use crate::in_oidc::{self, Issuer};
use crate::in_support::{Client, Running, start};
use crate::modern_support::meta;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn gateway(issuer: &Issuer, backend: &Backend) -> Running {
    let backends = json!([{"name": "b", "url": backend.url, "transport": "streamable-http"}]);
    let config = format!("{}\nbackends: {backends}\n", in_oidc::config(issuer));
    start(&config, &["--egress-allow", "oidc=127.0.0.0/8"]).await
}

fn user(gateway: &Running, token: &str) -> Client {
    let mut client = gateway.client();
    client.set("authorization", &format!("Bearer {token}"));
    client
}

#[tokio::test]
async fn who_does_not_say_who_it_is_is_told_how() {
    let (issuer, backend) = (Issuer::start().await, Backend::start(&["echo"]).await);
    let gateway = gateway(&issuer, &backend).await;
    let answer = gateway.client().ask("server/discover", json!({})).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.header("www-authenticate").contains("resource_metadata="), "{answer:?}");
}

#[tokio::test]
async fn a_users_calls_share_a_session_and_nobody_elses_does() {
    let (issuer, backend) = (Issuer::start().await, Backend::start(&["echo"]).await);
    let gateway = gateway(&issuer, &backend).await;
    let sessions = || {
        let calls = backend.journal().into_iter().filter(|entry| entry.method == "tools/call");
        calls.map(|entry| entry.session.unwrap()).collect::<BTreeSet<_>>().len()
    };
    let alice = user(&gateway, &issuer.token("alice"));
    for _ in 0..3 {
        assert_eq!(alice.ask_tool("b_echo", json!({})).await.status, StatusCode::OK);
    }
    assert_eq!(sessions(), 1);
    // The user is the same whatever token says so.
    user(&gateway, &issuer.token_for("alice", 900)).ask_tool("b_echo", json!({})).await;
    assert_eq!(sessions(), 1);
    user(&gateway, &issuer.token("bob")).ask_tool("b_echo", json!({})).await;
    assert_eq!(sessions(), 2);
    // What a backend was told of a client holds for its session.
    let able = json!({"name": "b_echo", "arguments": {}, "_meta": meta(&json!({"sampling": {}}))});
    alice.ask("tools/call", able).await;
    assert_eq!(sessions(), 3);
    assert_eq!(backend.count("DELETE"), 0);
    gateway.stop.cancel();
    backend.until(|backend| backend.count("DELETE") == 3).await;
}

#[tokio::test]
async fn what_takes_a_token_to_see_is_kept_for_nobody_else() {
    let (issuer, backend) = (Issuer::start().await, Backend::start(&["echo"]).await);
    backend.offer(json!({"resources": {}}));
    backend.reply("resources/read", r#""result":{"contents":[],"ttlMs":7,"cacheScope":"public"}"#);
    let gateway = gateway(&issuer, &backend).await;
    let alice = user(&gateway, &issuer.token("alice"));
    for (method, params) in
        [("server/discover", json!({})), ("tools/list", json!({})), ("resources/read", json!({"uri": "x:y"}))]
    {
        let result = alice.ask(method, params).await.json()["result"].clone();
        assert_eq!(result["cacheScope"], "private", "{method} {result}");
    }
}

#[tokio::test]
async fn a_state_is_good_for_the_user_that_it_was_given() {
    let (issuer, backend) = (Issuer::start().await, Backend::start(&["ask"]).await);
    backend.script("ask", r#""result":{"resultType":"input_required","requestState":"its own"}"#);
    let gateway = gateway(&issuer, &backend).await;
    let (alice, bob) = (user(&gateway, &issuer.token("alice")), user(&gateway, &issuer.token("bob")));
    let given = alice.ask_tool("b_ask", json!({})).await.json()["result"].clone();
    let params = json!({"name": "b_ask", "arguments": {}, "requestState": given["requestState"]});
    assert_eq!(bob.ask("tools/call", params.clone()).await.error_code(), -32602);
    let again: Value = alice.ask("tools/call", params).await.json();
    assert_eq!(again["result"]["resultType"], "input_required");
}
