//! Servers that record what arrives, certificates, and an egress side that resolves names as a test says.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use url::Url;
use vmcp::backend::{Backend, Caller, EgressClass, Principal, SubjectToken, Transport};
use vmcp::egress::guard::{AllowRule, Guard};
use vmcp::egress::{Egress, HttpClient, HttpOptions, Reply, Resolve, ResolveError, Way};
use vmcp::outgoing::TokenCache;

pub(crate) use crate::in_support::PATIENCE;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) http2: bool,
    pub(crate) server_name: Option<String>,
}

impl Recorded {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// The JSON-RPC method, or the HTTP method of a request without one.
    pub(crate) fn what(&self) -> String {
        self.json()["method"].as_str().map_or_else(|| self.method.clone(), str::to_owned)
    }
}

/// Answers a request, unless it is one that is not recorded.
type Script = Arc<dyn Fn(Recorded) -> Option<BoxFuture<'static, Response>> + Send + Sync>;

/// Like most servers with sessions it knows no other revisions: that it is asked is no part of what tests tell.
fn old_fashioned<F, Fut>(script: F) -> Script
where
    F: Fn(Recorded) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Response> + Send + 'static,
{
    Arc::new(move |recorded| {
        let answer = |recorded| -> BoxFuture<'static, Response> { Box::pin(script(recorded)) };
        (recorded.what() != "server/discover").then(|| answer(recorded))
    })
}

/// A server that answers as its script says.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    journal: watch::Sender<Vec<Recorded>>,
    connections: watch::Sender<usize>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Without TLS.
    pub(crate) async fn plain<F, Fut>(script: F) -> Self
    where
        F: Fn(Recorded) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response> + Send + 'static,
    {
        Self::start(None, old_fashioned(script)).await
    }

    /// Without TLS and without sessions: the script says which revisions it speaks, too.
    pub(crate) async fn stateless<F, Fut>(script: F) -> Self
    where
        F: Fn(Recorded) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response> + Send + 'static,
    {
        Self::start(None, Arc::new(move |recorded| Some(Box::pin(script(recorded))))).await
    }

    /// With TLS.
    pub(crate) async fn tls<F, Fut>(config: Arc<rustls::ServerConfig>, script: F) -> Self
    where
        F: Fn(Recorded) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response> + Send + 'static,
    {
        Self::start(Some(TlsAcceptor::from(config)), old_fashioned(script)).await
    }

    /// One that nothing may reach.
    pub(crate) async fn trap() -> Self {
        Self::plain(|_| async { text(StatusCode::OK, "trapped") }).await
    }

    async fn start(acceptor: Option<TlsAcceptor>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (journal, connections) = (watch::Sender::new(Vec::new()), watch::Sender::new(0));
        let (entries, count) = (journal.clone(), connections.clone());
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                count.send_modify(|count| *count += 1);
                let (script, entries, acceptor) = (Arc::clone(&script), entries.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(TokioIo::new(stream), None, script, entries).await,
                        Some(acceptor) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            let server_name = stream.get_ref().1.server_name().map(str::to_owned);
                            serve(TokioIo::new(stream), server_name, script, entries).await;
                        }
                    }
                });
            }
        });
        Self { address, journal, connections, task: task.abort_handle() }
    }

    pub(crate) fn journal(&self) -> Vec<Recorded> {
        self.journal.borrow().clone()
    }

    /// The JSON-RPC (or HTTP) methods that arrived.
    pub(crate) fn methods(&self) -> Vec<String> {
        self.journal().iter().map(Recorded::what).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.borrow()
    }

    /// Waits until there were more connections than so many.
    pub(crate) async fn connected_beyond(&self, connections: usize) {
        let mut opened = self.connections.subscribe();
        tokio::time::timeout(PATIENCE, opened.wait_for(|opened| *opened > connections)).await.unwrap().unwrap();
    }

    /// Waits until what arrived is such.
    pub(crate) async fn until(&self, is_such: impl Fn(&[Recorded]) -> bool) {
        let mut journal = self.journal.subscribe();
        let seen = tokio::time::timeout(PATIENCE, journal.wait_for(|journal| is_such(journal))).await;
        assert!(seen.is_ok(), "never came: {:?}", self.methods());
    }

    /// Waits until a request fits.
    pub(crate) async fn wait_for(&self, fits: impl Fn(&Recorded) -> bool) -> Recorded {
        self.until(|journal| journal.iter().any(&fits)).await;
        self.journal().into_iter().find(fits).unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).unwrap()
    }
}

async fn serve<I>(io: I, server_name: Option<String>, script: Script, entries: watch::Sender<Vec<Recorded>>)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (script, entries, server_name) = (Arc::clone(&script), entries.clone(), server_name.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let recorded = Recorded {
                method: head.method.to_string(),
                path: head.uri.path().to_owned(),
                headers: head.headers,
                body: String::from_utf8_lossy(&body).into_owned(),
                http2: head.version == http::Version::HTTP_2,
                server_name,
            };
            let Some(answer) = script(recorded.clone()) else { return Ok(text(StatusCode::NOT_FOUND, "")) };
            entries.send_modify(|entries| entries.push(recorded));
            Ok::<_, std::convert::Infallible>(answer.await)
        }
    });
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
}

pub(crate) fn text(status: StatusCode, body: &str) -> Response {
    Response::builder().status(status).body(Body::from(body.to_owned())).unwrap()
}

pub(crate) fn json_body(body: impl Into<Bytes>) -> Response {
    Response::builder().header("content-type", "application/json").body(Body::from(body.into())).unwrap()
}

pub(crate) fn event_stream(body: impl Into<Body>) -> Response {
    Response::builder().header("content-type", "text/event-stream; charset=utf-8").body(body.into()).unwrap()
}

/// The answer to `initialize`.
pub(crate) fn initialized(recorded: &Recorded, version: &str) -> Response {
    let answer = json!({"jsonrpc": "2.0", "id": recorded.json()["id"], "result": {
        "protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "test", "version": "1"},
    }});
    let mut response = json_body(answer.to_string());
    response.headers_mut().insert("mcp-session-id", "session-1".parse().unwrap());
    response
}

/// The answer with this text as result.
pub(crate) fn result(recorded: &Recorded, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, recorded.json()["id"])
}

/// An MCP server whose handshake works and whose other requests `script` answers.
pub(crate) fn mcp(
    script: impl Fn(&Recorded) -> Response + Send + Sync + 'static,
) -> impl Fn(Recorded) -> BoxFuture<'static, Response> + Send + Sync + 'static {
    move |recorded| {
        let response = match recorded.what().as_str() {
            "initialize" => initialized(&recorded, "2025-11-25"),
            "DELETE" => text(StatusCode::OK, ""),
            method if method.starts_with("notifications/") => text(StatusCode::ACCEPTED, ""),
            _ => script(&recorded),
        };
        Box::pin(async move { response })
    }
}

/// An MCP server that answers each request with `{}`.
pub(crate) async fn mcp_server() -> Server {
    Server::plain(mcp(|recorded| json_body(result(recorded, "{}")))).await
}

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// What a server with this name needs, speaking these protocols.
    pub(crate) fn server(&self, name: &str, protocols: &[&str]) -> Arc<rustls::ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// Names and their addresses; each look-up takes the next list of answers, the last one stays.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>);

impl Names {
    pub(crate) fn of(names: &[(&str, &[&[&str]])]) -> Arc<Self> {
        let parse = |list: &&[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
        Self::leading(names.iter().map(|(name, answers)| ((*name).to_owned(), answers.iter().map(parse).collect())))
    }

    pub(crate) fn leading(names: impl IntoIterator<Item = (String, Vec<Vec<IpAddr>>)>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(names.into_iter().collect())))
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
        let mut names = self.0.lock().unwrap();
        let answer = match names.get_mut(name) {
            None => Err(ResolveError::NoAddress),
            Some(answers) if answers.len() > 1 => Ok(answers.remove(0)),
            Some(answers) => Ok(answers[0].clone()),
        };
        Box::pin(async move { answer })
    }
}

/// A guard with these `--egress-allow` rules.
pub(crate) fn guard(allow: &[&str]) -> Guard {
    Guard { allow: allow.iter().map(|rule| rule.parse::<AllowRule>().unwrap()).collect(), ..Guard::default() }
}

/// Options without system authorities, which tests do not depend on.
pub(crate) fn options(guard: Guard, names: Arc<Names>) -> HttpOptions {
    HttpOptions { system_roots: Some(RootCertStore::empty()), ..HttpOptions::new(guard, Way::new(names)) }
}

/// An egress side that reaches everything on this machine.
pub(crate) fn open_egress() -> Egress {
    egress(options(guard(&["127.0.0.0/8"]), Names::of(&[])))
}

pub(crate) fn egress(options: HttpOptions) -> Egress {
    Egress::new(HttpClient::new(options), TokenCache::new(vmcp::outgoing::DEFAULT_LONGEST_USE))
}

/// A backend of class remote.
pub(crate) fn backend(url: Url, transport: Transport) -> Backend {
    Backend { class: EgressClass::Remote, ..Backend::workload("partner", url, transport) }.with_identity()
}

pub(crate) fn streamable(url: Url) -> Arc<Backend> {
    Arc::new(backend(url, Transport::StreamableHttp))
}

/// A caller with a token that is good for an hour.
pub(crate) fn user(name: &str, token: &str) -> Caller {
    let principal = Principal { issuer: "https://idp.example.com".to_owned(), subject: name.to_owned() };
    let expires_at = SystemTime::now() + Duration::from_hours(1);
    Caller::authenticated(principal, SubjectToken::new(token.to_owned(), expires_at))
}

/// The text of a result.
pub(crate) fn result_text(reply: Reply) -> String {
    match reply {
        Reply::Result(result) => result.get().to_owned(),
        Reply::Error(error) => panic!("an error: {error}"),
    }
}
