//! Identity assertions (ID-JAG): given by the identity provider for an ID token, taken by another authorization server; and
//! other assertions of the JWT bearer grant.

use std::collections::BTreeMap;

use serde_json::Value;
use simulator::{TokenFault, TokenRequest, WorldHandle};

use crate::client::{client, knock, url, world};

const RESOURCE: &str = "https://mcp.example.com/mcp";
const WORLD: &str = "
authorizationServers:
  - host: idp.example.com
    users: [alice]
    clients: [{id: gateway, secret: at-idp}, {id: other, secret: at-idp}]
  - {host: stranger.example.com, users: [alice]}
  - host: auth.example.com
    trusts: [idp.example.com]
    scopes: [read, write]
    clients: [{id: gateway, secret: at-resource}, {id: other, secret: at-resource}]
servers:
  - url: https://mcp.example.com/mcp
    accepts: {issuer: auth.example.com, audience: https://mcp.example.com/mcp, scopes: [read]}
";

type Fields = BTreeMap<&'static str, String>;

async fn token(handle: &WorldHandle, host: &str, form: &Fields) -> (u16, Value) {
    let endpoint = url(handle, &format!("https://{host}/protocol/openid-connect/token"));
    let response = client(handle, &["public"]).post(endpoint).form(form).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// The request for an assertion, for an ID token that the client has.
fn first_leg(handle: &WorldHandle) -> Fields {
    let identity = handle.token(&TokenRequest::new("idp.example.com", "alice", "gateway")).unwrap();
    BTreeMap::from([
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange".to_owned()),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:id-jag".to_owned()),
        ("subject_token", identity),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token".to_owned()),
        ("audience", "https://auth.example.com".to_owned()),
        ("resource", RESOURCE.to_owned()),
        ("scope", "read".to_owned()),
        ("client_id", "gateway".to_owned()),
        ("client_secret", "at-idp".to_owned()),
    ])
}

fn second_leg(assertion: &str) -> Fields {
    BTreeMap::from([
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()),
        ("assertion", assertion.to_owned()),
        ("client_id", "gateway".to_owned()),
        ("client_secret", "at-resource".to_owned()),
    ])
}

#[tokio::test]
async fn an_identity_assertion_of_the_provider_opens_the_resource() {
    let (_simulator, handle) = world(WORLD).await;
    let (status, given) = token(&handle, "idp.example.com", &first_leg(&handle)).await;
    assert_eq!(status, 200, "{given}");
    assert_eq!(given["issued_token_type"], "urn:ietf:params:oauth:token-type:id-jag");
    assert_eq!((given["token_type"].as_str(), given["expires_in"].as_u64()), (Some("N_A"), Some(300)));
    let assertion = given["access_token"].as_str().unwrap();
    assert_eq!(jsonwebtoken::decode_header(assertion).unwrap().typ.as_deref(), Some("oauth-id-jag+jwt"));

    // The scopes are what both allow: `write` was not asked of the provider.
    let mut form = second_leg(assertion);
    form.insert("scope", "read write".to_owned());
    let (status, access) = token(&handle, "auth.example.com", &form).await;
    assert_eq!((status, access["scope"].as_str()), (200, Some("read")), "{access}");
    let token = access["access_token"].as_str().unwrap();
    assert_eq!(knock(&handle, RESOURCE, token).await, 200);
    let entry = handle.journal().wait_for(|entry| entry.method.as_deref() == Some("initialize")).await;
    let facts = entry.token.as_ref().unwrap();
    assert_eq!((facts.subject.as_deref(), facts.claims["client_id"].as_str()), (Some("alice"), Some("gateway")));

    // It is good at the authorization server alone.
    assert_eq!(knock(&handle, RESOURCE, assertion).await, 401);
}

#[tokio::test]
async fn the_provider_gives_assertions_for_its_own_id_tokens_of_this_client() {
    let (_simulator, handle) = world(WORLD).await;
    let foreign = handle.token(&TokenRequest::new("idp.example.com", "alice", "other")).unwrap();
    for (field, value) in [
        ("subject_token", foreign),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token".to_owned()),
        ("audience", String::new()),
    ] {
        let mut form = first_leg(&handle);
        form.insert(field, value);
        let (status, body) = token(&handle, "idp.example.com", &form).await;
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_request")), "{field}: {body}");
    }
}

#[tokio::test]
async fn an_assertion_for_others_is_refused() {
    let (_simulator, handle) = world(WORLD).await;
    let given = |change: (&'static str, &'static str)| {
        let mut form = first_leg(&handle);
        form.insert(change.0, change.1.to_owned());
        let handle = &handle;
        async move { token(handle, "idp.example.com", &form).await.1["access_token"].as_str().unwrap().to_owned() }
    };
    let elsewhere = given(("audience", "https://elsewhere.example.com")).await;
    let to_endpoint = given(("audience", "https://auth.example.com/protocol/openid-connect/token")).await;
    let good = given(("scope", "read")).await;
    let other = [("client_id", "other"), ("client_secret", "at-resource")];
    let wrong_target = [("resource", "https://elsewhere.example.com")];
    for (assertion, changes, error, reason) in [
        (&elsewhere, &[][..], "invalid_grant", "audience"),
        (&to_endpoint, &[], "invalid_grant", "`aud`"),
        (&good, &other, "invalid_grant", "for the client `gateway`"),
        (&good, &wrong_target, "invalid_target", "not part of"),
        (&"opaque".to_owned(), &[], "invalid_grant", "not a JWT"),
    ] {
        let mut form = second_leg(assertion);
        form.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let (status, body) = token(&handle, "auth.example.com", &form).await;
        assert_eq!((status, body["error"].as_str()), (400, Some(error)), "{reason}: {body}");
        assert!(body["error_description"].as_str().unwrap().contains(reason), "{reason}: {body}");
    }
}

#[tokio::test]
async fn a_plain_assertion_of_a_trusted_issuer_is_taken() {
    let (_simulator, handle) = world(WORLD).await;
    let issue = |issuer: &str, audience: &str, fault| {
        handle.token(&TokenRequest { fault, ..TokenRequest::new(issuer, "alice", audience) }).unwrap()
    };
    let endpoint = "https://auth.example.com/protocol/openid-connect/token";
    for audience in ["https://auth.example.com", endpoint] {
        let mut form = second_leg(&issue("idp.example.com", audience, TokenFault::None));
        form.insert("resource", RESOURCE.to_owned());
        assert_eq!(token(&handle, "auth.example.com", &form).await.0, 200);
    }
    for (issuer, fault) in [
        ("stranger.example.com", TokenFault::None),
        ("idp.example.com", TokenFault::Expired),
        ("idp.example.com", TokenFault::WrongKey),
    ] {
        let form = second_leg(&issue(issuer, endpoint, fault));
        assert_eq!(token(&handle, "auth.example.com", &form).await.1["error"], "invalid_grant", "{issuer} {fault:?}");
    }
}
