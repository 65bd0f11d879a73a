//! Who may call: tokens of an issuer whose keys are made here.

use crate::in_support::{Client, Running, start};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::KeyPair;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const AUDIENCE: &str = "engineering-vmcp";

/// An authorization server: its discovery document, its keys, and how often they were asked for.
#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) url: String,
    keys: Arc<Mutex<Vec<(String, KeyPair)>>>,
    fetched: Arc<AtomicUsize>,
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            keys: Arc::default(),
            fetched: Arc::default(),
        };
        issuer.add_key("one");
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/keys", get(keys))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        issuer
    }

    fn add_key(&self, id: &str) {
        self.keys.lock().unwrap().push((id.to_owned(), KeyPair::generate().unwrap()));
    }

    fn sign(&self, key: &str, claims: &Value) -> String {
        let keys = self.keys.lock().unwrap();
        let (_, pair) = keys.iter().find(|(id, _)| id == key).unwrap();
        sign(key, pair, claims)
    }

    fn claims(&self, subject: &str) -> Value {
        json!({"iss": self.url, "sub": subject, "aud": [AUDIENCE, "other"], "exp": now() + 600})
    }

    pub(crate) fn token(&self, subject: &str) -> String {
        self.sign("one", &self.claims(subject))
    }

    /// A token for another audience.
    pub(crate) fn token_for_audience(&self, subject: &str, audience: &str) -> String {
        let mut claims = self.claims(subject);
        claims["aud"] = audience.into();
        self.sign("one", &claims)
    }

    /// How often its keys were asked for.
    pub(crate) fn fetched(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }

    /// A token that is good for so many seconds.
    pub(crate) fn token_for(&self, subject: &str, seconds: u64) -> String {
        let mut claims = self.claims(subject);
        claims["exp"] = (now() + seconds).into();
        self.sign("one", &claims)
    }
}

fn sign(key_id: &str, pair: &KeyPair, claims: &Value) -> String {
    let header = Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::ES256) };
    encode(&header, claims, &EncodingKey::from_ec_der(&pair.serialize_der())).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

async fn configuration(State(issuer): State<Issuer>) -> Json<Value> {
    Json(json!({"issuer": issuer.url, "jwks_uri": format!("{}/keys", issuer.url)}))
}

async fn keys(State(issuer): State<Issuer>) -> Json<Value> {
    issuer.fetched.fetch_add(1, Ordering::SeqCst);
    let keys = issuer.keys.lock().unwrap();
    let mut all: Vec<Value> = keys.iter().map(|(id, pair)| public_key(id, pair)).collect();
    all.push(json!({"kty": "UNKNOWN", "kid": "strange"}));
    Json(json!({ "keys": all }))
}

fn public_key(id: &str, pair: &KeyPair) -> Value {
    let key = EncodingKey::from_ec_der(&pair.serialize_der());
    let mut key = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    key.common.key_id = Some(id.to_owned());
    serde_json::to_value(key).unwrap()
}

async fn gateway(issuer: &Issuer) -> Running {
    start(&config(issuer), &["--egress-allow", "oidc=127.0.0.0/8"]).await
}

/// The configuration of a gateway whose clients have tokens of `issuer`.
pub(crate) fn config(issuer: &Issuer) -> String {
    format!(
        "
name: engineering
groupRef: engineering-tools
incomingAuth:
  type: oidc
  oidc:
    issuer: {}
    audience: {AUDIENCE}
    resource: http://vmcp-engineering.default.svc:4483
    scopes: [openid]
    insecureAllowHttp: true
outgoingAuth: {{source: inline}}
",
        issuer.url
    )
}

/// The same client, with this token.
pub(crate) fn with_token(client: &Client, token: &str) -> Client {
    client.with("authorization", &format!("Bearer {token}"))
}

/// What a client is told that presents this token and has no session: the status, and why not.
pub(crate) async fn verdict(client: &Client, token: &str) -> (StatusCode, String) {
    let answer = with_token(client, token).get("/mcp").await;
    let challenge = answer.header("www-authenticate");
    let reason = challenge.split("error_description=\"").nth(1).unwrap_or_default().trim_end_matches('"');
    (answer.status, reason.to_owned())
}

#[tokio::test]
async fn without_a_token_the_client_learns_where_to_get_one() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer).await;
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let answer = gateway.client().send(method, "/mcp", "not even JSON").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        let metadata = "http://vmcp-engineering.default.svc:4483/.well-known/oauth-protected-resource";
        let challenge = format!("Bearer resource_metadata=\"{metadata}\", scope=\"openid\"");
        assert_eq!(answer.header("www-authenticate"), challenge);
    }
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let metadata = gateway.client().get(path).await.json();
        let expected = json!({
            "resource": "http://vmcp-engineering.default.svc:4483",
            "authorization_servers": [issuer.url],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["openid"],
        });
        assert_eq!(metadata, expected, "{path}");
    }
    for open in ["/health", "/readyz", "/status"] {
        assert_eq!(gateway.client().get(open).await.status, StatusCode::OK, "{open}");
    }
}

#[tokio::test]
async fn a_good_token_is_let_in_and_its_keys_are_fetched_once() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer).await;
    let tokens: Vec<_> = (0..20).map(|user| issuer.token(&format!("user-{user}"))).collect();
    let calls = tokens.iter().map(|token| {
        let mut client = with_token(&gateway.client(), token);
        async move {
            client.initialize().await;
        }
    });
    futures::future::join_all(calls).await;
    assert_eq!(issuer.fetched(), 1);
}

#[tokio::test]
async fn every_wrong_token_is_refused_with_its_reason() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer).await;
    let client = gateway.client();
    let with = |key: &str, value: Value| {
        let mut claims = issuer.claims("alice");
        claims[key] = value;
        issuer.sign("one", &claims)
    };
    let without = |key: &str| {
        let mut claims = issuer.claims("alice");
        claims.as_object_mut().unwrap().remove(key);
        issuer.sign("one", &claims)
    };
    let other_key = sign("one", &KeyPair::generate().unwrap(), &issuer.claims("alice"));
    let body = URL_SAFE_NO_PAD.encode(issuer.claims("alice").to_string());
    let unsigned = format!("{}.{body}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT","kid":"one"}"#));
    let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::HS256) };
    let shared_secret = encode(&header, &issuer.claims("alice"), &EncodingKey::from_secret(b"secret")).unwrap();
    let lacking = "the token lacks one of the claims iss, sub, aud and exp, or has it in the wrong type";
    for (token, reason) in [
        (with("exp", json!(now() - 120)), "the token has expired"),
        (with("nbf", json!(now() + 120)), "the token is not valid yet"),
        (with("iss", json!("https://other.example")), "the token is of another issuer"),
        (with("aud", json!("other")), "the token is for another audience"),
        (without("exp"), lacking),
        (without("aud"), lacking),
        (without("iss"), lacking),
        (without("sub"), lacking),
        (other_key, "the token's signature is wrong"),
        (unsigned, "the token is not a JWT"),
        (shared_secret, "the token's signature algorithm is not accepted"),
        ("opaque".to_owned(), "the token is not a JWT"),
        ("x".repeat(20_000), "the token is too long"),
    ] {
        assert_eq!(verdict(&client, &token).await, (StatusCode::UNAUTHORIZED, reason.to_owned()));
    }
    let within_leeway = with("exp", json!(now() - 5));
    assert_eq!(verdict(&client, &within_leeway).await.0, StatusCode::BAD_REQUEST, "a session is missing, no more");
    let twice = client.with("authorization", "Bearer");
    assert_eq!(twice.get("/mcp").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(client.with("authorization", "Basic eDp5").get("/mcp").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_rotated_key_is_found_and_unknown_keys_do_not_flood_the_issuer() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer).await;
    let client = gateway.client();
    assert_eq!(verdict(&client, &issuer.token("alice")).await.0, StatusCode::BAD_REQUEST);
    issuer.add_key("two");
    let token = issuer.sign("two", &issuer.claims("alice"));
    assert_eq!(verdict(&client, &token).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(issuer.fetched(), 2);
    let stranger = KeyPair::generate().unwrap();
    let floods = (0..50).map(|number| {
        let token = sign(&format!("unknown-{number}"), &stranger, &issuer.claims("alice"));
        let client = client.clone();
        async move { verdict(&client, &token).await }
    });
    for (status, reason) in futures::future::join_all(floods).await {
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(reason, "the token is signed by a key that its issuer does not publish");
    }
    assert_eq!(issuer.fetched(), 2);
}

#[tokio::test]
async fn a_session_belongs_to_the_user_who_started_it() {
    let issuer = Issuer::start().await;
    let gateway = gateway(&issuer).await;
    let mut alice = with_token(&gateway.client(), &issuer.token("alice"));
    alice.initialize().await;
    let bob = with_token(&alice, &issuer.token("bob"));
    assert_eq!(bob.request("ping", json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bob.send(Method::DELETE, "/mcp", "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(bob.get("/mcp").await.status, StatusCode::NOT_FOUND);
    // A new token of the same user is the same user.
    let mut claims = issuer.claims("alice");
    claims["exp"] = json!(now() + 700);
    let renewed = with_token(&alice, &issuer.sign("one", &claims));
    assert_eq!(renewed.request("ping", json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_unreachable_issuer_is_no_fault_of_the_token() {
    let issuer = Issuer { url: "http://127.0.0.1:9".to_owned(), keys: Arc::default(), fetched: Arc::default() };
    issuer.add_key("one");
    let gateway = gateway(&issuer).await;
    let answer = with_token(&gateway.client(), &issuer.token("alice")).get("/mcp").await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    assert_eq!(answer.header("www-authenticate"), "");
}
