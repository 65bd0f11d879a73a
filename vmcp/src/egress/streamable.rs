//! Streamable HTTP towards a backend (MCP 2025-11-25, transports), revisions with sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use super::MAX_MESSAGE;
use super::error::EgressError;
use super::exchange::Exchange;
use super::failure::Failure;
use super::handshake;
use super::http_client::{broken, read_body};
use super::inbound::{self, InFailure, Inbound};
use super::listen::Listener;
use super::news::News;
use super::response::{drain, media_type, protocol};
use super::session::{Cancellation, Reply};
use super::sse::SseDecoder;
use crate::backend::Caller;
use crate::jsonrpc::{self, Id};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Bodies of failed requests are read up to this size, for the JSON-RPC error that they may hold.
const MAX_FAILURE: usize = 64 * 1024;
/// How long to wait before resuming a stream when the backend does not say.
const DEFAULT_RETRY: u64 = 1000;
/// How long at most, whatever the backend says.
const LONGEST_RETRY: u64 = 30_000;

/// A session over Streamable HTTP.
#[derive(Debug)]
pub(super) struct Streamable {
    exchange: Arc<Exchange>,
    news: Arc<News>,
    listener: Listener,
    state: Mutex<Option<Arc<Established>>>,
    last_id: AtomicU64,
}

/// What the handshake agreed on.
#[derive(Debug)]
pub(super) struct Established {
    session_id: Option<HeaderValue>,
    version: &'static str,
}

impl Streamable {
    pub(super) fn new(exchange: Exchange, news: Arc<News>) -> Self {
        Self {
            exchange: Arc::new(exchange),
            news,
            listener: Listener::default(),
            state: Mutex::default(),
            last_id: AtomicU64::default(),
        }
    }

    /// Sends a request. `cancellation` makes what is dropped when nobody waits for the answer any more.
    pub(super) async fn request(
        &self,
        caller: &Caller,
        method: &str,
        params: Option<&RawValue>,
        cancellation: impl Fn(u64) -> Cancellation,
    ) -> Result<Reply, EgressError> {
        let first = self.established(caller, None).await?;
        if self.news.has_subscribers() {
            self.listener.follow(&self.exchange, &first, caller, &self.news);
        }
        match self.call(&first, caller, method, params, &cancellation).await {
            Ok(reply) => Ok(reply),
            Err(Failure::Other(error)) => Err(error),
            Err(Failure::SessionLost(_)) => {
                tracing::debug!(
                    backend = self.exchange.backend.name,
                    "the backend lost the session, opening a new one"
                );
                let second = self.established(caller, Some(&first)).await?;
                self.call(&second, caller, method, params, &cancellation).await.map_err(Failure::into_error)
            }
        }
    }

    /// Sends a notification or an answer within the current session, if there is one.
    pub(super) async fn notify(&self, caller: &Caller, message: Bytes) -> Result<(), EgressError> {
        let Some(established) = self.state.lock().await.clone() else { return Ok(()) };
        post_one_way(&self.exchange, &established, caller, message).await
    }

    /// Ends the session with DELETE. A backend may refuse that with 405.
    pub(super) async fn close(&self, caller: &Caller) {
        self.listener.stop();
        let Some(established) = self.state.lock().await.take() else { return };
        if established.session_id.is_none() {
            return;
        }
        let url = &self.exchange.backend.url;
        let sent = self.exchange.send(caller, Method::DELETE, url, established.headers(), Bytes::new()).await;
        if let Err(error) = sent {
            tracing::debug!(backend = self.exchange.backend.name, %error, "the session could not be ended");
        }
    }

    /// The session, opened first when there is none or when it is still the `lost` one.
    async fn established(
        &self,
        caller: &Caller,
        lost: Option<&Arc<Established>>,
    ) -> Result<Arc<Established>, EgressError> {
        let mut state = self.state.lock().await;
        if let Some(current) = &*state
            && lost.is_none_or(|lost| !Arc::ptr_eq(lost, current))
        {
            return Ok(Arc::clone(current));
        }
        *state = None;
        let established = Arc::new(self.initialize(caller).await?);
        *state = Some(Arc::clone(&established));
        Ok(established)
    }

    async fn initialize(&self, caller: &Caller) -> Result<Established, EgressError> {
        let id = self.next_id();
        let message = jsonrpc::request(&Id::from(id), "initialize", Some(&handshake::params()));
        let response = self.post(caller, HeaderMap::new(), message).await?;
        let session_id = response.headers().get(SESSION_ID).cloned();
        let before = Established { session_id: session_id.clone(), version: "" };
        let reply = self.read_answer(response, &before, caller, id).await.map_err(Failure::into_error)?;
        let version = match reply {
            Reply::Result(result) => handshake::negotiated(&result)?,
            Reply::Error(error) => return Err(handshake::refused(&error)),
        };
        let established = Established { session_id, version };
        let initialized = jsonrpc::notification("notifications/initialized", None);
        post_one_way(&self.exchange, &established, caller, initialized).await?;
        self.news.negotiated(version);
        tracing::debug!(backend = self.exchange.backend.name, version, "opened a session");
        Ok(established)
    }

    async fn call(
        &self,
        established: &Arc<Established>,
        caller: &Caller,
        method: &str,
        params: Option<&RawValue>,
        cancellation: &impl Fn(u64) -> Cancellation,
    ) -> Result<Reply, Failure> {
        let id = self.next_id();
        let message = jsonrpc::request(&Id::from(id), method, params);
        let cancellation = cancellation(id);
        let answer = match self.post(caller, established.headers(), message).await {
            Ok(response) => self.read_answer(response, established, caller, id).await,
            Err(error) => Err(error.into()),
        };
        cancellation.disarm();
        answer
    }

    async fn post(
        &self,
        caller: &Caller,
        headers: HeaderMap,
        message: Bytes,
    ) -> Result<Response<Incoming>, EgressError> {
        post(&self.exchange, caller, headers, message).await
    }

    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The answer to request `id`: in the body, or on a stream that may have to be resumed.
    async fn read_answer(
        &self,
        response: Response<Incoming>,
        established: &Established,
        caller: &Caller,
        id: u64,
    ) -> Result<Reply, Failure> {
        let status = response.status();
        let kind = media_type(&response);
        if !status.is_success() {
            return failed(response, established.session_id.is_some() && !established.version.is_empty(), id).await;
        }
        match kind.as_str() {
            "application/json" => {
                let text = read_body(response.into_body(), MAX_MESSAGE).await?;
                match inbound::read(&text)? {
                    Inbound::Answer { id: answered, reply }
                        if answered.as_ref().is_none_or(|own| *own == Id::from(id)) =>
                    {
                        Ok(reply)
                    }
                    _ => Err(protocol("the backend's answer belongs to another request").into()),
                }
            }
            "text/event-stream" => Ok(self.read_stream(response, established, caller, id).await?),
            "" if status == StatusCode::ACCEPTED => {
                Err(protocol("the backend accepted the request without answering it").into())
            }
            other => Err(protocol(&format!(
                "the backend answered with content type {other:?}, expected application/json or text/event-stream"
            ))
            .into()),
        }
    }

    /// Follows a stream to the answer. A stream that ends early after an event with an id is resumed after that
    /// event, as servers that poll ask for (MCP 2025-11-25, transports, resumability).
    async fn read_stream(
        &self,
        response: Response<Incoming>,
        established: &Established,
        caller: &Caller,
        id: u64,
    ) -> Result<Reply, EgressError> {
        let mut body = response.into_body();
        loop {
            let mut decoder = SseDecoder::new(MAX_MESSAGE);
            if let Some(reply) = self.read_events(&mut body, &mut decoder, established, caller, id).await? {
                drain(body);
                return Ok(reply);
            }
            let last_event = last_event(&decoder).ok_or_else(broken)?;
            tokio::time::sleep(retry(&decoder)).await;
            body = open_stream(&self.exchange, established, caller, Some(last_event)).await?;
        }
    }

    /// Reads events up to the answer to request `id`, or to the end of the stream.
    async fn read_events(
        &self,
        body: &mut Incoming,
        decoder: &mut SseDecoder,
        established: &Established,
        caller: &Caller,
        id: u64,
    ) -> Result<Option<Reply>, EgressError> {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return if decoder.last_id().is_some() { Ok(None) } else { Err(broken()) };
            };
            let Some(piece) = frame.data_ref() else { continue };
            for event in decoder.push(piece).map_err(|error| protocol(&error.to_string()))? {
                // Servers that poll send an empty first event, for its id alone.
                if event.event != "message" || event.data.is_empty() {
                    continue;
                }
                match inbound::read(event.data.as_bytes())? {
                    Inbound::Answer { id: answered, reply }
                        if answered.as_ref().is_none_or(|own| *own == Id::from(id)) =>
                    {
                        return Ok(Some(reply));
                    }
                    Inbound::Respond(message) => respond(&self.exchange, established, caller, message),
                    Inbound::ToolsChanged => self.news.tools_changed(),
                    Inbound::Answer { .. } | Inbound::Ignore => {}
                }
            }
        }
        Ok(None)
    }
}

/// Answers a request of the backend beside the stream, which must go on being read.
pub(super) fn respond(exchange: &Arc<Exchange>, established: &Established, caller: &Caller, message: Bytes) {
    let (sender, established, caller) = (Arc::clone(exchange), established.clone(), caller.clone());
    exchange
        .answers
        .deliver(&exchange.backend.name, async move { post_one_way(&sender, &established, &caller, message).await });
}

impl Clone for Established {
    fn clone(&self) -> Self {
        Self { session_id: self.session_id.clone(), version: self.version }
    }
}

impl Established {
    /// The headers that every request of the session carries.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(session_id) = &self.session_id {
            headers.insert(SESSION_ID, session_id.clone());
        }
        if !self.version.is_empty() {
            headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(self.version));
        }
        headers
    }
}

/// Opens a GET stream, resumed after an event if one is named.
pub(super) async fn open_stream(
    exchange: &Exchange,
    established: &Established,
    caller: &Caller,
    after: Option<HeaderValue>,
) -> Result<Incoming, EgressError> {
    let mut headers = established.headers();
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    headers.extend(after.map(|id| (LAST_EVENT_ID, id)));
    let response = exchange.send(caller, Method::GET, &exchange.backend.url, headers, Bytes::new()).await?;
    let status = response.status();
    if status == StatusCode::OK && media_type(&response) == "text/event-stream" {
        return Ok(response.into_body());
    }
    drain(response.into_body());
    Err(protocol(&format!("the backend answered {status} where it should have opened a stream")).with_status(status))
}

async fn post(
    exchange: &Exchange,
    caller: &Caller,
    mut headers: HeaderMap,
    message: Bytes,
) -> Result<Response<Incoming>, EgressError> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    exchange.send(caller, Method::POST, &exchange.backend.url, headers, message).await
}

/// Posts a message that has no answer. Backends say 202; any success will do.
async fn post_one_way(
    exchange: &Exchange,
    established: &Established,
    caller: &Caller,
    message: Bytes,
) -> Result<(), EgressError> {
    let response = post(exchange, caller, established.headers(), message).await?;
    let status = response.status();
    if status.is_success() {
        drain(response.into_body());
        Ok(())
    } else {
        Err(protocol(&format!("the backend answered {status} to a notification")).with_status(status))
    }
}

/// What an HTTP failure means. `in_session` tells whether the request named a session.
async fn failed(response: Response<Incoming>, in_session: bool, id: u64) -> Result<Reply, Failure> {
    let status = response.status();
    let text = read_body(response.into_body(), MAX_FAILURE).await.unwrap_or_default();
    let error = protocol(&match status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED if !in_session => format!(
            "the backend answered {status}: check that its URL is an MCP endpoint and that its transport is streamable-http"
        ),
        _ => format!("the backend answered {status}"),
    })
    .with_status(status);
    match inbound::read_failure(&text, id) {
        InFailure::Answer(reply) => Ok(reply),
        _ if in_session && (status == StatusCode::NOT_FOUND || is_unknown_session(status, &text)) => {
            Err(Failure::SessionLost(error))
        }
        InFailure::Unattributed(reply) => Ok(reply),
        InFailure::Nothing => Err(Failure::Other(error)),
    }
}

/// Whether a server says 400 where it should say 404 for a session that it does not know: widespread servers do. An
/// error without id and about the session means that the request was not read further.
fn is_unknown_session(status: StatusCode, text: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Answer {
        id: Option<serde_json::Value>,
        error: Error,
    }
    #[derive(serde::Deserialize)]
    struct Error {
        message: String,
    }
    status == StatusCode::BAD_REQUEST
        && serde_json::from_slice::<Answer>(text)
            .is_ok_and(|answer| answer.id.is_none() && answer.error.message.to_ascii_lowercase().contains("session"))
}

/// The last event's id, for the header that resumes after it.
pub(super) fn last_event(decoder: &SseDecoder) -> Option<HeaderValue> {
    decoder.last_id().and_then(|id| HeaderValue::from_str(id).ok())
}

/// How long to wait before a stream is opened again.
pub(super) fn retry(decoder: &SseDecoder) -> Duration {
    Duration::from_millis(decoder.retry().unwrap_or(DEFAULT_RETRY).min(LONGEST_RETRY))
}
