//! The token endpoint: token exchange, client credentials, and each refusal.

use std::collections::BTreeMap;

use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use simulator::{TokenFault, TokenRequest, WorldChange, WorldHandle};

use crate::client::{client, url, world};

const WORLD: &str = "
authorizationServers:
  - {host: idp.example.com, users: [alice]}
  - {host: stranger.example.com, users: [eve]}
  - host: auth.company.com
    trusts: [idp.example.com]
    audiences: [https://mcp.partner.example.com]
    scopes: [read, write]
    tokenLifetime: 90s
    clients:
      - {id: gateway, secret: 's3cr3t:with/odd&characters'}
      - {id: post-only, secret: other, authentication: [post]}
      - {id: public}
";
const SECRET: &str = "s3cr3t:with/odd&characters";

fn endpoint(handle: &WorldHandle) -> RequestBuilder {
    client(handle, &["public"]).post(url(handle, "https://auth.company.com/protocol/openid-connect/token"))
}

fn subject(handle: &WorldHandle) -> String {
    handle.token(&TokenRequest::new("idp.example.com", "alice", "engineering-vmcp")).unwrap()
}

fn form(token: &str) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange".to_owned()),
        ("subject_token", token.to_owned()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token".to_owned()),
        ("audience", "https://mcp.partner.example.com".to_owned()),
        ("client_id", "gateway".to_owned()),
        ("client_secret", SECRET.to_owned()),
    ])
}

#[tokio::test]
async fn a_users_token_is_exchanged() {
    let (_simulator, handle) = world(WORLD).await;
    let mut form = form(&subject(&handle));
    form.insert("scope", "read".to_owned());
    let response = endpoint(&handle).form(&form).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!(
        (body["token_type"].as_str(), body["expires_in"].as_u64(), body["scope"].as_str()),
        (Some("Bearer"), Some(90), Some("read"))
    );

    let keys: Value = client(&handle, &["public"])
        .get(url(&handle, "https://auth.company.com/protocol/openid-connect/certs"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys).unwrap();
    let token = body["access_token"].as_str().unwrap();
    let key = keys.find(&jsonwebtoken::decode_header(token).unwrap().kid.unwrap()).unwrap().clone();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&["https://mcp.partner.example.com"]);
    validation.set_issuer(&["https://auth.company.com"]);
    let claims = jsonwebtoken::decode::<Value>(token, &jsonwebtoken::DecodingKey::from_jwk(&key).unwrap(), &validation)
        .unwrap()
        .claims;
    assert_eq!((claims["sub"].as_str(), claims["client_id"].as_str()), (Some("alice"), Some("gateway")));
}

#[tokio::test]
async fn a_client_may_authenticate_with_http_basic() {
    let (_simulator, handle) = world(WORLD).await;
    let mut form = form(&subject(&handle));
    form.remove("client_id");
    form.remove("client_secret");
    let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let response = endpoint(&handle).basic_auth("gateway", Some(&encoded)).form(&form).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let refused = endpoint(&handle).basic_auth("gateway", Some("wrong")).form(&form).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(refused.headers().contains_key("www-authenticate"));
    let refused = endpoint(&handle).basic_auth("post-only", Some("other")).form(&form).send().await.unwrap();
    assert_eq!(refused.json::<Value>().await.unwrap()["error"], "invalid_client");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let (_simulator, handle) = world(WORLD).await;
    let good = subject(&handle);
    let faulty =
        |fault| handle.token(&TokenRequest { fault, ..TokenRequest::new("idp.example.com", "alice", "x") }).unwrap();
    let stranger = handle.token(&TokenRequest::new("stranger.example.com", "eve", "x")).unwrap();
    let cases: Vec<(&str, Option<String>, &str, u16)> = vec![
        ("client_secret", Some("wrong".to_owned()), "invalid_client", 401),
        ("client_secret", None, "invalid_client", 401),
        ("client_id", Some("nobody".to_owned()), "invalid_client", 401),
        ("grant_type", Some("password".to_owned()), "unsupported_grant_type", 400),
        ("grant_type", None, "invalid_request", 400),
        ("subject_token", None, "invalid_request", 400),
        ("subject_token_type", None, "invalid_request", 400),
        ("subject_token_type", Some("urn:ietf:params:oauth:token-type:saml2".to_owned()), "invalid_request", 400),
        ("requested_token_type", Some("urn:ietf:params:oauth:token-type:saml2".to_owned()), "invalid_request", 400),
        ("actor_token", Some(good.clone()), "invalid_request", 400),
        ("actor_token_type", Some("urn:ietf:params:oauth:token-type:jwt".to_owned()), "invalid_request", 400),
        ("audience", Some("https://elsewhere.example.com".to_owned()), "invalid_target", 400),
        ("resource", Some("not a uri".to_owned()), "invalid_target", 400),
        ("scope", Some("admin".to_owned()), "invalid_scope", 400),
        ("subject_token", Some(stranger), "invalid_request", 400),
        ("subject_token", Some("opaque".to_owned()), "invalid_request", 400),
        ("subject_token", Some(faulty(TokenFault::Expired)), "invalid_request", 400),
        ("subject_token", Some(faulty(TokenFault::NotYetValid)), "invalid_request", 400),
        ("subject_token", Some(faulty(TokenFault::WrongKey)), "invalid_request", 400),
        ("subject_token", Some(faulty(TokenFault::UnknownKey)), "invalid_request", 400),
        ("subject_token", Some(faulty(TokenFault::AlgNone)), "invalid_request", 400),
        ("subject_token", Some(faulty(TokenFault::Tampered)), "invalid_request", 400),
        ("subject_token", Some(faulty(TokenFault::WrongIssuer)), "invalid_request", 400),
    ];
    for (index, (field, value, error, status)) in cases.into_iter().enumerate() {
        let mut form = form(&good);
        match value {
            Some(value) => form.insert(field, value),
            None => form.remove(field),
        };
        let response = endpoint(&handle).form(&form).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "case {index}, {field}");
        assert_eq!(response.json::<Value>().await.unwrap()["error"], error, "case {index}, {field}");
    }
}

#[tokio::test]
async fn a_parameter_given_twice_and_a_json_body_are_refused() {
    let (_simulator, handle) = world(WORLD).await;
    let twice =
        endpoint(&handle).header("content-type", "application/x-www-form-urlencoded").body("grant_type=a&grant_type=b");
    assert_eq!(twice.send().await.unwrap().json::<Value>().await.unwrap()["error"], "invalid_request");
    let json = endpoint(&handle).json(&form("x"));
    assert_eq!(json.send().await.unwrap().json::<Value>().await.unwrap()["error"], "invalid_request");
    let get = client(&handle, &["public"]).get(url(&handle, "https://auth.company.com/protocol/openid-connect/token"));
    assert_eq!(get.send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_client_gets_a_token_of_its_own() {
    let (_simulator, handle) = world(WORLD).await;
    let form = [("grant_type", "client_credentials"), ("client_id", "gateway"), ("client_secret", SECRET)];
    let body: Value = endpoint(&handle).form(&form).send().await.unwrap().json().await.unwrap();
    assert!(body["access_token"].is_string());
    assert!(body.get("issued_token_type").is_none());
    let public = [("grant_type", "client_credentials"), ("client_id", "public")];
    let refused: Value = endpoint(&handle).form(&public).send().await.unwrap().json().await.unwrap();
    assert_eq!(refused["error"], "unauthorized_client");
}

#[tokio::test]
async fn a_changed_secret_replaces_the_old_one() {
    let (_simulator, handle) = world(WORLD).await;
    let change: WorldChange = serde_saphyr::from_str(
        "setClientSecret: {authorizationServer: auth.company.com, client: gateway, secret: new}",
    )
    .unwrap();
    handle.update(change).await.unwrap();
    let mut form = form(&subject(&handle));
    assert_eq!(endpoint(&handle).form(&form).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    form.insert("client_secret", "new".to_owned());
    assert_eq!(endpoint(&handle).form(&form).send().await.unwrap().status(), StatusCode::OK);
}
