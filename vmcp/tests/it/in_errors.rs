//! The gateway's own errors about backends: a code, the backend, a cause class, and nothing that is none of a client's
//! business.

use crate::in_support::start;
use crate::out_support::{Server, initialized, text};
use http::StatusCode;
use serde_json::{Value, json};

/// The credential of one backend.
const SECRET: &str = "s3cr3t-key";

/// Servers that fail in ways of their own.
async fn broken() -> (Server, Server, Server, Server) {
    let html = Server::plain(|_| async { text(StatusCode::OK, "<html>") }).await;
    let locked = Server::plain(|_| async { text(StatusCode::UNAUTHORIZED, SECRET) }).await;
    let failing = Server::plain(|_| async { text(StatusCode::BAD_GATEWAY, "upstream 10.1.2.3 is down") }).await;
    let hanging = Server::plain(|recorded| async move {
        match recorded.what().as_str() {
            "initialize" => initialized(&recorded, "2025-11-25"),
            method if method.starts_with("notifications/") => text(StatusCode::ACCEPTED, ""),
            _ => std::future::pending().await,
        }
    })
    .await;
    (html, locked, failing, hanging)
}

#[tokio::test]
async fn every_failure_names_the_backend_and_its_class_and_no_address() {
    let (html, locked, failing, hanging) = broken().await;
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cases = [
        ("closed", format!("http://{unused}/mcp"), "refused"),
        ("nameless", "http://nowhere.invalid/mcp".to_owned(), "dns"),
        ("metadata", "http://169.254.169.254/mcp".to_owned(), "blocked"),
        ("plain", format!("https://{}/mcp", html.address), "tls"),
        ("html", html.url("/mcp").to_string(), "protocol"),
        ("failing", failing.url("/mcp").to_string(), "protocol"),
        ("locked", locked.url("/mcp").to_string(), "unauthorized"),
        ("hanging", hanging.url("/mcp").to_string(), "timeout"),
    ];
    let backends: Vec<_> =
        cases.iter().map(|(name, url, _)| json!({"name": name, "url": url, "transport": "streamable-http"})).collect();
    let header = json!({"type": "header_injection", "headerInjection": {"headerName": "X-Key", "headerValue": SECRET}});
    let config = json!({
        "name": "engineering", "groupRef": "engineering-tools", "incomingAuth": {"type": "anonymous"},
        "outgoingAuth": {"source": "inline", "backends": {"locked": header}}, "backends": backends,
        "operational": {
            "timeouts": {"default": "5s", "perWorkload": {"hanging": "300ms"}},
            "failureHandling": {"partialFailureMode": "fail"},
        },
    });
    let gateway = start(&config.to_string(), &[]).await;
    let client = gateway.connected().await;
    let quiet = |message: &str| {
        for hidden in
            ["127.0.0.1", "169.254", "10.1.2.3", &unused.port().to_string(), SECRET, "nowhere.invalid", "<html>"]
        {
            assert!(!message.contains(hidden), "{hidden} in {message}");
        }
    };
    for (name, _, cause) in &cases {
        let error = client.call(&format!("{name}_echo"), json!({})).await.json()["error"].clone();
        assert_eq!(error["code"], -32050, "{error}");
        assert_eq!(error["data"], json!({"backend": name, "cause": cause}), "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&format!("backend {name:?}")), "{message}");
        quiet(message);
    }
    let error = client.request("tools/list", json!({})).await.json()["error"].clone();
    assert_eq!(error["code"], -32050);
    let mut expected: Vec<Value> =
        cases.iter().map(|(name, _, cause)| json!({"backend": name, "cause": cause})).collect();
    expected.sort_by_key(|row| row["backend"].as_str().unwrap().to_owned());
    assert_eq!(error["data"]["backends"], Value::from(expected));
    quiet(&error.to_string());
    quiet(&gateway.client().get("/api/backends/health").await.text);
}
