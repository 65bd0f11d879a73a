//! How clients prove who they are at the token endpoint.

use std::collections::BTreeMap;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::WorldHandle;

use crate::client::{client, url, world};

const ISSUER: &str = "https://auth.company.com";
const TOKEN: &str = "https://auth.company.com/protocol/openid-connect/token";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client with a key, which says so in an assertion.
struct Signer {
    pair: KeyPair,
    algorithm: Algorithm,
}

impl Signer {
    fn ec() -> Self {
        Self { pair: KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap(), algorithm: Algorithm::ES256 }
    }

    fn rsa() -> Self {
        Self { pair: KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap(), algorithm: Algorithm::PS256 }
    }

    fn key(&self) -> EncodingKey {
        let pem = self.pair.serialize_pem();
        match self.algorithm {
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(),
            _ => EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
        }
    }

    fn sign(&self, key_id: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = key_id.map(str::to_owned);
        jsonwebtoken::encode(&header, claims, &self.key()).unwrap()
    }
}

fn claims(client: &str, id: &str) -> Value {
    json!({"iss": client, "sub": client, "aud": ISSUER, "jti": id, "exp": jiff::Timestamp::now().as_second() + 60})
}

/// A world with a client for each key: one knows it in PEM, the other as a JWK Set.
fn description(pem: &Signer, jwk: &Signer) -> String {
    let mut key = jsonwebtoken::jwk::Jwk::from_encoding_key(&jwk.key(), jwk.algorithm).unwrap();
    key.common.key_id = Some("first".to_owned());
    let world = json!({"authorizationServers": [{
        "host": "auth.company.com",
        "clients": [
            {"id": "pem", "publicKey": pem.pair.public_key_pem()},
            {"id": "set", "keys": {"keys": [key]}, "grants": ["client-credentials"]},
            {"id": "secret", "secret": "a+b%", "authentication": ["basic"]},
            {"id": "public"},
        ],
    }]});
    world.to_string()
}

async fn ask(handle: &WorldHandle, form: &[(&str, &str)]) -> (StatusCode, Value) {
    let mut fields = vec![("grant_type", "client_credentials")];
    fields.extend(form);
    let response = client(handle, &["public"]).post(url(handle, TOKEN)).form(&fields).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

async fn with_assertion(handle: &WorldHandle, assertion: &str) -> (StatusCode, Value) {
    ask(handle, &[("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]).await
}

#[tokio::test]
async fn a_signed_assertion_authenticates_once() {
    let (pem, jwk) = (Signer::ec(), Signer::rsa());
    let (_simulator, handle) = world(&description(&pem, &jwk)).await;
    let assertion = pem.sign(None, &claims("pem", "1"));
    let (status, body) = with_assertion(&handle, &assertion).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let (status, body) = with_assertion(&handle, &assertion).await;
    assert_eq!((status.as_u16(), body["error"].as_str()), (401, Some("invalid_client")));
    assert!(body["error_description"].as_str().unwrap().contains("used before"), "{body}");

    let mut to_endpoint = claims("set", "1");
    to_endpoint["aud"] = json!([TOKEN]);
    assert_eq!(with_assertion(&handle, &jwk.sign(Some("first"), &to_endpoint)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_assertion_that_proves_nothing_is_refused_with_the_reason() {
    let (pem, jwk) = (Signer::ec(), Signer::rsa());
    let (_simulator, handle) = world(&description(&pem, &jwk)).await;
    let altered = |name: &str, value: Value| {
        let mut claims = claims("pem", name);
        claims[name] = value;
        pem.sign(None, &claims)
    };
    let past = jiff::Timestamp::now().as_second() - 1;
    for (assertion, reason) in [
        (altered("aud", json!("https://elsewhere.example.com")), "`aud`"),
        (altered("iss", json!("set")), "`iss`"),
        (altered("exp", json!(past)), "expired"),
        (altered("exp", Value::Null), "no `exp`"),
        (altered("nbf", json!(past + 3600)), "not valid yet"),
        (altered("jti", Value::Null), "no `jti`"),
        (altered("sub", json!("nobody")), "no client `nobody`"),
        (altered("sub", json!("public")), "is public"),
        (altered("sub", json!("secret")), "may not authenticate with private_key_jwt"),
        (Signer::ec().sign(None, &claims("pem", "x")), "no key of the client"),
        (jwk.sign(Some("second"), &claims("set", "x")), "no key of the client"),
        ("opaque".to_owned(), "not a JWT"),
    ] {
        let (status, body) = with_assertion(&handle, &assertion).await;
        assert_eq!((status.as_u16(), body["error"].as_str()), (401, Some("invalid_client")), "{reason}: {body}");
        assert!(body["error_description"].as_str().unwrap().contains(reason), "{reason}: {body}");
    }
}

#[tokio::test]
async fn a_client_authenticates_in_one_way_and_in_its_own() {
    let (pem, jwk) = (Signer::ec(), Signer::rsa());
    let (_simulator, handle) = world(&description(&pem, &jwk)).await;
    let assertion = pem.sign(None, &claims("pem", "1"));
    let both = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", &assertion), ("client_secret", "x")];
    assert_eq!(ask(&handle, &both).await.1["error"], "invalid_request");
    let unnamed = [("client_assertion", assertion.as_str())];
    assert_eq!(ask(&handle, &unnamed).await.1["error"], "invalid_request");
    let another = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", &assertion), ("client_id", "set")];
    assert_eq!(ask(&handle, &another).await.1["error"], "invalid_request");
    for (form, reason) in [
        (BTreeMap::from([("client_id", "pem")]), "must authenticate with private_key_jwt"),
        (BTreeMap::from([("client_id", "pem"), ("client_secret", "x")]), "but with private_key_jwt"),
        (BTreeMap::from([("client_id", "secret"), ("client_secret", "a+b%")]), "but with client_secret_basic"),
    ] {
        let (status, body) = ask(&handle, &form.into_iter().collect::<Vec<_>>()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(body["error_description"].as_str().unwrap().contains(reason), "{reason}: {body}");
    }
}

#[tokio::test]
async fn basic_credentials_are_form_encoded() {
    let (_simulator, handle) = world(&description(&Signer::ec(), &Signer::rsa())).await;
    let ask = |password: &'static str| {
        let request = client(&handle, &["public"]).post(url(&handle, TOKEN)).basic_auth("secret", Some(password));
        request.form(&[("grant_type", "client_credentials")]).send()
    };
    assert_eq!(ask("a%2Bb%25").await.unwrap().status(), StatusCode::OK);
    let plain = ask("a+b%").await.unwrap();
    assert_eq!(plain.status(), StatusCode::UNAUTHORIZED);
    assert!(plain.text().await.unwrap().contains("RFC 6749 (2.3.1)"));
}

#[tokio::test]
async fn a_client_uses_its_grants_alone() {
    let (pem, jwk) = (Signer::ec(), Signer::rsa());
    let (_simulator, handle) = world(&description(&pem, &jwk)).await;
    let assertion = jwk.sign(None, &claims("set", "1"));
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", &assertion),
    ];
    let response = client(&handle, &["public"]).post(url(&handle, TOKEN)).form(&form).send().await.unwrap();
    assert_eq!(response.json::<Value>().await.unwrap()["error"], "unauthorized_client");
}

#[tokio::test]
async fn tokens_are_signed_with_rsa_where_the_world_says_so() {
    let (_simulator, handle) =
        world("authorizationServers: [{host: auth.company.com, signing: RS256, users: [alice]}]").await;
    let token = handle.token(&simulator::TokenRequest::new("auth.company.com", "alice", "x")).unwrap();
    let keys = url(&handle, "https://auth.company.com/protocol/openid-connect/certs");
    let keys: Value = client(&handle, &["public"]).get(keys).send().await.unwrap().json().await.unwrap();
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys).unwrap();
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.alg, Algorithm::RS256);
    let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(Algorithm::RS256);
    validation.set_audience(&["x"]);
    assert_eq!(jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap().claims["sub"], "alice");
}
