//! Certificates: who signs them, for whom they are valid, and what is wrong with the faulty ones.

use std::error::Error as _;

use simulator::{WorldChange, WorldHandle};

use crate::client::{client, url, world};

const WORLD: &str = "
authorities: [partner-ca]
servers:
  - {url: https://public.example.com/mcp}
  - {url: https://private.example.com/a, certificate: {issuer: partner-ca}}
  - {url: https://private.example.com/b}
  - {url: https://expired.example.com/mcp, certificate: {fault: expired}}
  - {url: https://early.example.com/mcp, certificate: {fault: not-yet-valid}}
  - {url: https://wrong.example.com/mcp, certificate: {fault: wrong-name}}
  - {url: https://self.example.com/mcp, certificate: {fault: self-signed}}
";

/// The error of a GET as one text with all its causes, or the status.
async fn get(handle: &WorldHandle, trusted: &[&str], target: &str) -> Result<u16, String> {
    match client(handle, trusted).get(url(handle, target)).send().await {
        Ok(response) => Ok(response.status().as_u16()),
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            Err(text)
        }
    }
}

#[tokio::test]
async fn a_certificate_is_trusted_through_its_authority_alone() {
    let (_simulator, handle) = world(WORLD).await;
    assert_eq!(get(&handle, &["public"], "https://public.example.com/mcp").await, Ok(406));
    assert_eq!(get(&handle, &["partner-ca"], "https://private.example.com/b").await, Ok(406));
    let error = get(&handle, &["public"], "https://private.example.com/a").await.unwrap_err();
    assert!(error.contains("UnknownIssuer"), "{error}");
    let entry = handle.journal().wait_for(|entry| entry.http.is_none()).await;
    assert_eq!(
        (entry.url.as_str(), entry.tls.as_ref().unwrap().server_name.as_deref()),
        ("https://private.example.com", Some("private.example.com"))
    );
    assert!(entry.verdict.as_ref().unwrap().starts_with("the TLS handshake failed"), "{entry:?}");
}

#[tokio::test]
async fn faulty_certificates_are_faulty_in_their_own_way() {
    let (_simulator, handle) = world(WORLD).await;
    for (host, cause) in
        [("expired", "Expired"), ("early", "NotValidYet"), ("wrong", "NotValidForName"), ("self", "UnknownIssuer")]
    {
        let error = get(&handle, &["public"], &format!("https://{host}.example.com/mcp")).await.unwrap_err();
        let spelled = error.replace(' ', "").to_lowercase();
        assert!(spelled.contains(&cause.to_lowercase()), "{host}: {error}");
    }
}

#[tokio::test]
async fn a_rotated_authority_signs_what_new_connections_see() {
    let (_simulator, handle) = world(WORLD).await;
    let old = client(&handle, &["partner-ca"]);
    let target = url(&handle, "https://private.example.com/a");
    assert_eq!(old.get(&target).send().await.unwrap().status().as_u16(), 406);
    let before = handle.ca_pem("partner-ca").unwrap();
    handle.update(WorldChange::RotateAuthority("partner-ca".into())).await.unwrap();
    assert_ne!(handle.ca_pem("partner-ca").unwrap(), before);
    // The connection that is open stays; a new one shows a certificate of the new key.
    assert_eq!(old.get(&target).send().await.unwrap().status().as_u16(), 406);
    assert_eq!(get(&handle, &["partner-ca"], "https://private.example.com/a").await, Ok(406));
    let stale = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(before.as_bytes()).unwrap()])
        .no_proxy()
        .resolve(
            "private.example.com",
            *handle
                .names()
                .iter()
                .find(|name| name.host == "private.example.com")
                .unwrap()
                .ports
                .values()
                .next()
                .unwrap(),
        )
        .build()
        .unwrap();
    assert!(stale.get(&target).send().await.is_err());
}
