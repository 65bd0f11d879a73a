//! The side that clients see: Streamable HTTP at `/mcp`, the probes, and the metadata of the protected resource. What
//! answers the messages of clients is an [`Upstream`]: what many backends have, or one backend as it is.
//!
//! Every request first passes the `Host` and `Origin` rules; the metadata is for pages of any origin. What speaks MCP is
//! authenticated next, then judged by its headers, and only then read.

mod accept;
mod admission;
mod answer;
mod answering;
mod batch;
mod body;
mod cors;
mod dispatch;
mod front;
mod http_sse;
mod listener;
mod listening;
mod methods;
mod mirror;
mod modern;
mod origin;
mod outbox;
mod post;
mod probes;
mod replay;
mod requests;
mod restore;
mod revision;
mod session;
mod sessions;
mod stateless;
mod stream;
mod upstream;
mod work;

pub use front::Front;
pub use http_sse::SseEndpoint;
pub use listener::serve;
pub(crate) use methods::owned_keys;
pub(crate) use mirror::{mismatch, single};
pub use origin::{OriginRefused, OriginRules};
pub use outbox::Outbox;
pub use probes::{GroupReport, Report};
pub use requests::Requests;
pub use session::Session;
pub use sessions::{SessionLimits, Sessions};
pub use stateless::{Asked, Stateless, StatelessEndpoint, Subscription};
pub use upstream::{Call, Opened, Unanswered, Unopened, Unresumed, Upstream, UpstreamSession};

use answer::Refused;
use sessions::{Found, FullError};

use crate::backend::Caller;
use crate::jsonrpc::{ErrorObject, Id, code};
use crate::policy::Refusal;
use crate::replicas::{CreateError, Handshake};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use url::{Origin, Url};

/// The header that names a session.
const SESSION_HEADER: HeaderName = HeaderName::from_static("mcp-session-id");
/// What a client is told whose session the backend has lost.
const SESSION_LOST: &str = "the backend has lost the session, start another one with \"initialize\"";

/// How long this side waits for things.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A call that takes longer is answered by an event stream, which proxies keep open.
    pub answer: Duration,
    /// The time between two signs of life on an event stream.
    pub keep_alive: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { answer: Duration::from_secs(5), keep_alive: Duration::from_secs(15) }
    }
}

/// Everything that answers to clients.
#[derive(Debug)]
pub struct Ingress {
    /// Which browsers may call, beside those of the resource that is published.
    pub origins: OriginRules,
    /// The clients' sessions.
    pub sessions: Sessions,
    /// What answers the clients.
    pub upstream: Arc<dyn Upstream>,
    /// How clients of the revisions without sessions are served.
    pub stateless: StatelessEndpoint,
    /// How clients of the HTTP+SSE transport are served, if they are.
    pub http_sse: Option<SseEndpoint>,
    /// What the probes tell.
    pub report: Report,
    /// How long this side waits.
    pub patience: Patience,
    /// Ends the streams, when the server is to end.
    pub stop: CancellationToken,
}

impl Ingress {
    /// Where everything but MCP itself is answered.
    fn routes(self: &Arc<Self>) -> Router {
        let mut router = Router::new()
            .route("/health", get(probes::health))
            .route("/readyz", get(probes::readyz))
            .route("/.well-known/{*rest}", get(well_known));
        if self.report.group.is_some() {
            router = router.route("/status", get(probes::status)).route("/api/backends/health", get(probes::backends));
        }
        if self.http_sse.is_some() {
            router = router.route("/sse", get(http_sse::stream)).route("/messages", post(http_sse::message));
        }
        router.fallback(not_found).with_state(Arc::clone(self))
    }

    /// The origin of the resource as which this server is published at the moment.
    fn published(&self) -> Option<Origin> {
        let now = self.report.discovered.borrow();
        now.policy.resource().and_then(|resource| resource.identifier()).map(Url::origin)
    }

    /// Finds out who calls, or answers what the caller must do first.
    async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Refused> {
        let (policy, passed) = {
            let now = self.report.discovered.borrow();
            (Arc::clone(&now.policy), now.settings.passthrough.capture(headers))
        };
        let caller = policy.authenticate(headers).await.map_err(|refusal| {
            let mut response = answer::json(refusal.status(), refusal.body().to_string());
            if matches!(refusal, Refusal::Unavailable(_)) {
                return answer::try_later(response, 1);
            }
            if let Some(resource) = policy.resource() {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, resource.challenge(&refusal));
            }
            Refused::from(response)
        })?;
        Ok(Caller { passed, ..caller })
    }

    /// The session that a request names, or the answer that the protocol has for the lack of it.
    async fn session(self: &Arc<Self>, headers: &HeaderMap, caller: &Caller) -> Result<Arc<Session>, Refused> {
        let mut values = headers.get_all(SESSION_HEADER).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            let message = "the request needs one Mcp-Session-Id header, which the answer to \"initialize\" carries";
            return Err(answer::refusal(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, message));
        };
        let Ok(id) = value.to_str() else { return Err(no_such_session()) };
        self.find_session(id, caller).await?.ok_or_else(no_such_session)
    }

    /// The session of this id, if it lives and belongs to `caller`.
    async fn find_session(self: &Arc<Self>, id: &str, caller: &Caller) -> Result<Option<Arc<Session>>, Refused> {
        match self.sessions.find(id, caller).await.map_err(|away| storage_away(&away.to_string(), None))? {
            Some(Found::Here(session)) => Ok(Some(session)),
            Some(Found::Elsewhere(session, handshake)) => {
                restore::restore(self, &session, caller, handshake).await?;
                Ok(Some(session))
            }
            None => Ok(None),
        }
    }

    /// Ends the session that a request names.
    async fn end_session(self: &Arc<Self>, headers: &HeaderMap) -> Result<Response, Refused> {
        let caller = self.authenticate(headers).await?;
        let session = self.session(headers, &caller).await?;
        self.check_version(headers)?;
        self.sessions.end(&session).await;
        Ok(answer::empty(StatusCode::OK))
    }

    fn check_version(&self, headers: &HeaderMap) -> Result<(), Refused> {
        revision::check_header(headers, self.upstream.revisions())
            .map_err(|message| answer::refusal(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, message))
    }

    /// Starts a session, or says that there are too many.
    fn create_session(&self, caller: &Caller, id: Option<&Id>) -> Result<Arc<Session>, Refused> {
        self.sessions.create(caller).map_err(|full| no_room(full.to_string(), id))
    }

    /// Lets other replicas find a session. One that they cannot find ends.
    async fn note_session(
        self: &Arc<Self>,
        session: &Arc<Session>,
        handshake: Option<Handshake>,
        id: Option<&Id>,
    ) -> Result<(), Refused> {
        let Err(error) = self.sessions.note(session, handshake).await else { return Ok(()) };
        self.lose(session);
        Err(match error {
            CreateError::Ended => no_such_session(),
            CreateError::Full => no_room(FullError.to_string(), id),
            CreateError::Away(away) => storage_away(&away.to_string(), id),
        })
    }

    /// Ends a session that its backend has lost.
    fn lose(self: &Arc<Self>, session: &Arc<Session>) {
        let (ingress, session) = (Arc::clone(self), Arc::clone(session));
        tokio::spawn(async move { ingress.sessions.end(&session).await });
    }
}

fn no_room(message: String, id: Option<&Id>) -> Refused {
    let error = ErrorObject::new(code::OVERLOADED, message);
    answer::try_later(answer::error(StatusCode::SERVICE_UNAVAILABLE, id, &error), 5)
}

/// The answer while sessions cannot be found or noted.
fn storage_away(message: &str, id: Option<&Id>) -> Refused {
    let error = ErrorObject::new(code::OVERLOADED, message);
    answer::try_later(answer::error(StatusCode::SERVICE_UNAVAILABLE, id, &error), 1)
}

fn no_such_session() -> Refused {
    let message = "there is no such session, start another one with \"initialize\"";
    answer::refusal(StatusCode::NOT_FOUND, code::INVALID_REQUEST, message)
}

/// Answers a request to the endpoint.
async fn mcp(ingress: &Arc<Ingress>, request: Request) -> Response {
    let answer = match request.method().as_str() {
        "POST" => post::post(ingress, request).await,
        "GET" | "DELETE" if revision::is_stateless(request.headers()) => {
            Err(not_allowed("revision 2026-07-28 has no sessions: use POST", "POST"))
        }
        "GET" => stream::open(ingress, request.headers()).await,
        "DELETE" => ingress.end_session(request.headers()).await,
        _ => Err(not_allowed("use POST, GET or DELETE", "POST, GET, DELETE")),
    };
    answer.unwrap_or_else(|Refused(answer)| *answer)
}

fn not_allowed(message: &str, allowed: &'static str) -> Refused {
    let mut refusal = answer::refusal(StatusCode::METHOD_NOT_ALLOWED, code::INVALID_REQUEST, message);
    refusal.0.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    refusal
}

async fn well_known(State(ingress): State<Arc<Ingress>>, request: Request) -> Response {
    let policy = Arc::clone(&ingress.report.discovered.borrow().policy);
    match policy.resource().and_then(|resource| resource.metadata(request.uri().path())) {
        Some(metadata) => {
            let mut response = answer::json(StatusCode::OK, metadata.to_string());
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            response
        }
        None => not_found().await,
    }
}

async fn not_found() -> Response {
    answer::json(StatusCode::NOT_FOUND, r#"{"error":"not_found","error_description":"MCP is served at /mcp"}"#)
}
