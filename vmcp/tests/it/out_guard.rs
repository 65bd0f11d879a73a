//! Which connections the gateway opens: every hop, every host of the corpus.
//!
//! The tests look at the connections that are asked for below the guard, never at messages. What may be reached is
//! connected to, so that a gateway without a guard, or one that refuses everything, fails.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use http::header::{CONNECTION, LOCATION};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use tokio::net::TcpStream;
use url::Url;
use vmcp::backend::{Backend, Caller, Transport, Trust};
use vmcp::egress::guard::{EgressClass, Guard, Reach};
use vmcp::egress::{Egress, HttpClient, Sockets};
use vmcp::outgoing::{ClientCredentials, OutgoingAuth, TokenCache, TokenExchange, TokenType};
use vmcp::policy::{Issuer, Keys, Oidc, ProtectedResource};

use crate::out_guard_corpus::{Case, PUBLIC, corpus};
use crate::out_support::{
    Names, PATIENCE, Recorded, Server, backend, event_stream, initialized, json_body, options, result, text, user,
};

/// A server of the attacker's, which may be reached, and which leads on to others.
const START: &str = "start.example.com";
const START_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// Leads every connection to one server, and remembers where it was meant to go.
#[derive(Debug)]
struct Recorder {
    server: SocketAddr,
    asked: Mutex<Vec<SocketAddr>>,
}

impl Sockets for Recorder {
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        self.asked.lock().unwrap().push(address);
        Box::pin(TcpStream::connect(self.server))
    }
}

/// What the server does beside serving.
#[derive(Debug, Clone, Default)]
enum Lure {
    #[default]
    None,
    /// It names this URL: in the endpoint event and as `jwks_uri`.
    Names(String),
    /// It redirects every request.
    Redirects(u16, String),
}

/// The outside of the gateway: one server that plays all of them.
struct Outside {
    recorder: Arc<Recorder>,
    lure: Arc<Mutex<Lure>>,
    server: Server,
    client: HttpClient,
}

impl Outside {
    /// Where the names of the corpus lead, and these.
    async fn new(cases: &[Case], names: impl IntoIterator<Item = (String, Vec<Vec<IpAddr>>)>) -> Self {
        let lure: Arc<Mutex<Lure>> = Arc::default();
        let shared = Arc::clone(&lure);
        let server = Server::plain(move |recorded| {
            let mut response = play(&recorded, &shared.lock().unwrap());
            // Each request needs a connection of its own, which is judged.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            async move { response }
        })
        .await;
        let recorder = Arc::new(Recorder { server: server.address, asked: Mutex::default() });
        let of_corpus = readable(cases).filter_map(|case| Some((case.name()?, vec![vec![case.address()]])));
        let start = (START.to_owned(), vec![vec![START_ADDRESS]]);
        let names = Names::leading(of_corpus.chain([start]).chain(names));
        let sockets: Arc<dyn Sockets> = recorder.clone();
        let mut options = options(Guard::default(), names);
        options.way.sockets = sockets;
        let client = HttpClient::new(options);
        Self { recorder, lure, server, client }
    }

    /// Goes to `url` by `hop`, and tells the addresses that were connected to.
    async fn go(&self, hop: Hop, url: &str, allow_private: bool) -> BTreeSet<IpAddr> {
        hop.go(&self.client, url, allow_private).await;
        std::mem::take(&mut *self.recorder.asked.lock().unwrap()).iter().map(SocketAddr::ip).collect()
    }

    fn lure(&self, lure: Lure) {
        *self.lure.lock().unwrap() = lure;
    }
}

fn readable(cases: &[Case]) -> impl Iterator<Item = &Case> {
    cases.iter().filter(|case| case.is_readable())
}

/// The hosts that are addresses, with their numbers.
fn addresses(cases: &[Case]) -> impl Iterator<Item = (usize, &Case)> {
    readable(cases).filter(|case| case.name().is_none()).enumerate()
}

/// A server that is whatever it is asked for.
fn play(recorded: &Recorded, lure: &Lure) -> Response {
    if let Lure::Redirects(status, location) = lure {
        let mut response = text(StatusCode::from_u16(*status).unwrap(), "");
        response.headers_mut().insert(LOCATION, HeaderValue::from_bytes(location.as_bytes()).unwrap());
        return response;
    }
    let named = |path: &str| match lure {
        Lure::Names(url) => url.clone(),
        _ => format!("http://{}{path}", recorded.header("host").unwrap()),
    };
    match (recorded.method.as_str(), recorded.path.as_str()) {
        ("GET", "/sse") => {
            let event = Bytes::from(format!("event: endpoint\ndata: {}\n\n", named("/messages")));
            let stays_open = futures::stream::iter([Ok::<_, io::Error>(event)]).chain(futures::stream::pending());
            event_stream(Body::from_stream(stays_open))
        }
        ("POST", "/messages") => text(StatusCode::NOT_FOUND, ""),
        ("POST", "/token") => json_body(
            json!({
                "access_token": "exchanged", "token_type": "Bearer",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            })
            .to_string(),
        ),
        ("GET", "/.well-known/openid-configuration") => {
            let issuer = format!("http://{}", recorded.header("host").unwrap());
            json_body(json!({"issuer": issuer, "jwks_uri": named("/keys")}).to_string())
        }
        ("GET", _) => json_body(json!({"keys": []}).to_string()),
        _ => match recorded.what().as_str() {
            "initialize" => initialized(recorded, "2025-11-25"),
            "ping" => json_body(result(recorded, "{}")),
            _ => text(StatusCode::ACCEPTED, ""),
        },
    }
}

/// A way by which a URL that others wrote comes to be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hop {
    Mcp(EgressClass),
    Sse(EgressClass),
    TokenEndpoint,
    Discovery,
    Keys,
    /// Any document: for classes that nothing uses yet.
    Document(EgressClass),
}

impl Hop {
    const ALL: [Self; 11] = [
        Self::Mcp(EgressClass::Remote),
        Self::Mcp(EgressClass::Proxied),
        Self::Mcp(EgressClass::Workload),
        Self::Sse(EgressClass::Remote),
        Self::Sse(EgressClass::Proxied),
        Self::Sse(EgressClass::Workload),
        Self::TokenEndpoint,
        Self::Discovery,
        Self::Keys,
        Self::Document(EgressClass::Oidc),
        Self::Document(EgressClass::Otlp),
    ];

    const ONE_PER_CLASS: [Self; 6] = [
        Self::Mcp(EgressClass::Remote),
        Self::Mcp(EgressClass::Proxied),
        Self::Mcp(EgressClass::Workload),
        Self::TokenEndpoint,
        Self::Discovery,
        Self::Document(EgressClass::Otlp),
    ];

    const WITH_REDIRECTS: [Self; 5] = [
        Self::Mcp(EgressClass::Remote),
        Self::Sse(EgressClass::Remote),
        Self::TokenEndpoint,
        Self::Discovery,
        Self::Keys,
    ];

    fn class(self) -> EgressClass {
        match self {
            Self::Mcp(class) | Self::Sse(class) | Self::Document(class) => class,
            Self::TokenEndpoint => EgressClass::Token,
            Self::Discovery | Self::Keys => EgressClass::Oidc,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Mcp(_) => "/mcp",
            Self::Sse(_) => "/sse",
            Self::TokenEndpoint => "/token",
            // Discovery adds its own.
            Self::Discovery => "",
            Self::Keys => "/keys",
            Self::Document(_) => "/document",
        }
    }

    /// Goes to `url`. Whether that succeeds does not matter here.
    async fn go(self, client: &HttpClient, url: &str, allow_private: bool) {
        let Ok(parsed) = Url::parse(url) else { return };
        match self {
            Self::Mcp(class) => call(client, parsed, Transport::StreamableHttp, class, allow_private).await,
            Self::Sse(class) => call(client, parsed, Transport::Sse, class, allow_private).await,
            Self::TokenEndpoint => exchange(client, parsed).await,
            Self::Discovery => verify(client, url.to_owned(), None, allow_private).await,
            Self::Keys => verify(client, format!("http://{START}"), Some(parsed), allow_private).await,
            Self::Document(class) => {
                let _ = client.fetch_json(Reach { class, allow_private }, &Trust::system(), &parsed, 1000).await;
            }
        }
    }
}

async fn call(client: &HttpClient, url: Url, transport: Transport, class: EgressClass, allow_private: bool) {
    let backend = Backend { class, allow_private, ..backend(url, transport) };
    request(client, backend, &Caller::anonymous()).await;
}

async fn exchange(client: &HttpClient, token_url: Url) {
    let exchange = TokenExchange {
        source: "uid".to_owned(),
        token_url,
        trust: Trust::system(),
        client: Some(ClientCredentials { id: "gateway".to_owned(), secret: Some("s3cr3t".into()) }),
        audience: None,
        scopes: Vec::new(),
        subject_token_type: TokenType::AccessToken,
    };
    let url = Url::parse(&format!("http://{START}/mcp")).unwrap();
    let auth = OutgoingAuth::TokenExchange(Arc::new(exchange));
    let backend = Backend { auth, ..backend(url, Transport::StreamableHttp) };
    request(client, backend, &user("alice", "token")).await;
}

async fn request(client: &HttpClient, backend: Backend, caller: &Caller) {
    let egress = Egress::new(client.clone(), TokenCache::new(vmcp::outgoing::DEFAULT_LONGEST_USE));
    let session = egress.open(&Arc::new(backend.with_identity()), caller);
    let _ = session.request(caller, "ping", None, PATIENCE).await;
}

async fn verify(client: &HttpClient, url: String, jwks_url: Option<Url>, allow_private: bool) {
    let issuer = Issuer { url: url.clone(), jwks_url, trust: Trust::system(), allow_private, allow_http: true };
    let resource = ProtectedResource::new(None, url.clone(), Vec::new());
    let oidc = Oidc::new(url, "gateway".to_owned(), Keys::new(client.clone(), issuer), resource);
    assert!(oidc.verify("not a token").await.is_err());
}

/// Remembers what went wrong, so that one run shows all of it.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn check(&mut self, connected: &BTreeSet<IpAddr>, expected: &[IpAddr], about: impl FnOnce() -> String) {
        if !connected.iter().eq(expected.iter().collect::<BTreeSet<_>>()) {
            self.0.push(format!("{}: connected to {connected:?}", about()));
        }
    }

    fn none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

#[tokio::test]
async fn each_hop_connects_to_what_its_class_may_reach_and_to_nothing_else() {
    let cases = corpus();
    let outside = Outside::new(&cases, []).await;
    let mut wrong = Wrong::default();
    for case in &cases {
        for hop in Hop::ALL {
            // Objects of the other classes cannot allow private networks.
            let allows: &[bool] =
                if matches!(hop.class(), EgressClass::Remote | EgressClass::Oidc) { &[false, true] } else { &[false] };
            for &allow_private in allows {
                let mut connected = outside.go(hop, &case.text(hop.path()), allow_private).await;
                if hop == Hop::TokenEndpoint {
                    // The backend is asked when there is a token.
                    connected.remove(&START_ADDRESS);
                }
                let reach = Reach { class: hop.class(), allow_private };
                let reached = case.is_readable() && case.may_be_reached(reach);
                let expected = if reached { vec![case.address()] } else { vec![] };
                let about = || format!("{hop:?}, {allow_private}, {}: {:?}", case.family, case.host);
                wrong.check(&connected, &expected, about);
            }
        }
    }
    wrong.none();
    let asked: BTreeSet<String> = outside.server.journal().into_iter().map(|recorded| recorded.path).collect();
    let discovery = "/.well-known/openid-configuration";
    for path in ["/mcp", "/sse", "/messages", "/token", discovery, "/keys", "/document"] {
        assert!(asked.contains(path), "no request arrived at {path}");
    }
}

#[tokio::test]
async fn a_name_is_refused_for_each_of_its_addresses_that_is() {
    let cases = corpus();
    let public_v6 = "2001:4860:4860::8888".parse().unwrap();
    let names = addresses(&cases).flat_map(|(number, case)| {
        let address = case.address();
        let answers =
            [("alone", vec![address]), ("first", vec![address, PUBLIC]), ("last", vec![PUBLIC, public_v6, address])];
        answers.map(|(place, addresses)| (format!("{place}-{number}.example.com"), vec![addresses]))
    });
    let outside = Outside::new(&cases, names).await;
    let mut wrong = Wrong::default();
    for (number, case) in addresses(&cases) {
        for hop in Hop::ONE_PER_CLASS {
            let reached = case.may_be_reached(hop.class().into());
            for place in ["alone", "first", "last"] {
                let url = format!("http://{place}-{number}.example.com{}", hop.path());
                let mut connected = outside.go(hop, &url, false).await;
                connected.remove(&START_ADDRESS);
                // Of several addresses that are allowed any may be taken.
                if connected.is_empty() == reached {
                    wrong.0.push(format!("{hop:?}, {place}, {}: {:?}: {connected:?}", case.family, case.host));
                }
            }
        }
    }
    wrong.none();
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_later_is_judged_later() {
    // Hops of several requests, each of which has a connection of its own.
    const HOPS: [Hop; 4] =
        [Hop::Mcp(EgressClass::Remote), Hop::Mcp(EgressClass::Workload), Hop::Sse(EgressClass::Remote), Hop::Discovery];
    let cases = corpus();
    let names = addresses(&cases).flat_map(|(number, case)| {
        let answers = vec![vec![PUBLIC], vec![case.address()]];
        (0..HOPS.len()).map(move |hop| (format!("rebind-{number}-{hop}.example.com"), answers.clone()))
    });
    let outside = Outside::new(&cases, names).await;
    let mut wrong = Wrong::default();
    for (number, case) in addresses(&cases) {
        for (place, hop) in HOPS.into_iter().enumerate() {
            let url = format!("http://rebind-{number}-{place}.example.com{}", hop.path());
            let connected = outside.go(hop, &url, false).await;
            let reached = case.may_be_reached(hop.class().into());
            let expected = if reached { vec![PUBLIC, case.address()] } else { vec![PUBLIC] };
            wrong.check(&connected, &expected, || format!("{hop:?}, {}: {:?}", case.family, case.host));
        }
    }
    wrong.none();
}

#[tokio::test]
async fn an_endpoint_event_leads_to_no_other_host() {
    let cases = corpus();
    let outside = Outside::new(&cases, []).await;
    let mut wrong = Wrong::default();
    for case in &cases {
        for url in [case.text("/messages"), format!("//{}/messages", case.host)] {
            outside.lure(Lure::Names(url));
            let connected = outside.go(Hop::Sse(EgressClass::Remote), &format!("http://{START}/sse"), true).await;
            wrong.check(&connected, &[START_ADDRESS], || format!("{}: {:?}", case.family, case.host));
        }
    }
    wrong.none();
    assert!(outside.server.journal().iter().all(|recorded| recorded.path == "/sse"));
}

#[tokio::test]
async fn a_discovery_document_leads_only_where_the_issuer_may_be() {
    let cases = corpus();
    let outside = Outside::new(&cases, []).await;
    let mut wrong = Wrong::default();
    for case in &cases {
        for allow_private in [false, true] {
            outside.lure(Lure::Names(case.text("/keys")));
            let connected = outside.go(Hop::Discovery, &format!("http://{START}"), allow_private).await;
            let reached = case.is_readable() && case.may_be_reached(Reach { class: EgressClass::Oidc, allow_private });
            let expected = if reached { vec![START_ADDRESS, case.address()] } else { vec![START_ADDRESS] };
            wrong.check(&connected, &expected, || format!("{allow_private}, {}: {:?}", case.family, case.host));
        }
    }
    wrong.none();
}

#[tokio::test]
async fn a_redirect_leads_to_no_other_host() {
    let cases = corpus();
    let outside = Outside::new(&cases, []).await;
    let mut wrong = Wrong::default();
    for (number, case) in cases.iter().enumerate() {
        for (place, hop) in Hop::WITH_REDIRECTS.into_iter().enumerate() {
            // Hosts take turns, so that each status is tried at each hop with many of them.
            let status = REDIRECTS[(number + place) % REDIRECTS.len()];
            outside.lure(Lure::Redirects(status, case.text(hop.path())));
            let connected = outside.go(hop, &format!("http://{START}{}", hop.path()), true).await;
            let about = || format!("{status}, {hop:?}, {}: {:?}", case.family, case.host);
            wrong.check(&connected, &[START_ADDRESS], about);
        }
    }
    wrong.none();
}
