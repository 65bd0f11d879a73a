//! Tokens that are exchanged for backends (RFC 8693), against a token endpoint.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use url::Url;
use vmcp::backend::{Backend, Backends, Caller, Transport, Trust};
use vmcp::circuit::CircuitSettings;
use vmcp::egress::{Cause, Egress, EgressError, HttpClient};
use vmcp::outgoing::{ClientCredentials, OutgoingAuth, TokenCache, TokenExchange, TokenType};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::out_support::{
    Names, PATIENCE, Recorded, Server, backend, guard, initialized, json_body, mcp, mcp_server, options, result, text,
    user,
};

fn egress(longest_use: Duration) -> Egress {
    let http = HttpClient::new(options(guard(&["127.0.0.0/8"]), Names::of(&[])));
    Egress::new(http, TokenCache::new(longest_use))
}

const USE: Duration = Duration::from_mins(5);

fn exchange(tokens: &MockServer) -> TokenExchange {
    TokenExchange {
        source: "uid-1".to_owned(),
        token_url: Url::parse(&format!("{}/token", tokens.uri())).unwrap(),
        trust: Trust::system(),
        client: Some(ClientCredentials { id: "gateway".to_owned(), secret: Some("s3cr3t".into()) }),
        audience: Some("https://mcp.partner.example.com".to_owned()),
        scopes: vec!["mcp".to_owned(), "tools".to_owned()],
        subject_token_type: TokenType::AccessToken,
    }
}

fn target(server: &Server, exchange: TokenExchange) -> Arc<Backend> {
    let auth = OutgoingAuth::TokenExchange(Arc::new(exchange));
    Arc::new(Backend { auth, ..backend(server.url("/mcp"), Transport::StreamableHttp) }.with_identity())
}

async fn call(egress: &Egress, backend: &Arc<Backend>, caller: &Caller) -> Result<(), EgressError> {
    egress.open(backend, caller).request(caller, "tools/call", None, PATIENCE).await.map(drop)
}

fn issued(token: &str, expires_in: u64) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "access_token": token, "token_type": "Bearer", "expires_in": expires_in,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    }))
}

/// A token endpoint that numbers its tokens.
pub(crate) async fn token_endpoint(expires_in: u64) -> MockServer {
    let server = MockServer::start().await;
    let number = std::sync::atomic::AtomicUsize::new(0);
    let answer = move |_: &Request| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        issued(&format!("exchanged-{number}"), expires_in).set_delay(Duration::from_millis(20))
    };
    Mock::given(method("POST")).and(path("/token")).respond_with(answer).mount(&server).await;
    server
}

#[tokio::test]
async fn a_token_endpoint_that_keeps_failing_is_left_alone_for_all_users() {
    let tokens = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).mount(&tokens).await;
    let server = mcp_server().await;
    let settings = CircuitSettings { threshold: 3, timeout: Duration::from_hours(1) };
    let egress = egress(USE).with_token_circuits(Some(settings));
    let backend = target(&server, exchange(&tokens));
    for index in 0..10 {
        let caller = user(&format!("user-{index}"), &format!("token-{index}"));
        let error = call(&egress, &backend, &caller).await.unwrap_err();
        assert!(error.is_at_token_endpoint());
        assert_eq!(error.cause(), if index < 3 { Cause::Protocol } else { Cause::CircuitOpen }, "{error}");
    }
    assert_eq!((exchanges(&tokens).await, server.connections()), (3, 0));
    tokens.reset().await;
    Mock::given(method("POST")).respond_with(issued("exchanged", 300)).mount(&tokens).await;
    egress.retain(&Backends::default());
    call(&egress, &backend, &user("user-9", "token-9")).await.unwrap();
}

async fn exchanges(tokens: &MockServer) -> usize {
    tokens.received_requests().await.unwrap().len()
}

fn bearers(server: &Server) -> Vec<String> {
    let journal = server.journal();
    let mut bearers: Vec<String> =
        journal.iter().filter_map(|recorded| recorded.header("authorization")).map(str::to_owned).collect();
    bearers.dedup();
    bearers
}

#[tokio::test]
async fn the_request_is_that_of_rfc_8693() {
    let tokens = token_endpoint(300).await;
    let server = mcp_server().await;
    let mut exchange = exchange(&tokens);
    exchange.client = Some(ClientCredentials { id: "gate way".to_owned(), secret: Some("s:c+r%t".into()) });
    exchange.subject_token_type = TokenType::IdToken;
    call(&egress(USE), &target(&server, exchange), &user("alice", "alice-token")).await.unwrap();
    let request = &tokens.received_requests().await.unwrap()[0];
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let expected = [
        ("audience", "https://mcp.partner.example.com"),
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("scope", "mcp tools"),
        ("subject_token", "alice-token"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
    ];
    assert_eq!(form, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    // "gate+way:s%3Ac%2Br%25t", each part form-encoded (RFC 6749, section 2.3.1).
    assert_eq!(request.headers["authorization"], "Basic Z2F0ZSt3YXk6cyUzQWMlMkJyJTI1dA==");
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(bearers(&server), ["Bearer exchanged-1"]);
    assert!(server.journal().iter().all(|recorded| !format!("{recorded:?}").contains("alice-token")));
}

#[tokio::test]
async fn a_public_client_names_itself_in_the_form() {
    let tokens = token_endpoint(300).await;
    let server = mcp_server().await;
    let client = Some(ClientCredentials { id: "public".to_owned(), secret: None });
    let exchange = TokenExchange { client, ..exchange(&tokens) };
    call(&egress(USE), &target(&server, exchange), &user("alice", "a")).await.unwrap();
    let request = &tokens.received_requests().await.unwrap()[0];
    assert!(String::from_utf8_lossy(&request.body).contains("client_id=public"));
    assert!(!request.headers.contains_key("authorization"));
}

#[tokio::test]
async fn parallel_calls_of_one_user_exchange_once_and_users_are_apart() {
    let tokens = token_endpoint(300).await;
    let server = mcp_server().await;
    let egress = egress(USE);
    let backend = target(&server, exchange(&tokens));
    let alice = user("alice", "alice-token");
    let calls = (0..100).map(|_| call(&egress, &backend, &alice));
    for outcome in futures::future::join_all(calls).await {
        outcome.unwrap();
    }
    assert_eq!(exchanges(&tokens).await, 1);
    call(&egress, &backend, &user("bob", "bob-token")).await.unwrap();
    call(&egress, &backend, &user("alice", "alice-down-scoped")).await.unwrap();
    assert_eq!(exchanges(&tokens).await, 3);
    assert_eq!(bearers(&server), ["Bearer exchanged-1", "Bearer exchanged-2", "Bearer exchanged-3"]);
}

#[tokio::test]
async fn a_caller_who_leaves_fails_nobody() {
    let tokens = token_endpoint(300).await;
    let server = mcp_server().await;
    let egress = egress(USE);
    let backend = target(&server, exchange(&tokens));
    let alice = user("alice", "alice-token");
    {
        let leaving = std::pin::pin!(call(&egress, &backend, &alice));
        assert!(tokio::time::timeout(Duration::from_millis(5), leaving).await.is_err());
    }
    call(&egress, &backend, &alice).await.unwrap();
    assert_eq!(exchanges(&tokens).await, 1);
}

#[tokio::test]
async fn a_failure_is_remembered_for_a_moment_and_shows_the_code_alone() {
    let tokens = MockServer::start().await;
    let refusal = json!({"error": "invalid_client", "error_description": "secret s3cr3t is wrong"});
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(401).set_body_json(refusal)).mount(&tokens).await;
    let server = mcp_server().await;
    let egress = egress(USE);
    let backend = target(&server, exchange(&tokens));
    let alice = user("alice", "alice-token");
    for _ in 0..5 {
        let error = call(&egress, &backend, &alice).await.unwrap_err();
        assert_eq!(error.cause(), Cause::Unauthorized);
        assert!(error.is_at_token_endpoint());
        assert!(error.to_string().contains("invalid_client") && !error.to_string().contains("s3cr3t"), "{error}");
    }
    assert_eq!(exchanges(&tokens).await, 1);
    assert_eq!(server.connections(), 0, "nothing reaches the backend without its token");
}

#[tokio::test]
async fn a_new_client_secret_counts_at_once() {
    let tokens = MockServer::start().await;
    let right = header("authorization", "Basic Z2F0ZXdheTpuZXc=");
    Mock::given(right).respond_with(issued("exchanged", 300)).mount(&tokens).await;
    let server = mcp_server().await;
    let egress = egress(USE);
    let alice = user("alice", "alice-token");
    let old = target(&server, exchange(&tokens));
    call(&egress, &old, &alice).await.unwrap_err();
    let client = Some(ClientCredentials { id: "gateway".to_owned(), secret: Some("new".into()) });
    let new = target(&server, TokenExchange { client, ..exchange(&tokens) });
    assert_ne!(old.identity, new.identity);
    egress.retain(&Backends::new([("partner".to_owned(), Arc::clone(&new))].into()));
    call(&egress, &new, &alice).await.unwrap();
}

#[tokio::test]
async fn tokens_of_configurations_that_are_gone_are_forgotten() {
    let tokens = token_endpoint(300).await;
    let server = mcp_server().await;
    let egress = egress(USE);
    let backend = target(&server, exchange(&tokens));
    let alice = user("alice", "alice-token");
    call(&egress, &backend, &alice).await.unwrap();
    egress.retain(&Backends::new([("partner".to_owned(), Arc::clone(&backend))].into()));
    call(&egress, &backend, &alice).await.unwrap();
    assert_eq!(exchanges(&tokens).await, 1, "what is still configured stays");
    egress.retain(&Backends::default());
    call(&egress, &backend, &alice).await.unwrap();
    assert_eq!(exchanges(&tokens).await, 2);
}

#[tokio::test]
async fn a_token_that_the_backend_refuses_is_exchanged_again_once() {
    let tokens = token_endpoint(300).await;
    let server = Server::plain(|recorded: Recorded| async move {
        if recorded.header("authorization") == Some("Bearer exchanged-1") {
            return text(StatusCode::UNAUTHORIZED, "");
        }
        match recorded.what().as_str() {
            "initialize" => initialized(&recorded, "2025-11-25"),
            "notifications/initialized" => text(StatusCode::ACCEPTED, ""),
            _ => json_body(result(&recorded, "{}")),
        }
    })
    .await;
    call(&egress(USE), &target(&server, exchange(&tokens)), &user("alice", "a")).await.unwrap();
    assert_eq!(exchanges(&tokens).await, 2);

    let never = Server::plain(|_| async { text(StatusCode::UNAUTHORIZED, "") }).await;
    let tokens = token_endpoint(300).await;
    let error = call(&egress(USE), &target(&never, exchange(&tokens)), &user("alice", "a")).await.unwrap_err();
    assert_eq!((error.cause(), error.status()), (Cause::Unauthorized, Some(401)));
    assert!(!error.is_at_token_endpoint());
    assert_eq!(exchanges(&tokens).await, 2);
}

#[tokio::test]
async fn without_a_token_there_is_nothing_to_exchange() {
    let tokens = token_endpoint(300).await;
    let server = Server::plain(mcp(|recorded| json_body(result(recorded, "{}")))).await;
    let egress = egress(USE);
    let backend = target(&server, exchange(&tokens));
    let error = call(&egress, &backend, &Caller::anonymous()).await.unwrap_err();
    assert_eq!(error.cause(), Cause::Unauthorized);
    assert!(error.to_string().contains("anonymous"), "{error}");
    assert_eq!(server.connections(), 0);
    call(&egress, &backend, &Caller::probe()).await.unwrap();
    assert_eq!(bearers(&server), [""; 0], "a probe goes without credentials");
    assert_eq!(exchanges(&tokens).await, 0);
}

#[tokio::test]
async fn a_token_endpoint_leads_nowhere_else() {
    let trap = Server::trap().await;
    let server = mcp_server().await;
    for status in [301, 302, 303, 307, 308] {
        let tokens = MockServer::start().await;
        let redirect = ResponseTemplate::new(status).insert_header("location", trap.url("/token").as_str());
        Mock::given(method("POST")).respond_with(redirect).mount(&tokens).await;
        call(&egress(USE), &target(&server, exchange(&tokens)), &user("alice", "a")).await.unwrap_err();
    }
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn an_answer_that_is_no_token_is_refused() {
    let access = "urn:ietf:params:oauth:token-type:access_token";
    for (answer, expected) in [
        (json!({"token": "x"}), "access_token"),
        (json!({"access_token": "", "token_type": "Bearer", "issued_token_type": access}), "does not fit"),
        (json!({"access_token": "a\nb", "token_type": "Bearer", "issued_token_type": access}), "does not fit"),
        (json!({"access_token": "x", "token_type": "N_A", "issued_token_type": access}), "token_type"),
        (
            json!({"access_token": "x", "token_type": "Bearer", "issued_token_type": "urn:ietf:params:oauth:token-type:saml2"}),
            "issued_token_type",
        ),
        (
            json!({"access_token": "x", "token_type": "Bearer", "issued_token_type": access, "expires_in": -1}),
            "expires_in",
        ),
    ] {
        let tokens = MockServer::start().await;
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(200).set_body_json(answer)).mount(&tokens).await;
        let server = mcp_server().await;
        let error = call(&egress(USE), &target(&server, exchange(&tokens)), &user("alice", "a")).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(server.connections(), 0);
    }
}
