//! The authorization code grant with PKCE, and refresh tokens.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use simulator::{Simulator, WorldChange, WorldHandle};

use crate::client::{client, knock, staying_client, url, world};

const ISSUER: &str = "https://auth.company.com";
const CALLBACK: &str = "https://gateway.example.com/callback";
const RESOURCE: &str = "https://mcp.example.com/mcp";
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-0";
const WORLD: &str = "
authorizationServers:
  - host: auth.company.com
    users: [alice, bob]
    signIn: alice
    scopes: [openid, read, write]
    clients:
      - {id: gateway, secret: s3cr3t, redirectUris: ['https://gateway.example.com/callback', 'http://127.0.0.1/callback']}
      - {id: public, redirectUris: ['https://gateway.example.com/callback']}
      - {id: other, secret: other, redirectUris: ['https://gateway.example.com/callback'], grants: [authorization-code]}
      - {id: machine, secret: machine}
servers:
  - url: https://mcp.example.com/mcp
    accepts: {issuer: auth.company.com, audience: https://mcp.example.com/mcp}
    tools: [{name: echo}]
";

type Fields = BTreeMap<&'static str, String>;

struct Flow {
    _simulator: Simulator,
    handle: WorldHandle,
}

impl Flow {
    async fn new(description: &str) -> Self {
        let (simulator, handle) = world(description).await;
        Self { _simulator: simulator, handle }
    }

    fn request() -> Fields {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        BTreeMap::from([
            ("response_type", "code".to_owned()),
            ("client_id", "gateway".to_owned()),
            ("redirect_uri", CALLBACK.to_owned()),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256".to_owned()),
            ("state", "a b&c".to_owned()),
            ("scope", "openid read".to_owned()),
            ("resource", RESOURCE.to_owned()),
            ("nonce", "n-1".to_owned()),
        ])
    }

    async fn authorize(&self, request: &Fields) -> Response {
        let mut target: url::Url =
            url(&self.handle, "https://auth.company.com/protocol/openid-connect/auth").parse().unwrap();
        target.query_pairs_mut().extend_pairs(request);
        staying_client(&self.handle, &["public"]).get(target).send().await.unwrap()
    }

    /// The parameters with which the user is sent back.
    async fn sent_back(&self, request: &Fields) -> BTreeMap<String, String> {
        let response = self.authorize(request).await;
        assert_eq!(response.status(), StatusCode::FOUND);
        let location: url::Url = response.headers()["location"].to_str().unwrap().parse().unwrap();
        assert!(location.as_str().starts_with(&request["redirect_uri"]), "{location}");
        location.query_pairs().into_owned().collect()
    }

    async fn code(&self, request: &Fields) -> String {
        self.sent_back(request).await["code"].clone()
    }

    async fn token(&self, form: &Fields) -> (u16, Value) {
        let endpoint = url(&self.handle, "https://auth.company.com/protocol/openid-connect/token");
        let response = client(&self.handle, &["public"]).post(endpoint).form(form).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn knock(&self, token: &Value) -> StatusCode {
        knock(&self.handle, RESOURCE, token.as_str().unwrap()).await
    }

    async fn change(&self, change: &str) {
        let change: WorldChange = serde_saphyr::from_str(change).unwrap();
        self.handle.update(change).await.unwrap();
    }
}

fn redemption(code: &str) -> Fields {
    BTreeMap::from([
        ("grant_type", "authorization_code".to_owned()),
        ("code", code.to_owned()),
        ("redirect_uri", CALLBACK.to_owned()),
        ("code_verifier", VERIFIER.to_owned()),
        ("client_id", "gateway".to_owned()),
        ("client_secret", "s3cr3t".to_owned()),
    ])
}

fn refresh(token: &Value) -> Fields {
    BTreeMap::from([
        ("grant_type", "refresh_token".to_owned()),
        ("refresh_token", token.as_str().unwrap().to_owned()),
        ("client_id", "gateway".to_owned()),
        ("client_secret", "s3cr3t".to_owned()),
    ])
}

fn claims(token: &Value) -> Value {
    let part = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_user_signs_in_and_the_client_gets_tokens() {
    let flow = Flow::new(WORLD).await;
    let back = flow.sent_back(&Flow::request()).await;
    assert_eq!((back["state"].as_str(), back["iss"].as_str()), ("a b&c", ISSUER));
    let (status, body) = flow.token(&redemption(&back["code"])).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!((body["token_type"].as_str(), body["scope"].as_str()), (Some("Bearer"), Some("openid read")));
    let access = claims(&body["access_token"]);
    assert_eq!((access["sub"].as_str(), access["aud"].as_str()), (Some("alice"), Some(RESOURCE)));
    let identity = claims(&body["id_token"]);
    assert_eq!((identity["aud"].as_str(), identity["nonce"].as_str()), (Some("gateway"), Some("n-1")));
    assert_eq!(flow.knock(&body["access_token"]).await, StatusCode::OK);
    assert_eq!(flow.knock(&body["id_token"]).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_hint_chooses_the_user_and_people_choose_on_a_page() {
    let flow = Flow::new(WORLD).await;
    let mut request = Flow::request();
    request.insert("login_hint", "bob".to_owned());
    let (_, body) = flow.token(&redemption(&flow.code(&request).await)).await;
    assert_eq!(claims(&body["access_token"])["sub"], "bob");

    flow.change("setSignIn: {authorizationServer: auth.company.com, user: null}").await;
    let page = flow.authorize(&Flow::request()).await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let page = page.text().await.unwrap();
    let link = |label: &str| {
        let end = page.find(&format!("\">{label}</a>")).unwrap();
        let target = page[..end].rsplit('"').next().unwrap().replace("&amp;", "&");
        url(&flow.handle, &format!("{ISSUER}{target}"))
    };
    let follow = |label: &str| staying_client(&flow.handle, &["public"]).get(link(label)).send();
    let location = follow("bob").await.unwrap().headers()["location"].to_str().unwrap().to_owned();
    assert!(location.starts_with(&format!("{CALLBACK}?code=")), "{location}");
    let location = follow("refuse").await.unwrap().headers()["location"].to_str().unwrap().to_owned();
    assert!(location.contains("error=access_denied") && location.contains("state=a+b%26c"), "{location}");

    let mut silent = Flow::request();
    silent.insert("prompt", "none".to_owned());
    assert_eq!(flow.sent_back(&silent).await["error"], "login_required");
}

#[tokio::test]
async fn nobody_is_sent_to_a_place_that_the_client_did_not_register() {
    let flow = Flow::new(WORLD).await;
    for (field, value) in [
        ("client_id", "nobody"),
        ("client_id", "machine"),
        ("redirect_uri", "https://gateway.example.com/callback/"),
        ("redirect_uri", "https://evil.example.com/callback"),
        ("redirect_uri", ""),
    ] {
        let mut request = Flow::request();
        request.insert(field, value.to_owned());
        let response = flow.authorize(&request).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{field}={value}");
        assert!(!response.headers().contains_key("location"));
    }
    let mut native = Flow::request();
    native.insert("redirect_uri", "http://127.0.0.1:53123/callback".to_owned());
    assert!(flow.sent_back(&native).await.contains_key("code"));
}

#[tokio::test]
async fn what_is_wrong_with_an_authorization_request_is_told_to_the_client() {
    let flow = Flow::new(WORLD).await;
    for (field, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "too-short", "invalid_request"),
        ("scope", "admin", "invalid_scope"),
        ("resource", "no uri", "invalid_target"),
        ("response_mode", "fragment", "invalid_request"),
        ("request", "x.y.z", "request_not_supported"),
    ] {
        let mut request = Flow::request();
        request.insert(field, value.to_owned());
        let back = flow.sent_back(&request).await;
        assert_eq!((back["error"].as_str(), back["iss"].as_str()), (error, ISSUER), "{field}={value}");
        assert_eq!(back["state"], "a b&c");
    }
}

#[tokio::test]
async fn a_code_is_for_its_client_redirection_verifier_and_resource() {
    let flow = Flow::new(WORLD).await;
    let code = flow.code(&Flow::request()).await;
    for (changes, error) in [
        (&[("code_verifier", "another-verifier-of-forty-three-characters-00")][..], "invalid_grant"),
        (&[("code_verifier", "")], "invalid_request"),
        (&[("redirect_uri", "http://127.0.0.1/callback")], "invalid_grant"),
        (&[("redirect_uri", "")], "invalid_grant"),
        (&[("code", "unknown")], "invalid_grant"),
        (&[("client_id", "other"), ("client_secret", "other")], "invalid_grant"),
        (&[("client_id", "public"), ("client_secret", "")], "invalid_grant"),
    ] {
        let mut form = redemption(&code);
        form.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let (status, body) = flow.token(&form).await;
        assert_eq!((status, body["error"].as_str()), (400, Some(error)), "{changes:?}: {body}");
    }
    assert_eq!(flow.token(&redemption(&code)).await.0, 200);

    let mut elsewhere = redemption(&flow.code(&Flow::request()).await);
    elsewhere.insert("resource", "https://elsewhere.example.com".to_owned());
    assert_eq!(flow.token(&elsewhere).await.1["error"], "invalid_target");

    let code = flow.code(&Flow::request()).await;
    flow.change("advanceClock: 61s").await;
    let (_, late) = flow.token(&redemption(&code)).await;
    assert!(late["error_description"].as_str().unwrap().contains("expired"), "{late}");
}

#[tokio::test]
async fn a_code_used_twice_ends_the_tokens_that_it_brought() {
    let flow = Flow::new(WORLD).await;
    let code = flow.code(&Flow::request()).await;
    let (_, tokens) = flow.token(&redemption(&code)).await;
    assert_eq!(flow.knock(&tokens["access_token"]).await, StatusCode::OK);
    assert_eq!(flow.token(&redemption(&code)).await.1["error"], "invalid_grant");
    assert_eq!(flow.knock(&tokens["access_token"]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(flow.token(&refresh(&tokens["refresh_token"])).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_is_replaced_and_reuse_ends_them_all() {
    let flow = Flow::new(WORLD).await;
    let (_, first) = flow.token(&redemption(&flow.code(&Flow::request()).await)).await;
    let mut narrow = refresh(&first["refresh_token"]);
    narrow.insert("scope", "write".to_owned());
    assert_eq!(flow.token(&narrow).await.1["error"], "invalid_scope");
    narrow.insert("scope", "read".to_owned());
    let (status, second) = flow.token(&narrow).await;
    assert_eq!((status, second["scope"].as_str()), (200, Some("read")), "{second}");
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    // The narrower token did not narrow the authorization (RFC 6749, 6).
    let (_, third) = flow.token(&refresh(&second["refresh_token"])).await;
    assert_eq!(third["scope"], "openid read");
    assert_eq!(flow.knock(&third["access_token"]).await, StatusCode::OK);

    let (_, stolen) = flow.token(&refresh(&first["refresh_token"])).await;
    assert!(stolen["error_description"].as_str().unwrap().contains("used before"), "{stolen}");
    assert_eq!(flow.token(&refresh(&third["refresh_token"])).await.1["error"], "invalid_grant");
    assert_eq!(flow.knock(&third["access_token"]).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn refresh_tokens_belong_to_a_client_and_expire() {
    let flow = Flow::new(WORLD).await;
    let (_, tokens) = flow.token(&redemption(&flow.code(&Flow::request()).await)).await;
    let mut foreign = refresh(&tokens["refresh_token"]);
    foreign.extend([("client_id", "public".to_owned()), ("client_secret", String::new())]);
    assert_eq!(flow.token(&foreign).await.1["error"], "invalid_grant");
    flow.change("advanceClock: 25h").await;
    assert_eq!(flow.token(&refresh(&tokens["refresh_token"])).await.1["error"], "invalid_grant");

    let mut request = Flow::request();
    request.insert("client_id", "other".to_owned());
    let mut form = redemption(&flow.code(&request).await);
    form.extend([("client_id", "other".to_owned()), ("client_secret", "other".to_owned())]);
    let (_, without) = flow.token(&form).await;
    assert!(without["access_token"].is_string() && without.get("refresh_token").is_none(), "{without}");
}

#[tokio::test]
async fn a_kept_refresh_token_stays_good_until_its_user_goes() {
    let flow = Flow::new(&WORLD.replace("signIn: alice", "signIn: alice\n    refreshTokens: keep")).await;
    let (_, tokens) = flow.token(&redemption(&flow.code(&Flow::request()).await)).await;
    for _ in 0..2 {
        let (status, again) = flow.token(&refresh(&tokens["refresh_token"])).await;
        assert_eq!((status, again.get("refresh_token")), (200, None), "{again}");
    }
    flow.change("setSignIn: {authorizationServer: auth.company.com, user: bob}").await;
    flow.change("setUsers: {authorizationServer: auth.company.com, users: [bob]}").await;
    let (_, gone) = flow.token(&refresh(&tokens["refresh_token"])).await;
    assert!(gone["error_description"].as_str().unwrap().contains("no user `alice`"), "{gone}");
}

#[tokio::test]
async fn a_public_client_proves_itself_by_its_verifier() {
    let flow = Flow::new(WORLD).await;
    let mut request = Flow::request();
    request.insert("client_id", "public".to_owned());
    let mut form = redemption(&flow.code(&request).await);
    form.insert("client_id", "public".to_owned());
    form.remove("client_secret");
    assert_eq!(flow.token(&form).await.0, 200);
}
