//! Where connections go, and where they do not.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::StatusCode;
use url::Url;
use vmcp::backend::{Backend, Caller, Transport, Trust};
use vmcp::egress::guard::{EgressClass, Guard};
use vmcp::egress::{Cause, ConnectTo, Egress, EgressError, HttpClient, HttpOptions, Resolve, ResolveError, Way};

use crate::out_support::{
    Authority, Names, PATIENCE, Server, backend, egress, guard, json_body, mcp, mcp_server, options, result,
    streamable, text,
};

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

async fn ping(egress: &Egress, backend: Backend) -> Result<(), EgressError> {
    let session = egress.open(&Arc::new(backend.with_identity()), &Caller::anonymous());
    let outcome = session.request(&Caller::anonymous(), "ping", None, PATIENCE).await;
    session.close().await;
    outcome.map(drop)
}

async fn cause(egress: &Egress, url: Url) -> Cause {
    ping(egress, backend(url, Transport::StreamableHttp)).await.unwrap_err().cause()
}

fn connect_to(mut options: HttpOptions, mapping: &str) -> HttpOptions {
    options.way.connect_to = [mapping.parse::<ConnectTo>().unwrap()].into_iter().collect();
    options
}

#[tokio::test]
async fn no_connection_is_made_to_what_the_guard_refuses() {
    let trap = Server::trap().await;
    let port = trap.address.port();
    let names = Names::of(&[
        ("loopback.example.com", &[&["127.0.0.1"]]),
        ("mixed.example.com", &[&["203.0.113.7", "127.0.0.1"]]),
        ("mapped.example.com", &[&["::ffff:127.0.0.1"]]),
        ("private.example.com", &[&["10.1.2.3"]]),
        ("metadata.example.com", &[&["169.254.169.254"]]),
    ]);
    let egress = egress(options(Guard::default(), names));
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "localhost",
        "loopback.example.com",
        "mixed.example.com",
        "mapped.example.com",
        "private.example.com",
        "metadata.example.com",
        "metadata.google.internal",
        "kubernetes.default.svc",
    ] {
        for transport in [Transport::StreamableHttp, Transport::Sse] {
            let error = ping(&egress, backend(url(&format!("http://{host}:{port}/mcp")), transport)).await.unwrap_err();
            let expected = if host == "localhost" { Cause::Dns } else { Cause::Blocked };
            assert_eq!(error.cause(), expected, "{host}: {error}");
            assert!(!error.to_string().contains("127.") && !error.to_string().contains("169."), "{error}");
        }
    }
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn token_keys_and_documents_go_through_the_same_guard() {
    let trap = Server::trap().await;
    let http = HttpClient::new(options(Guard::default(), Names::of(&[])));
    for class in [EgressClass::Oidc, EgressClass::Token, EgressClass::Otlp, EgressClass::Proxied] {
        let error = http.fetch_json(class, &Trust::system(), &trap.url("/keys"), 1000).await.unwrap_err();
        assert_eq!(error.cause(), Cause::Blocked, "{class}");
    }
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_name_is_judged_again_at_each_new_connection() {
    let closing = |recorded: &crate::out_support::Recorded| {
        let mut response = json_body(result(recorded, "{}"));
        response.headers_mut().insert("connection", "close".parse().unwrap());
        response
    };
    let server = Server::plain(move |recorded| {
        let response = match recorded.what().as_str() {
            "notifications/initialized" => {
                let mut response = text(StatusCode::ACCEPTED, "");
                response.headers_mut().insert("connection", "close".parse().unwrap());
                response
            }
            "initialize" => crate::out_support::initialized(&recorded, "2025-11-25"),
            _ => closing(&recorded),
        };
        async move { response }
    })
    .await;
    let port = server.address.port();
    let names = Names::of(&[("rebind.example.com", &[&["127.0.0.1"], &["127.0.0.2"]])]);
    let egress = egress(options(guard(&["127.0.0.1/32"]), names));
    let error =
        ping(&egress, backend(url(&format!("http://rebind.example.com:{port}/mcp")), Transport::StreamableHttp));
    assert_eq!(error.await.unwrap_err().cause(), Cause::Blocked);
    assert_eq!(server.methods(), ["initialize", "notifications/initialized"]);
}

#[tokio::test]
async fn failures_have_a_class_of_their_own() {
    let plain = mcp_server().await;
    let unused = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let port = plain.address.port();
    let egress = egress(options(guard(&["127.0.0.0/8"]), Names::of(&[])));
    assert_eq!(cause(&egress, url("http://nowhere.example.com/mcp")).await, Cause::Dns);
    assert_eq!(cause(&egress, url(&format!("http://127.0.0.1:{unused}/mcp"))).await, Cause::Refused);
    assert_eq!(cause(&egress, url(&format!("https://127.0.0.1:{port}/mcp"))).await, Cause::Tls);
}

#[tokio::test]
async fn a_connection_that_never_opens_times_out() {
    // The backlog of this listener is full, so that the kernel ignores further attempts.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(100), tokio::net::TcpStream::connect(address)).await
    {
        held.push(stream);
    }
    let mut options = options(guard(&["127.0.0.0/8"]), Names::of(&[]));
    options.way.connect_timeout = Duration::from_millis(200);
    assert_eq!(cause(&egress(options), url(&format!("http://{address}/mcp"))).await, Cause::Timeout);
}

#[tokio::test]
async fn a_private_authority_is_trusted_by_its_own_backend_alone() {
    let ca = Authority::new("partner");
    let other = Authority::new("other");
    let server = Server::tls(
        ca.server("mcp.partner.example.com", &["http/1.1"]),
        mcp(|recorded| json_body(result(recorded, "{}"))),
    )
    .await;
    let port = server.address.port();
    let names =
        Names::of(&[("mcp.partner.example.com", &[&["127.0.0.1"]]), ("mcp.other.example.com", &[&["127.0.0.1"]])]);
    let egress = egress(options(guard(&["127.0.0.0/8"]), names));
    let at = |host: &str, trust: Trust| Backend {
        trust,
        ..backend(url(&format!("https://{host}:{port}/mcp")), Transport::StreamableHttp)
    };
    let trusting = Trust::with_bundle(ca.pem().as_bytes()).unwrap();
    let both = Trust::with_bundle((other.pem() + &ca.pem()).as_bytes()).unwrap();
    ping(&egress, at("mcp.partner.example.com", trusting.clone())).await.unwrap();
    ping(&egress, at("mcp.partner.example.com", both)).await.unwrap();
    assert_eq!(server.journal()[0].server_name.as_deref(), Some("mcp.partner.example.com"));
    for (host, trust, words) in [
        ("mcp.partner.example.com", Trust::system(), "not signed by a trusted authority"),
        ("mcp.partner.example.com", Trust::with_bundle(other.pem().as_bytes()).unwrap(), "not signed by a trusted"),
        ("mcp.other.example.com", trusting, "for another host name"),
    ] {
        let error = ping(&egress, at(host, trust)).await.unwrap_err();
        assert_eq!(error.cause(), Cause::Tls, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn http_2_is_spoken_where_the_server_offers_it() {
    let ca = Authority::new("partner");
    for (protocols, http2) in [(["h2", "http/1.1"].as_slice(), true), (&["http/1.1"], false)] {
        let server =
            Server::tls(ca.server("localhost", protocols), mcp(|recorded| json_body(result(recorded, "{}")))).await;
        let names = Names::of(&[("localhost", &[&["127.0.0.1"]])]);
        let egress = egress(options(guard(&["127.0.0.0/8"]), names));
        let target = Backend {
            trust: Trust::with_bundle(ca.pem().as_bytes()).unwrap(),
            ..backend(url(&format!("https://localhost:{}/mcp", server.address.port())), Transport::StreamableHttp)
        };
        ping(&egress, target).await.unwrap();
        assert!(server.journal().iter().all(|recorded| recorded.http2 == http2));
        assert_eq!(server.connections(), 1, "connections are shared");
    }
}

#[tokio::test]
async fn another_place_to_dial_changes_neither_server_name_nor_host() {
    let ca = Authority::new("partner");
    let server = Server::tls(
        ca.server("mcp.partner.example.com", &["http/1.1"]),
        mcp(|recorded| json_body(result(recorded, "{}"))),
    )
    .await;
    let mapping = format!("mcp.partner.example.com:443={}", server.address);
    let target = Backend {
        trust: Trust::with_bundle(ca.pem().as_bytes()).unwrap(),
        ..backend(url("https://mcp.partner.example.com/mcp"), Transport::StreamableHttp)
    };
    let public = Names::of(&[("mcp.partner.example.com", &[&["203.0.113.7"]])]);
    ping(&egress(connect_to(options(Guard::default(), public), &mapping)), target.clone()).await.unwrap();
    let recorded = &server.journal()[0];
    assert_eq!(recorded.server_name.as_deref(), Some("mcp.partner.example.com"));
    assert_eq!(recorded.header("host"), Some("mcp.partner.example.com"));
    let before = server.connections();
    let private = Names::of(&[("mcp.partner.example.com", &[&["10.0.0.1"]])]);
    let refused = ping(&egress(connect_to(options(Guard::default(), private), &mapping)), target).await;
    assert_eq!(refused.unwrap_err().cause(), Cause::Blocked, "the name is judged all the same");
    assert_eq!(server.connections(), before);
}

#[tokio::test]
async fn another_place_to_dial_for_an_address_counts_for_every_name_that_leads_there() {
    let server = mcp_server().await;
    let mapping = format!("203.0.113.7:80={}", server.address);
    let names = Names::of(&[
        ("one.example.com", &[&["203.0.113.7"]]),
        ("two.example.com", &[&["203.0.113.7"]]),
        ("rebound.example.com", &[&["127.0.0.1"]]),
    ]);
    let egress = egress(connect_to(options(Guard::default(), names), &mapping));
    let at = |host: &str| backend(url(&format!("http://{host}/mcp")), Transport::StreamableHttp);
    for host in ["one.example.com", "two.example.com", "203.0.113.7"] {
        ping(&egress, at(host)).await.unwrap();
        assert_eq!(server.journal().last().unwrap().header("host"), Some(host));
    }
    let before = server.connections();
    assert_eq!(cause(&egress, url("http://rebound.example.com/mcp")).await, Cause::Blocked);
    assert_eq!(server.connections(), before, "what is judged is what is dialled");
}

#[tokio::test]
async fn a_dns_that_does_not_answer_is_what_is_said_to_fail() {
    #[derive(Debug)]
    struct Silent;
    impl Resolve for Silent {
        fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
            Box::pin(std::future::pending())
        }
    }
    let connect_timeout = Duration::from_millis(100);
    let way = Way { connect_timeout, ..Way::new(Arc::new(Silent)) };
    let options = HttpOptions { way, ..options(guard(&[]), Names::of(&[])) };
    assert_eq!(cause(&egress(options), url("http://late.example.com/mcp")).await, Cause::Dns);
}

#[tokio::test]
async fn redirects_lead_nowhere_else() {
    let trap = Server::trap().await;
    let target = trap.url("/mcp");
    for status in [301, 302, 303, 307, 308] {
        let location = target.to_string();
        let server = Server::plain(move |_| {
            let response = http::Response::builder().status(status).header("location", &location);
            let response = response.body(axum::body::Body::empty()).unwrap();
            async move { response }
        })
        .await;
        let egress = egress(options(guard(&["127.0.0.0/8"]), Names::of(&[])));
        for transport in [Transport::StreamableHttp, Transport::Sse] {
            let error = ping(&egress, backend(server.url("/mcp"), transport)).await.unwrap_err();
            assert_eq!(error.cause(), Cause::Protocol, "{status}");
        }
        let http = HttpClient::new(options(guard(&["127.0.0.0/8"]), Names::of(&[])));
        let document = http.fetch_json(EgressClass::Oidc, &Trust::system(), &server.url("/keys"), 1000).await;
        assert_eq!(document.unwrap_err().cause(), Cause::Protocol);
    }
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_redirect_of_the_same_origin_keeps_method_and_body() {
    let server = Server::plain(|recorded| {
        let moved = recorded.path == "/old";
        let response = if moved {
            let response = http::Response::builder().status(308).header("location", "/mcp");
            response.body(axum::body::Body::empty()).unwrap()
        } else if recorded.what() == "initialize" {
            crate::out_support::initialized(&recorded, "2025-11-25")
        } else {
            json_body(result(&recorded, "{}"))
        };
        async move { response }
    })
    .await;
    let egress = egress(options(guard(&["127.0.0.0/8"]), Names::of(&[])));
    let session = egress.open(&streamable(server.url("/old")), &Caller::anonymous());
    session.request(&Caller::anonymous(), "ping", None, PATIENCE).await.unwrap();
    assert!(server.journal().iter().any(|recorded| recorded.path == "/mcp" && recorded.what() == "ping"));
}

#[tokio::test]
async fn a_document_has_a_limit() {
    let server = Server::plain(|_| async { json_body(format!("\"{}\"", "x".repeat(2000))) }).await;
    let http = HttpClient::new(options(guard(&["127.0.0.0/8"]), Names::of(&[])));
    let (trust, url) = (Trust::system(), server.url("/"));
    assert!(http.fetch_json(EgressClass::Oidc, &trust, &url, 4000).await.is_ok());
    let error = http.fetch_json(EgressClass::Oidc, &trust, &url, 1000).await.unwrap_err();
    assert!(error.to_string().contains("larger than 1000 bytes"), "{error}");
}
