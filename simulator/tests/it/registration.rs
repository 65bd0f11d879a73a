//! Clients that register themselves.

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::WorldHandle;

use crate::client::{client, url, world};

const WORLD: &str = "authorizationServers: [{host: auth.company.com, registration: true}]";
const CALLBACK: &str = "https://gateway.example.com/callback";

async fn register(handle: &WorldHandle, metadata: &Value) -> (StatusCode, Value) {
    let endpoint = url(handle, "https://auth.company.com/protocol/openid-connect/register");
    let response = client(handle, &["public"]).post(endpoint).json(metadata).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_client_registers_and_uses_what_it_got() {
    let (_simulator, handle) = world(WORLD).await;
    let metadata = json!({
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "client_credentials"],
        "token_endpoint_auth_method": "client_secret_post",
        "client_name": "a gateway",
        "application_type": "web",
        "software_id": "not understood",
    });
    let (status, client_information) = register(&handle, &metadata).await;
    assert_eq!(status, StatusCode::CREATED, "{client_information}");
    assert_eq!(client_information["redirect_uris"], json!([CALLBACK]));
    assert_eq!(client_information["client_name"], "a gateway");
    assert_eq!(client_information["client_secret_expires_at"], 0);
    let text = |name: &str| client_information[name].as_str().unwrap().to_owned();
    let endpoint = url(&handle, "https://auth.company.com/protocol/openid-connect/token");
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", text("client_id")),
        ("client_secret", text("client_secret")),
    ];
    let response = client(&handle, &["public"]).post(endpoint).form(&form).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn without_wishes_a_client_gets_the_code_grant_and_a_secret() {
    let (_simulator, handle) = world(WORLD).await;
    let (_, basic) = register(&handle, &json!({"redirect_uris": [CALLBACK]})).await;
    assert_eq!(basic["grant_types"], json!(["authorization_code"]));
    assert_eq!(basic["token_endpoint_auth_method"], "client_secret_basic");
    assert!(basic["client_secret"].is_string());
    let public = json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"});
    assert!(register(&handle, &public).await.1.get("client_secret").is_none());
}

#[tokio::test]
async fn metadata_that_make_no_sense_are_refused() {
    let (_simulator, handle) = world(WORLD).await;
    for (metadata, error) in [
        (json!({}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["http://gateway.example.com/callback"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["https://a.example.com/#x"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": [CALLBACK], "grant_types": ["password"]}), "invalid_client_metadata"),
        (json!({"redirect_uris": [CALLBACK], "response_types": ["token"]}), "invalid_client_metadata"),
        (json!({"redirect_uris": [CALLBACK], "application_type": "toaster"}), "invalid_client_metadata"),
        (
            json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "tls_client_auth"}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt"}),
            "invalid_client_metadata",
        ),
        (json!({"redirect_uris": [CALLBACK], "jwks": {"keys": []}}), "invalid_client_metadata"),
        (json!({"redirect_uris": [CALLBACK], "jwks_uri": "https://a.example.com/keys"}), "invalid_client_metadata"),
        (json!({"redirect_uris": CALLBACK}), "invalid_client_metadata"),
    ] {
        let (status, body) = register(&handle, &metadata).await;
        assert_eq!((status.as_u16(), body["error"].as_str()), (400, Some(error)), "{metadata}: {body}");
    }
}

#[tokio::test]
async fn registration_is_off_unless_the_world_says_so() {
    let (_simulator, handle) = world("authorizationServers: [{host: auth.company.com}]").await;
    let endpoint = url(&handle, "https://auth.company.com/protocol/openid-connect/register");
    let response = client(&handle, &["public"]).post(endpoint).json(&json!({})).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}
