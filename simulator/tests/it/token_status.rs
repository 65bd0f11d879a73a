//! Introspection and revocation.

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::{TokenFault, TokenRequest, WorldChange, WorldHandle};

use crate::client::{client, knock, url, world};

const SERVER: &str = "https://mcp.example.com/mcp";

const WORLD: &str = "
authorizationServers:
  - host: auth.company.com
    users: [alice, bob]
    clients: [{id: gateway, secret: s3cr3t}, {id: other, secret: s3cr3t}, {id: public}]
servers:
  - url: https://mcp.example.com/mcp
    accepts: {issuer: auth.company.com}
";

async fn post(handle: &WorldHandle, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
    let endpoint = url(handle, &format!("https://auth.company.com/protocol/openid-connect/{path}"));
    let response = client(handle, &["public"]).post(endpoint).form(form).send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

async fn own_token(handle: &WorldHandle) -> String {
    let form = [("grant_type", "client_credentials"), ("client_id", "gateway"), ("client_secret", "s3cr3t")];
    post(handle, "token", &form).await.1["access_token"].as_str().unwrap().to_owned()
}

async fn introspect(handle: &WorldHandle, token: &str) -> Value {
    let form = [("token", token), ("client_id", "other"), ("client_secret", "s3cr3t")];
    post(handle, "token/introspect", &form).await.1
}

#[tokio::test]
async fn a_good_token_is_described_and_another_is_not() {
    let (_simulator, handle) = world(WORLD).await;
    let token = own_token(&handle).await;
    let known = introspect(&handle, &token).await;
    assert_eq!(
        (&known["active"], &known["client_id"], &known["sub"]),
        (&json!(true), &json!("gateway"), &json!("gateway"))
    );
    let asked = handle.journal().wait_for(|entry| entry.path.ends_with("/introspect")).await;
    assert_eq!(asked.body.form().unwrap()["token"], token.as_str());
    let shown = serde_json::to_string(&asked.redacted()).unwrap();
    assert!(!shown.contains(&token) && !shown.contains("s3cr3t"), "{shown}");
    let expired = TokenRequest { fault: TokenFault::Expired, ..TokenRequest::new("auth.company.com", "alice", "x") };
    for token in [handle.token(&expired).unwrap().as_str(), "opaque"] {
        assert_eq!(introspect(&handle, token).await, json!({"active": false}));
    }
    let anonymous = [("token", token.as_str()), ("client_id", "public")];
    assert_eq!(post(&handle, "token/introspect", &anonymous).await.1["error"], "unauthorized_client");
    let wrong = [("token", token.as_str()), ("client_id", "other"), ("client_secret", "wrong")];
    assert_eq!(post(&handle, "token/introspect", &wrong).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_revoked_token_is_refused_everywhere() {
    let (_simulator, handle) = world(WORLD).await;
    let (token, second) = (own_token(&handle).await, own_token(&handle).await);
    assert_eq!(knock(&handle, SERVER, &token).await, StatusCode::OK);
    let foreign = [("token", token.as_str()), ("client_id", "other"), ("client_secret", "s3cr3t")];
    assert_eq!(post(&handle, "revoke", &foreign).await.1["error"], "invalid_grant");
    let own = [("token", token.as_str()), ("client_id", "gateway"), ("client_secret", "s3cr3t")];
    // The second time it is unknown, which is no error (RFC 7009, 2.2).
    for _ in 0..2 {
        assert_eq!(post(&handle, "revoke", &own).await.0, StatusCode::OK);
    }
    assert_eq!(knock(&handle, SERVER, &token).await, StatusCode::UNAUTHORIZED);
    assert_eq!(introspect(&handle, &token).await, json!({"active": false}));
    assert_eq!(knock(&handle, SERVER, &second).await, StatusCode::OK);
}

#[tokio::test]
async fn all_tokens_of_a_user_are_revoked_at_once() {
    let (_simulator, handle) = world(WORLD).await;
    let token = |name: &str| handle.token(&TokenRequest::new("auth.company.com", name, "x")).unwrap();
    let (alice, bob) = (token("alice"), token("bob"));
    let change = "revokeTokens: {authorizationServer: auth.company.com, subject: alice}";
    handle.update(serde_saphyr::from_str::<WorldChange>(change).unwrap()).await.unwrap();
    let later = token("alice");
    for (token, status) in [(alice, 401), (bob, 200), (later, 200)] {
        assert_eq!(knock(&handle, SERVER, &token).await.as_u16(), status);
    }
}
