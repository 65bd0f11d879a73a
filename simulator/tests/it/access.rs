//! What a request must carry: tokens and headers.

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::{TokenError, TokenFault, TokenRequest};

use crate::client::{Mcp, client, url, world};

const SERVER: &str = "https://mcp.example.com/mcp";
const WORLD: &str = "
authorizationServers:
  - host: auth.company.com
    users: [alice, {name: bob, claims: {groups: [admins]}}]
servers:
  - url: https://mcp.example.com/mcp
    accepts: {issuer: auth.company.com, audience: https://mcp.example.com, scopes: [tools]}
    requires: {headers: {X-Tenant-ID: engineering, X-Trace: null}}
    tools: [{name: echo}]
";

fn token(handle: &simulator::WorldHandle, subject: &str, fault: TokenFault, scopes: &[&str]) -> String {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let request =
        TokenRequest { fault, scopes, ..TokenRequest::new("auth.company.com", subject, "https://mcp.example.com") };
    format!("Bearer {}", handle.token(&request).unwrap())
}

#[tokio::test]
async fn a_good_token_and_the_headers_are_let_in() {
    let (_simulator, handle) = world(WORLD).await;
    let token = token(&handle, "bob", TokenFault::None, &["tools"]);
    let mut mcp = Mcp::new(&handle, &["public"], SERVER)
        .with("authorization", &token)
        .with("x-tenant-id", "engineering")
        .with("x-trace", "any");
    mcp.initialize("2025-11-25").await;
    assert_eq!(mcp.call_tool("echo", json!({"text": "hi"})).await["result"]["content"][0]["text"], "hi");
    let call = handle.journal().wait_for(|entry| entry.method.as_deref() == Some("tools/call")).await;
    let facts = call.token.as_ref().unwrap();
    assert_eq!(
        (facts.subject.as_deref(), facts.audience.clone()),
        (Some("bob"), Some(json!("https://mcp.example.com")))
    );
    assert_eq!(facts.claims["groups"], json!(["admins"]));
    assert_eq!(call.headers["x-tenant-id"], "engineering");
    assert_eq!(call.verdict, None);
}

#[tokio::test]
async fn bad_tokens_are_challenged() {
    let (_simulator, handle) = world(WORLD).await;
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let none = Mcp::new(&handle, &["public"], SERVER).post(&message).await;
    assert_eq!(none.status(), StatusCode::UNAUTHORIZED);
    let challenge = none.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert_eq!(
        challenge,
        "Bearer resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\", scope=\"tools\""
    );
    let faults = [
        TokenFault::Expired,
        TokenFault::NotYetValid,
        TokenFault::WrongKey,
        TokenFault::UnknownKey,
        TokenFault::AlgNone,
        TokenFault::Tampered,
        TokenFault::WrongIssuer,
        TokenFault::WrongAudience,
    ];
    for fault in faults {
        let token = token(&handle, "alice", fault, &["tools"]);
        let refused = Mcp::new(&handle, &["public"], SERVER).with("authorization", &token).post(&message).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{fault:?}");
        assert!(
            refused.headers()["www-authenticate"].to_str().unwrap().contains("error=\"invalid_token\""),
            "{fault:?}"
        );
    }
    let narrow = Mcp::new(&handle, &["public"], SERVER)
        .with("authorization", &token(&handle, "alice", TokenFault::None, &["other"]))
        .post(&message)
        .await;
    assert_eq!(narrow.status(), StatusCode::FORBIDDEN);
    assert!(narrow.headers()["www-authenticate"].to_str().unwrap().contains("insufficient_scope"));
}

#[tokio::test]
async fn missing_and_wrong_headers_are_named() {
    let (_simulator, handle) = world(WORLD).await;
    let token = token(&handle, "alice", TokenFault::None, &["tools"]);
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let mcp = Mcp::new(&handle, &["public"], SERVER).with("authorization", &token).with("x-trace", "1");
    let missing = mcp.post(&message).await;
    assert_eq!(missing.status(), StatusCode::BAD_REQUEST);
    assert!(missing.text().await.unwrap().contains("X-Tenant-ID"));
    let wrong = mcp.with("x-tenant-id", "sales").post(&message).await;
    assert_eq!(wrong.status(), StatusCode::FORBIDDEN);
    let text = wrong.text().await.unwrap();
    assert!(text.contains("X-Tenant-ID") && !text.contains("engineering"), "{text}");
}

#[tokio::test]
async fn a_session_belongs_to_its_subject() {
    let (_simulator, handle) = world(WORLD).await;
    let alice = token(&handle, "alice", TokenFault::None, &["tools"]);
    let mut mcp = Mcp::new(&handle, &["public"], SERVER)
        .with("authorization", &alice)
        .with("x-tenant-id", "engineering")
        .with("x-trace", "1");
    mcp.initialize("2025-11-25").await;
    let bob = token(&handle, "bob", TokenFault::None, &["tools"]);
    let mut mcp = mcp.with("authorization", &bob);
    let message = mcp.request("ping", json!({}));
    assert_eq!(mcp.post(&message).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_resource_describes_itself() {
    let (_simulator, handle) = world(WORLD).await;
    for place in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
        let metadata = url(&handle, &format!("https://mcp.example.com{place}"));
        let document: Value = client(&handle, &["public"]).get(metadata).send().await.unwrap().json().await.unwrap();
        assert_eq!(document["resource"], "https://mcp.example.com");
        assert_eq!(document["authorization_servers"], json!(["https://auth.company.com"]));
        assert_eq!(document["scopes_supported"], json!(["tools"]));
    }
}

#[tokio::test]
async fn the_description_of_a_resource_says_what_the_world_wants() {
    let patched = WORLD.replace(
        "scopes: [tools]}",
        "metadata: {resource: 'https://elsewhere.example.com', bearer_methods_supported: null}}",
    );
    let (_simulator, handle) = world(&patched).await;
    let metadata = url(&handle, "https://mcp.example.com/.well-known/oauth-protected-resource/mcp");
    let document: Value = client(&handle, &["public"]).get(metadata).send().await.unwrap().json().await.unwrap();
    let authorization_servers = ["https://auth.company.com"];
    assert_eq!(
        document,
        json!({"resource": "https://elsewhere.example.com", "authorization_servers": authorization_servers})
    );
}

#[tokio::test]
async fn only_users_get_tokens() {
    let (_simulator, handle) = world(WORLD).await;
    let unknown = handle.token(&TokenRequest::new("auth.company.com", "mallory", "x"));
    assert!(matches!(unknown, Err(TokenError::UnknownUser { .. })));
    let nowhere = handle.token(&TokenRequest::new("idp.nowhere", "alice", "x")).unwrap_err();
    assert_eq!(
        nowhere.to_string(),
        "there is no authorization server `idp.nowhere`: expected one of https://auth.company.com"
    );
}
