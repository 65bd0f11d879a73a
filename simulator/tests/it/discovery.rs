//! Metadata and keys of authorization servers.

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::{TokenRequest, WorldChange};

use crate::client::{client, url, world};

const WORLD: &str = "
authorizationServers:
  - host: auth.company.com
    issuer: https://auth.company.com/realms/tools
    users: [alice]
";

#[tokio::test]
async fn metadata_is_found_where_both_standards_put_it() {
    let (_simulator, handle) = world(WORLD).await;
    let client = client(&handle, &["public"]);
    for place in [
        "https://auth.company.com/realms/tools/.well-known/openid-configuration",
        "https://auth.company.com/.well-known/openid-configuration/realms/tools",
        "https://auth.company.com/.well-known/oauth-authorization-server/realms/tools",
    ] {
        let document: Value = client.get(url(&handle, place)).send().await.unwrap().json().await.unwrap();
        assert_eq!(document["issuer"], "https://auth.company.com/realms/tools", "{place}");
        assert_eq!(document["token_endpoint"], "https://auth.company.com/realms/tools/protocol/openid-connect/token");
    }
    let elsewhere =
        client.get(url(&handle, "https://auth.company.com/.well-known/openid-configuration")).send().await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_rotated_key_is_published_beside_the_one_before_it() {
    let (_simulator, handle) = world(WORLD).await;
    let client = client(&handle, &["public"]);
    let keys = || async {
        let keys: Value = client
            .get(url(&handle, "https://auth.company.com/realms/tools/protocol/openid-connect/certs"))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = keys().await;
    handle.update(WorldChange::RotateSigningKey("auth.company.com".into())).await.unwrap();
    let after = keys().await;
    assert_eq!((before.len(), after.len()), (1, 2));
    assert_eq!(after[1], before[0]);
    let token = handle.token(&TokenRequest::new("https://auth.company.com/realms/tools", "alice", "x")).unwrap();
    assert_eq!(jsonwebtoken::decode_header(&token).unwrap().kid.unwrap(), after[0]);
}

#[tokio::test]
async fn metadata_name_what_there_is_and_what_the_world_wants() {
    let description = "
authorizationServers:
  - {host: auth.company.com, clients: [{id: a, secret: x, authentication: [basic]}], metadata: {code_challenge_methods_supported: null, issuer: 'https://other'}}
  - {host: open.company.com, registration: true, scopes: [read]}
";
    let (_simulator, handle) = world(description).await;
    let document = |host: &str| {
        let place = url(&handle, &format!("https://{host}/.well-known/oauth-authorization-server"));
        let request = client(&handle, &["public"]).get(place).send();
        async { request.await.unwrap().json::<Value>().await.unwrap() }
    };
    let closed = document("auth.company.com").await;
    assert_eq!(closed["token_endpoint_auth_methods_supported"], json!(["client_secret_basic"]));
    assert_eq!((closed.get("code_challenge_methods_supported"), &closed["issuer"]), (None, &json!("https://other")));
    assert!(closed.get("registration_endpoint").is_none() && closed.get("scopes_supported").is_none());
    let open = document("open.company.com").await;
    assert_eq!(open["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(open["registration_endpoint"], "https://open.company.com/protocol/openid-connect/register");
    assert_eq!(open["token_endpoint_auth_methods_supported"].as_array().unwrap().len(), 4);
    // RFC 8414, 2: required of each endpoint that takes private_key_jwt.
    for endpoint in ["token", "introspection", "revocation"] {
        let signing = &open[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
        assert!(
            signing.as_array().is_some_and(|algorithms| algorithms.contains(&json!("ES256"))),
            "{endpoint}: {signing}"
        );
    }
}
