//! Web pages of other origins: what a browser asks before it sends their requests, and what it lets them read (CORS).

use crate::in_oidc::{Issuer, config};
use crate::in_support::{ANONYMOUS, Answer, Client, initialize_params, start};
use http::{Method, StatusCode};
use serde_json::json;

const PAGE: &str = "http://inspector.example:6274";
const METADATA: &str = "/.well-known/oauth-protected-resource";

/// What a browser asks before it sends a request of a page.
async fn preflight(client: &Client, path: &str) -> Answer {
    client
        .with("access-control-request-method", "POST")
        .with("access-control-request-headers", "content-type,mcp-param-region")
        .send(Method::OPTIONS, path, "")
        .await
}

/// The origin whose pages may read an answer, and what they see of its head.
fn shared_with(answer: &Answer) -> [&str; 3] {
    ["access-control-allow-origin", "access-control-expose-headers", "vary"].map(|name| answer.header(name))
}

const SHARED: [&str; 3] = [PAGE, "mcp-session-id, www-authenticate, retry-after", "origin"];

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_call() {
    let gateway = start(ANONYMOUS, &["--host", "127.77.0.1", "--allow-origin", PAGE]).await;
    let mut page = gateway.client().with("origin", PAGE);
    for path in ["/mcp", "/sse", "/status"] {
        let allowed = preflight(&page, path).await;
        assert_eq!((allowed.status, shared_with(&allowed)), (StatusCode::NO_CONTENT, SHARED), "{path}");
        assert_eq!(allowed.header("access-control-allow-methods"), "GET, POST, DELETE");
        assert_eq!(allowed.header("access-control-allow-headers"), "content-type,mcp-param-region");
        assert_eq!(allowed.header("access-control-allow-credentials"), "");
    }
    let opened = page.request("initialize", initialize_params("2025-11-25")).await;
    assert_eq!((opened.status, shared_with(&opened)), (StatusCode::OK, SHARED));
    page.set("mcp-session-id", opened.header("mcp-session-id"));
    assert_eq!(shared_with(&page.get("/status").await), SHARED);
    assert_eq!(page.open(Method::GET, "/mcp", "").await.headers()["access-control-allow-origin"], PAGE);
    let ended = page.send(Method::DELETE, "/mcp", "").await;
    assert_eq!((ended.status, shared_with(&ended)), (StatusCode::OK, SHARED));
    let lost = page.request("ping", json!({})).await;
    assert_eq!((lost.status, shared_with(&lost)), (StatusCode::NOT_FOUND, SHARED));
    // No preflight: it names no method.
    assert_eq!(page.send(Method::OPTIONS, "/mcp", "").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_page_of_another_origin_may_read_nothing() {
    let gateway = start(ANONYMOUS, &["--allow-origin", PAGE]).await;
    let page = gateway.client().with("origin", "https://inspector.example:6274");
    for refused in [preflight(&page, "/mcp").await, page.request("ping", json!({})).await, page.get("/status").await] {
        assert_eq!((refused.status, shared_with(&refused)), (StatusCode::FORBIDDEN, [""; 3]));
    }
    let no_page = gateway.client().request("ping", json!({})).await;
    assert_eq!(shared_with(&no_page), [""; 3]);
    assert_eq!(preflight(&gateway.client(), "/mcp").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn every_page_may_read_where_tokens_come_from() {
    let issuer = Issuer::start().await;
    let gateway = start(&config(&issuer), &["--egress-allow", "oidc=127.0.0.0/8"]).await;
    let page = gateway.client().with("origin", "https://anywhere.example");
    let shared = ["https://anywhere.example", SHARED[1], SHARED[2]];
    let allowed = preflight(&page, METADATA).await;
    assert_eq!((allowed.status, shared_with(&allowed)), (StatusCode::NO_CONTENT, shared));
    let metadata = page.get(METADATA).await;
    assert_eq!((metadata.status, shared_with(&metadata)), (StatusCode::OK, shared));
    assert_eq!(metadata.json()["authorization_servers"], json!([issuer.url]));
    let unknown = page.get("/.well-known/oauth-authorization-server").await;
    assert_eq!((unknown.status, shared_with(&unknown)), (StatusCode::NOT_FOUND, shared));
    assert_eq!(gateway.client().get(METADATA).await.header("access-control-allow-origin"), "*");
    let rebound = page.with("host", "anywhere.example").get(METADATA).await;
    assert_eq!(rebound.status, StatusCode::FORBIDDEN);
    // The page learns what it has to do first.
    let known = gateway.client().with("origin", "http://vmcp-engineering.default.svc:4483");
    let challenged = known.request("ping", json!({})).await;
    assert_eq!(
        (challenged.status, challenged.header("access-control-expose-headers")),
        (StatusCode::UNAUTHORIZED, SHARED[1])
    );
    assert_eq!(challenged.header("access-control-allow-origin"), "http://vmcp-engineering.default.svc:4483");
}
