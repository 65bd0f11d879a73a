//! A configuration file that changes while a proxy serves.

use crate::in_changes::call_until;
use crate::in_oidc::{Issuer, with_token};
use crate::in_support::{Client, File, eventually};
use crate::out_api::Api;
use crate::out_support::mcp_server;
use crate::proxy_auth::{oidc, ready, secret};
use crate::proxy_support::{config, following};
use http::StatusCode;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

async fn ping(client: &Client) -> StatusCode {
    client.request("ping", json!({})).await.status
}

#[tokio::test]
async fn a_session_goes_on_with_other_headers_and_credentials() {
    let (server, api) = (mcp_server().await, Api::default());
    let with = |keys: Value| config(&server, keys).to_string();
    let file = File::new(&with(json!({"headers": {"plain": {"X-Tenant": "one"}}})));
    let proxy = following(&file, Some(&api)).await;
    let client = proxy.connected().await;
    let stop = CancellationToken::new();
    let calls = call_until(proxy.connected().await, "echo", &stop);
    let sent = async || {
        ping(&client).await;
        let last = server.journal().into_iter().rfind(|recorded| recorded.what() == "ping").unwrap();
        ["x-tenant", "x-key", "authorization"].map(|name| last.header(name).unwrap_or_default().to_owned())
    };
    assert_eq!(sent().await, ["one", "", ""]);
    file.write(&with(json!({"headers": {"plain": {"X-Tenant": "two"}}})));
    eventually("another header", async || sent().await == ["two", "", ""]).await;

    // Nothing has named a Secret before.
    api.put("secrets", secret("key", "k", "v"));
    api.put("secrets", secret("token", "t", "s3cr3t"));
    let bearer = json!({"type": "bearerToken", "bearerToken": {"token": {"secret": "token", "key": "t"}}});
    let headers = json!({"fromSecret": [{"header": "X-Key", "secret": "key", "key": "k"}]});
    file.write(&with(json!({"headers": headers, "outgoing": bearer})));
    eventually("Secrets", async || sent().await == ["", "v", "Bearer s3cr3t"]).await;
    stop.cancel();
    let (answered, errors) = calls.await.unwrap();
    assert!(answered > 20, "only {answered} calls");
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(
        server.methods().iter().filter(|method| *method == "initialize").count(),
        2,
        "both sessions have stayed"
    );
}

#[tokio::test]
async fn who_may_connect_changes_and_sessions_stay_theirs() {
    let (issuer, server) = (Issuer::start().await, mcp_server().await);
    let with = |incoming: Value| config(&server, json!({"incoming": incoming})).to_string();
    let file = File::new(&with(json!({"type": "anonymous"})));
    let proxy = following(&file, None).await;
    let nobody = proxy.connected().await;
    assert_eq!(ping(&nobody).await, StatusCode::OK);
    let mut stream = nobody.listen().await;

    file.write(&with(oidc(&issuer)));
    eventually("refused", async || ping(&nobody).await == StatusCode::UNAUTHORIZED).await;
    assert!(stream.next().await.is_none(), "whoever reads it would not be let in");
    let token = issuer.token("alice");
    assert_eq!(ping(&with_token(&nobody, &token)).await, StatusCode::NOT_FOUND);
    let mut alice = with_token(&proxy.client(), &token);
    alice.initialize().await;

    file.write(&with(json!({"type": "anonymous"})));
    eventually("let in", async || ping(&nobody).await == StatusCode::OK).await;
    assert_eq!(ping(&alice).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_may_connect_changes_together_with_the_credentials() {
    let (issuer, server, api) = (Issuer::start().await, mcp_server().await, Api::default());
    let with = |incoming: Value, token: &str| {
        let bearer = json!({"type": "bearerToken", "bearerToken": {"token": {"secret": token, "key": "t"}}});
        config(&server, json!({"incoming": incoming, "outgoing": bearer})).to_string()
    };
    for token in ["admin", "public"] {
        api.put("secrets", secret(token, "t", token));
    }
    api.forbid(&["secrets/public"]);
    let file = File::new(&with(oidc(&issuer), "admin"));
    let proxy = following(&file, Some(&api)).await;
    ready(&proxy.client()).await;
    let mut alice = with_token(&proxy.client(), &issuer.token("alice"));
    alice.initialize().await;

    file.write(&with(json!({"type": "anonymous"}), "public"));
    let attempts = || api.requests().iter().filter(|asked| asked.ends_with("metadata.name=public")).count();
    // The second is made when the first has been refused.
    eventually("asked for the Secret again", async || attempts() > 1).await;
    assert_eq!(ping(&proxy.client()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(ping(&alice).await, StatusCode::OK, "the previous configuration is in force");
    // Neither does it stop to be followed.
    api.put("secrets", secret("admin", "t", "rotated"));
    let presented = || server.journal().last().unwrap().header("authorization").unwrap().to_owned();
    eventually("another version of the Secret", async || {
        ping(&alice).await;
        presented() == "Bearer rotated"
    })
    .await;

    api.forbid(&[]);
    let mut nobody = proxy.client();
    eventually("let in", async || ping(&nobody).await != StatusCode::UNAUTHORIZED).await;
    nobody.initialize().await;
    assert_eq!((ping(&nobody).await, presented().as_str()), (StatusCode::OK, "Bearer public"));
}
