//! Who may use a proxy, and what it presents to its server.

use crate::in_oidc::{AUDIENCE, Issuer};
use crate::in_support::eventually;
use crate::out_api::Api;
use crate::out_support::mcp_server;
use crate::out_token_exchange::token_endpoint;
use crate::proxy_support::{config, start, try_start};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

pub(crate) fn secret(name: &str, key: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "ns"},
        "data": {key: STANDARD.encode(value)},
    })
}

pub(crate) fn oidc(issuer: &Issuer) -> Value {
    json!({"type": "oidc", "oidc": {
        "issuer": issuer.url, "audience": AUDIENCE, "resource": "https://proxy.example.com/mcp",
        "scopes": ["openid"], "insecureAllowHttp": true,
    }})
}

#[tokio::test]
async fn clients_without_a_good_token_learn_where_to_get_one() {
    let (issuer, server) = (Issuer::start().await, mcp_server().await);
    let proxy = start(&config(&server, json!({"incoming": oidc(&issuer)}))).await;
    let refused = proxy.client().request("ping", json!({})).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let metadata = "https://proxy.example.com/.well-known/oauth-protected-resource/mcp";
    assert!(refused.header("www-authenticate").contains(&format!("resource_metadata=\"{metadata}\"")));
    let document = proxy.client().get("/.well-known/oauth-protected-resource/mcp").await;
    assert_eq!(document.json()["authorization_servers"], json!([issuer.url]));
    let bad = proxy.client().with("authorization", "Bearer x").request("ping", json!({})).await;
    assert_eq!(bad.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.journal().len(), 0);
}

#[tokio::test]
async fn the_clients_token_is_exchanged_and_never_passed_on() {
    let (issuer, server, tokens) = (Issuer::start().await, mcp_server().await, token_endpoint(300).await);
    let api = Api::default();
    api.put("secrets", secret("client", "secret", "s3cr3t"));
    let outgoing = json!({"type": "tokenExchange", "tokenExchange": {
        "tokenUrl": format!("{}/token", tokens.uri()), "audience": "partner-api", "clientId": "proxy",
        "clientSecret": {"secret": "client", "key": "secret"},
    }});
    let config = config(&server, json!({"incoming": oidc(&issuer), "outgoing": outgoing}));
    let proxy = try_start(&config, Some(&api)).await.unwrap();
    ready(&proxy.client()).await;
    let token = issuer.token("alice");
    let mut client = proxy.client().with("authorization", &format!("Bearer {token}"));
    client.initialize().await;
    assert_eq!(client.request("tools/list", json!({})).await.status, StatusCode::OK);
    let journal = server.journal();
    assert!(journal.iter().all(|recorded| recorded.header("authorization") == Some("Bearer exchanged-1")));
    assert!(!format!("{journal:?}").contains(&token));
    let form = &tokens.received_requests().await.unwrap()[0];
    assert_eq!(form.headers["authorization"], format!("Basic {}", STANDARD.encode("proxy:s3cr3t")).as_str());
}

/// Waits until the proxy is ready.
pub(crate) async fn ready(client: &crate::in_support::Client) {
    eventually("ready", async || client.get("/readyz").await.status == StatusCode::OK).await;
}

#[tokio::test]
async fn a_changed_secret_is_used_by_sessions_that_are_open() {
    let (server, api) = (mcp_server().await, Api::default());
    let headers =
        json!({"plain": {"X-Tenant": "acme"}, "fromSecret": [{"header": "X-Key", "secret": "key", "key": "k"}]});
    let outgoing = json!({"type": "bearerToken", "bearerToken": {"token": {"secret": "token", "key": "t"}}});
    let proxy =
        try_start(&config(&server, json!({"headers": headers, "outgoing": outgoing})), Some(&api)).await.unwrap();
    let client = proxy.client();
    eventually("unusable", async || client.get("/readyz").await.text.contains("backend_unusable")).await;
    let refused = client.request("initialize", crate::in_support::initialize_params("2025-11-25")).await;
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("does not exist"), "{refused:?}");
    api.put("secrets", secret("key", "k", "one"));
    api.put("secrets", secret("token", "t", "first"));
    ready(&client).await;
    let client = proxy.connected().await;
    let sent = async || {
        client.request("ping", json!({})).await;
        let last = server.journal().into_iter().rfind(|recorded| recorded.what() == "ping").unwrap();
        ["x-tenant", "x-key", "authorization"].map(|name| last.header(name).unwrap().to_owned())
    };
    assert_eq!(sent().await, ["acme", "one", "Bearer first"]);
    api.put("secrets", secret("key", "k", "two"));
    api.put("secrets", secret("token", "t", "second"));
    eventually("the second token", async || sent().await == ["acme", "two", "Bearer second"]).await;
    let sessions = server.methods().iter().filter(|method| *method == "initialize").count();
    assert_eq!(sessions, 1, "the session has stayed");
    api.delete("secrets/token");
    let refused = async || client.request("ping", json!({})).await.text.contains("does not exist");
    eventually("refused", refused).await;
}

#[tokio::test]
async fn what_is_not_served_stops_the_start_with_the_fields_name() {
    let server = mcp_server().await;
    let redis = json!({"provider": "redis", "address": "redis:6379"});
    for (keys, field) in [
        (json!({"authz": {"type": "cedar", "policies": ["permit(principal, action, resource);"]}}), "authz"),
        (json!({"audit": {"enabled": true}}), "audit"),
        (json!({"telemetry": {}}), "telemetry"),
        (json!({"sessionStorage": redis}), "--seal-key-file"),
        (json!({"sessionStorage": redis, "transport": "sse"}), "redis with transport sse"),
        (json!({"headers": {"fromSecret": [{"header": "X-Key", "secret": "s", "key": "k"}]}}), "Secrets"),
    ] {
        let error = try_start(&config(&server, keys), None).await.err().unwrap();
        assert!(error.is_usage(), "{error}");
        let message = format!("{:#}", anyhow::Error::new(error));
        assert!(message.contains(field), "{message}");
    }
}
