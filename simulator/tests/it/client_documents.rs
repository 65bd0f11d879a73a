//! Clients that are named by the URL of a document about them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Response;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use simulator::{WorldChange, WorldHandle};

use crate::client::{client, staying_client, url, world};

const CLIENT: &str = "https://app.example.com/client.json";
const CALLBACK: &str = "https://app.example.com/callback";
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-0";

/// A world whose authorization server reads documents, with a server that has one.
fn yaml(document: &Value) -> String {
    format!(
        "{{authorizationServers: [{{host: auth.company.com, users: [alice], signIn: alice, clientMetadataDocuments: true}}], servers: [{{url: '{CLIENT}', faults: [{}]}}]}}",
        served(200, "application/json", &document.to_string())
    )
}

/// The fault that makes a server serve a file.
fn served(status: u16, kind: &str, body: &str) -> String {
    let page = json!({"status": status, "headers": {"Content-Type": kind, "Location": "/elsewhere"}, "body": body});
    json!({"on": {"http": "GET"}, "does": {"respond": page}}).to_string()
}

fn document() -> Value {
    json!({"client_id": CLIENT, "client_name": "App", "redirect_uris": [CALLBACK], "grant_types": ["authorization_code"]})
}

async fn authorize(handle: &WorldHandle, id: &str) -> Response {
    let mut target: url::Url = url(handle, "https://auth.company.com/protocol/openid-connect/auth").parse().unwrap();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    target.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", id),
        ("redirect_uri", CALLBACK),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    staying_client(handle, &["public"]).get(target).send().await.unwrap()
}

async fn refusal(handle: &WorldHandle, id: &str) -> String {
    let response = authorize(handle, id).await;
    assert_eq!(response.status(), 400);
    response.text().await.unwrap()
}

#[tokio::test]
async fn a_client_is_what_its_document_says() {
    let (_simulator, handle) = world(&yaml(&document())).await;
    let metadata = url(&handle, "https://auth.company.com/.well-known/oauth-authorization-server");
    let metadata: Value = client(&handle, &["public"]).get(metadata).send().await.unwrap().json().await.unwrap();
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
    let sent_back = authorize(&handle, CLIENT).await;
    let location: url::Url = sent_back.headers()["location"].to_str().unwrap().parse().unwrap();
    assert!(location.as_str().starts_with(CALLBACK), "{location}");
    let (_, code) = location.query_pairs().find(|(name, _)| name == "code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", CLIENT),
    ];
    let endpoint = url(&handle, "https://auth.company.com/protocol/openid-connect/token");
    let response = client(&handle, &["public"]).post(endpoint).form(&form).send().await.unwrap();
    assert_eq!(response.status(), 200);
    // The code was given to the client that the document described then.
    let fetched = handle.journal().entries().iter().filter(|entry| entry.url == CLIENT).count();
    assert_eq!(fetched, 1);
}

#[tokio::test]
async fn a_document_is_read_anew_by_each_authorization_request() {
    let (_simulator, handle) = world(&yaml(&document())).await;
    assert_eq!(authorize(&handle, CLIENT).await.status(), 302);
    let mut other = document();
    other["redirect_uris"] = json!(["https://app.example.com/other"]);
    for (fault, reason) in [
        (served(200, "application/json", &other.to_string()), "is none of the redirect URIs of the client"),
        (served(302, "application/json", ""), "it was answered with 302 Found, and redirects are not followed"),
        (served(404, "text/plain", ""), "it was answered with 404 Not Found"),
        (served(200, "text/html", "<html>"), "it is of type `text/html` and not application/json"),
        (served(200, "application/json", "<html>"), "it is not a JSON object"),
        (served(200, "application/json", &" ".repeat(6000)), "larger than 5120 bytes"),
        (served(200, "application/json", r#"{"client_id": "https://app.example.com/"}"#), "and not the URL"),
    ] {
        let change = format!("{{setFaults: {{server: '{CLIENT}', faults: [{fault}]}}}}");
        handle.update(serde_saphyr::from_str::<WorldChange>(&change).unwrap()).await.unwrap();
        let refused = refusal(&handle, CLIENT).await;
        assert!(refused.starts_with("invalid_request: ") && refused.contains(reason), "{refused}");
    }
}

#[tokio::test]
async fn what_is_no_document_is_not_fetched() {
    let (_simulator, handle) = world(&yaml(&document())).await;
    for (id, reason) in [
        ("http://app.example.com/client.json", "only https is fetched"),
        ("https://app.example.com", "it needs a path"),
        ("app", "there is no client `app`"),
    ] {
        let refused = refusal(&handle, id).await;
        assert!(refused.contains(reason), "{refused}");
    }
    assert!(handle.journal().entries().iter().all(|entry| entry.host == "auth.company.com"));
}

#[tokio::test]
async fn nobody_vouches_for_the_server_of_a_document() {
    let yaml = yaml(&document()).replace("{url: 'https://app", "{certificate: {fault: self-signed}, url: 'https://app");
    let (_simulator, handle) = world(&yaml).await;
    let refused = refusal(&handle, CLIENT).await;
    assert!(refused.contains("was not fetched: TLS failed: invalid peer certificate"), "{refused}");
}

#[tokio::test]
async fn documents_are_not_read_unless_the_world_says_so() {
    let (_simulator, handle) =
        world(&yaml(&document()).replace("clientMetadataDocuments: true", "registration: true")).await;
    assert!(refusal(&handle, CLIENT).await.contains(&format!("there is no client `{CLIENT}`")));
}
