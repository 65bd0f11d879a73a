//! HTTP+SSE for clients, the transport of revision 2024-11-05: one stream at `/sse` carries everything that the client
//! is told, and names the endpoint at `/messages` to which the client posts. The stream is the session.

use super::answer::{self, Refused};
use super::dispatch::Outcome;
use super::post::{self, Notice};
use super::session::{InFlight, Session};
use super::stream::Messages;
use super::upstream::Call;
use super::work::Progress;
use super::{Ingress, accept, body, methods};
use crate::backend::Caller;
use crate::jsonrpc::{ErrorObject, Message, Request as Asked, code, error_response, raw, result_response};
use crate::replicas::Handshake;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, StatusCode};
use serde_json::json;
use serde_json::value::RawValue;
use std::convert::Infallible;
use std::sync::Arc;
use url::{Url, form_urlencoded};

/// The query parameter that names the session.
const SESSION: &str = "sessionId";

/// How the URL is written to which clients post.
#[derive(Debug, Clone, Default)]
pub struct SseEndpoint {
    /// Path that an ingress strips, put before the URL's own.
    pub prefix: Option<String>,
    /// Whether `X-Forwarded-Proto`, `-Host`, `-Port` and `-Prefix` of the request say how clients reach this server.
    pub trust_proxy_headers: bool,
}

impl SseEndpoint {
    /// The URL for the client that sent `headers`: a path, or absolute when a trusted proxy says under which name the
    /// client reaches this server.
    fn url(&self, headers: &HeaderMap, session: &str) -> String {
        let forwarded = |name: &str| {
            let value = headers.get(name).filter(|_| self.trust_proxy_headers)?.to_str().ok()?;
            // Each proxy on the way may have added its own; the first is the one that the client spoke to.
            value.split(',').next().map(str::trim).filter(|value| !value.is_empty())
        };
        let prefix = self.prefix.as_deref().or_else(|| forwarded("x-forwarded-prefix").filter(|path| is_path(path)));
        let prefix = prefix.unwrap_or_default().trim_end_matches('/');
        let path = format!("{prefix}/messages?{SESSION}={session}");
        let origin = forwarded("x-forwarded-host").and_then(|host| {
            let scheme = forwarded("x-forwarded-proto").unwrap_or("http");
            let mut origin = Url::parse(&format!("{scheme}://{host}")).ok()?;
            if let (None, Some(port)) =
                (origin.port(), forwarded("x-forwarded-port").and_then(|port| port.parse().ok()))
            {
                origin.set_port(Some(port)).ok()?;
            }
            let plain = matches!(scheme, "http" | "https") && origin.path() == "/" && origin.username().is_empty();
            plain.then(|| origin.origin().ascii_serialization())
        });
        format!("{}{path}", origin.unwrap_or_default())
    }
}

fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\'))
}

/// GET of `/sse`: a session begins.
pub(super) async fn stream(State(ingress): State<Arc<Ingress>>, request: Request) -> Response {
    open(&ingress, request.headers()).await.unwrap_or_else(|Refused(answer)| *answer)
}

/// POST to `/messages`.
pub(super) async fn message(State(ingress): State<Arc<Ingress>>, request: Request) -> Response {
    take(&ingress, request).await.unwrap_or_else(|Refused(answer)| *answer)
}

async fn open(ingress: &Arc<Ingress>, headers: &HeaderMap) -> Result<Response, Refused> {
    let caller = ingress.authenticate(headers).await?;
    if !accept::accepted(headers).events {
        let message = "the Accept header of a GET request must include text/event-stream";
        return Err(answer::refusal(StatusCode::NOT_ACCEPTABLE, code::INVALID_REQUEST, message));
    }
    let endpoint = ingress.http_sse.clone().unwrap_or_default();
    let session = ingress.create_session(&caller, None)?;
    ingress.note_session(&session, None, None).await?;
    let endpoint = format!("event: endpoint\ndata: {}\n\n", endpoint.url(headers, &session.id));
    let messages = Messages::of(ingress, Arc::clone(&session), &caller, None);
    let end = EndOfSession { ingress: Arc::clone(ingress), session };
    let messages = stream::unfold((messages, end), |(messages, end)| async move {
        let (event, messages) = messages.next().await?;
        Some((event, (messages, end)))
    });
    let first = stream::once(async move { Ok::<_, Infallible>(Bytes::from(endpoint)) });
    Ok(answer::events(Body::from_stream(first.chain(messages))))
}

/// Ends the session with its stream.
struct EndOfSession {
    ingress: Arc<Ingress>,
    session: Arc<Session>,
}

impl Drop for EndOfSession {
    fn drop(&mut self) {
        self.ingress.lose(&self.session);
    }
}

async fn take(ingress: &Arc<Ingress>, request: Request) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let caller = ingress.authenticate(&headers).await?;
    post::check_content_type(&headers)?;
    let query = parts.uri.query().unwrap_or_default();
    let id = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == SESSION);
    let (_, id) = id.ok_or_else(no_such_session)?;
    let session = ingress.find_session(&id, &caller).await?.ok_or_else(no_such_session)?;
    let body = body::read(body).await?;
    let message = Message::parse(&body).map_err(|error| post::unreadable(&body, &error))?;
    match message {
        Message::Request(asked) if asked.method == "initialize" => initialize(ingress, session, caller, &asked),
        Message::Request(asked) => {
            check_params(&asked)?;
            let in_flight = post::begin(&session, &asked.id)?;
            let call = Call { method: asked.method.into_owned(), params: asked.params.map(ToOwned::to_owned) };
            answer(ingress, session, caller, in_flight, call);
        }
        Message::Notification(notification) => {
            let notice =
                Notice::read(&headers, &notification).map_err(|error| post::bad_request(&ErrorObject::from(&error)))?;
            return post::accepted(ingress, &session, notice.act(&session, &caller, body.clone()).await);
        }
        Message::Response(_) => {
            return post::accepted(ingress, &session, post::take(&session, &caller, body.clone()).await);
        }
    }
    Ok(answer::empty(StatusCode::ACCEPTED))
}

fn no_such_session() -> Refused {
    let message = "there is no such session, open another one with a GET of /sse";
    answer::refusal(StatusCode::NOT_FOUND, code::INVALID_REQUEST, message)
}

fn check_params(asked: &Asked<'_>) -> Result<(), Refused> {
    methods::check(&asked.method, asked.params).map_err(|error| {
        let error = ErrorObject::from(&error);
        answer::error(StatusCode::BAD_REQUEST, Some(&asked.id), &error).into()
    })
}

fn initialize(ingress: &Arc<Ingress>, session: Arc<Session>, caller: Caller, asked: &Asked<'_>) {
    let (ingress, id) = (Arc::clone(ingress), asked.id.clone());
    let params: Box<RawValue> = asked.params.map_or_else(|| raw(&json!({})), ToOwned::to_owned);
    tokio::spawn(async move {
        let handshake = params.clone();
        let response = match post::open(&ingress, &session, &caller, params).await {
            Ok(result) => {
                let handshake = Handshake::of(session.revision().unwrap_or_default(), &handshake);
                if ingress.note_session(&session, Some(handshake), Some(&id)).await.is_err() {
                    // The session has ended, and its stream with it.
                    return;
                }
                result_response(&id, &result)
            }
            Err(unopened) => error_response(Some(&id), &unopened.error),
        };
        tell(&ingress, &session, response);
    });
}

/// Works on a request in a task of its own, and puts what comes of it on the client's stream.
fn answer(ingress: &Arc<Ingress>, session: Arc<Session>, caller: Caller, in_flight: InFlight, call: Call) {
    let ingress = Arc::clone(ingress);
    tokio::spawn(async move {
        let mut work = post::work(&session, caller, in_flight, call);
        loop {
            match work.next().await {
                Progress::Said(message) => {
                    tell(&ingress, &session, message);
                    continue;
                }
                Progress::Done(Outcome::Answered(response) | Outcome::Overloaded(response)) => {
                    tell(&ingress, &session, response);
                }
                Progress::Done(Outcome::SessionLost(response)) => {
                    tell(&ingress, &session, response);
                    ingress.lose(&session);
                }
                Progress::Done(Outcome::Cancelled | Outcome::Panicked) => {}
            }
            return;
        }
    });
}

/// Puts a message on the client's stream. A client that does not read it, or to which nothing comes through, loses the session,
/// not an answer.
fn tell(ingress: &Arc<Ingress>, session: &Arc<Session>, message: Bytes) {
    if !session.outbox.append(message) && !session.ended.is_cancelled() {
        tracing::warn!("a client cannot be told what it is to be told, its session ends");
        session.ended.cancel();
        // Its stream may be at another replica.
        ingress.lose(session);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http::HeaderName;

    fn url(endpoint: &SseEndpoint, forwarded: &[(&'static str, &str)]) -> String {
        let headers = forwarded.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        endpoint.url(&headers.collect(), "id")
    }

    #[test]
    fn the_endpoint_is_a_path_with_the_configured_prefix() {
        let forwarded = [("x-forwarded-host", "evil.example"), ("x-forwarded-prefix", "/evil")];
        assert_eq!(url(&SseEndpoint::default(), &forwarded), "/messages?sessionId=id");
        for prefix in ["/tools/github", "/tools/github/"] {
            let endpoint = SseEndpoint { prefix: Some(prefix.to_owned()), trust_proxy_headers: false };
            assert_eq!(url(&endpoint, &forwarded), "/tools/github/messages?sessionId=id");
        }
    }

    #[test]
    fn a_trusted_proxy_says_how_clients_reach_the_endpoint() {
        let trusting = SseEndpoint { prefix: None, trust_proxy_headers: true };
        let (proto, host) = (("x-forwarded-proto", "https"), ("x-forwarded-host", "mcp.example.com, inner"));
        let port = ("x-forwarded-port", "8443");
        let prefix = ("x-forwarded-prefix", "/github");
        for (forwarded, expected) in [
            (vec![], "/messages?sessionId=id"),
            (vec![prefix], "/github/messages?sessionId=id"),
            (vec![proto, host, prefix], "https://mcp.example.com/github/messages?sessionId=id"),
            (vec![proto, host, port], "https://mcp.example.com:8443/messages?sessionId=id"),
            (vec![("x-forwarded-host", "mcp.example.com:81"), port], "http://mcp.example.com:81/messages?sessionId=id"),
            (vec![("x-forwarded-host", "a/b"), ("x-forwarded-prefix", "//evil")], "/messages?sessionId=id"),
            (vec![("x-forwarded-proto", "javascript"), host], "/messages?sessionId=id"),
        ] {
            assert_eq!(url(&trusting, &forwarded), expected, "{forwarded:?}");
        }
        let both = SseEndpoint { prefix: Some("/own".to_owned()), ..trusting };
        assert_eq!(url(&both, &[prefix]), "/own/messages?sessionId=id");
    }
}
