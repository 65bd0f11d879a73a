//! Metadata and keys of authorization servers.

use reqwest::StatusCode;
use serde_json::Value;
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
