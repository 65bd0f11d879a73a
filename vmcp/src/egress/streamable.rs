//! Streamable HTTP towards a backend (MCP 2025-11-25, transports), revisions with sessions.

mod answer;
mod shared;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::asking::Answered;
use super::error::EgressError;
use super::exchange::Exchange;
use super::failure::Failure;
use super::handshake;
use super::listen::Listener;
use super::meanwhile::Meanwhile;
use super::news::News;
use super::pauses;
use super::peer::Peer;
use super::response::{drain, media_type, protocol};
use super::session::Reply;
use super::single_flight::SingleFlight;
use super::sse::SseDecoder;
use super::transport::{Cancellation, Until};
use crate::backend::Caller;
use crate::replicas::{Away, SharedBackend, Ticket};
use wire::Wire;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How long to wait before resuming a stream when the backend does not say.
const DEFAULT_RETRY: u64 = 1000;

/// How long at most the first request waits for the backend's own stream: some servers send nothing on it, not even its head,
/// before they have something to tell.
const STREAM: Duration = Duration::from_millis(500);

/// A session over Streamable HTTP.
#[derive(Debug)]
pub(super) struct Streamable {
    wire: Arc<Wire>,
    listener: Listener,
    session: SingleFlight<Arc<Established>>,
}

/// What the handshake agreed on.
#[derive(Debug, Clone)]
pub(super) struct Established {
    session_id: Option<HeaderValue>,
    version: &'static str,
    /// Under which other replicas know it, if they do.
    ticket: Option<Ticket>,
}

impl Streamable {
    pub(super) fn new(exchange: Arc<Exchange>, news: Arc<News>) -> Self {
        let wire = Arc::new(Wire::new(exchange, news));
        Self { wire, listener: Listener::default(), session: SingleFlight::default() }
    }

    /// Sends a request; `peer` hears what comes before its answer. `cancellation` makes what is dropped when nobody waits
    /// for the answer any more.
    pub(super) async fn request(
        &self,
        caller: &Caller,
        method: &str,
        params: Option<&RawValue>,
        peer: Option<&Arc<dyn Peer>>,
        cancellation: impl Fn(u64) -> Cancellation,
    ) -> Result<Answered, EgressError> {
        let first = self.established(caller, None).await?;
        self.listening(&first, caller, peer.is_some()).await;
        let meanwhile = peer.or(self.wire.exchange.peer()).map_or(Meanwhile::Nothing, Meanwhile::Peer);
        match self.wire.call(&first, caller, method, params, meanwhile, &cancellation).await {
            Ok(answered) => Ok(answered),
            Err(Failure::Other(error)) => Err(error),
            Err(Failure::SessionLost(_)) => {
                tracing::debug!(
                    backend = self.wire.exchange.backend.name,
                    "the backend lost the session, opening a new one"
                );
                let second = self.established(caller, Some(&first)).await?;
                self.wire.news.session_lost();
                self.listening(&second, caller, peer.is_some()).await;
                self.wire
                    .call(&second, caller, method, params, meanwhile, &cancellation)
                    .await
                    .map_err(Failure::into_error)
            }
        }
    }

    /// Keeps the backend's own stream open where somebody wants it. It stands before a request in whose midst the client may be
    /// asked: servers ask on that stream too, and what they say while there is none is lost.
    async fn listening(&self, session: &Arc<Established>, caller: &Caller, is_conversation: bool) {
        let is_askable = is_conversation && self.wire.exchange.can_ask();
        if !is_askable && !self.wire.news.is_stream_wanted() {
            return;
        }
        let mut stands = self.listener.follow(&self.wire.exchange, session, caller, &self.wire.news);
        if is_askable && tokio::time::timeout(STREAM, stands.wait_for(|stands| *stands)).await.is_err() {
            tracing::debug!(backend = self.wire.exchange.backend.name, "the backend's own stream does not stand yet");
            self.listener.wait_no_more();
        }
    }

    /// Opens the session, if it is not open.
    pub(super) async fn open(&self, caller: &Caller) -> Result<(), EgressError> {
        self.established(caller, None).await.map(drop)
    }

    /// Opens the session and the backend's own stream, and waits until the backend has offered or refused that.
    pub(super) async fn listen(&self, caller: &Caller) {
        // What keeps the session from being opened, the next request will say.
        let Ok(established) = self.established(caller, None).await else { return };
        let mut stands = self.listener.follow(&self.wire.exchange, &established, caller, &self.wire.news);
        let _ = stands.wait_for(|stands| *stands).await;
    }

    /// Opens the session of a client with the client's own handshake. It is not opened again by itself.
    pub(super) async fn open_for_client(&self, caller: &Caller, params: &RawValue) -> Result<Reply, EgressError> {
        let (established, reply) = self.wire.shake_hands(caller, params).await?;
        if matches!(reply, Reply::Result(_)) {
            self.session.put(Arc::new(self.wire.share(established).await));
        }
        Ok(reply)
    }

    /// Goes on with the session of a client that another replica has opened. Returns whether there is one.
    pub(super) async fn resume_for_client(&self, caller: &Caller) -> Result<bool, Away> {
        let Some(established) = self.wire.resume().await? else { return Ok(false) };
        let established = Arc::new(established);
        self.session.put(Arc::clone(&established));
        drop(self.listener.follow(&self.wire.exchange, &established, caller, &self.wire.news));
        Ok(true)
    }

    /// Sends a client's request within its session. What the backend says meanwhile goes to `messages`.
    pub(super) async fn request_of_client(
        &self,
        caller: &Caller,
        method: &str,
        params: Option<&RawValue>,
        messages: &mpsc::Sender<Bytes>,
        cancellation: impl Fn(u64) -> Cancellation,
    ) -> Result<Reply, Failure> {
        let established = self.session.settled().await.ok_or_else(handshake::missing)?;
        drop(self.listener.follow(&self.wire.exchange, &established, caller, &self.wire.news));
        let meanwhile = Meanwhile::Messages(messages);
        let answered = self.wire.call(&established, caller, method, params, meanwhile, &cancellation).await?;
        Ok(answered.reply)
    }

    /// Sends a client's notification or answer within its session.
    pub(super) async fn send_of_client(&self, caller: &Caller, message: Bytes) -> Result<(), Failure> {
        let established = self.session.settled().await.ok_or_else(handshake::missing)?;
        let sent = post_one_way(&self.wire.exchange, &established, caller, message).await;
        // The stream is asked for once the backend has heard that the client is ready.
        drop(self.listener.follow(&self.wire.exchange, &established, caller, &self.wire.news));
        let in_session = established.session_id.is_some();
        sent.map_err(|error| match error.status() {
            Some(404) if in_session => Failure::SessionLost(error),
            _ => Failure::Other(error),
        })
    }

    /// Sends a notification or an answer within the current session, if there is one.
    pub(super) async fn notify(&self, caller: &Caller, message: Bytes) -> Result<(), EgressError> {
        let Some(established) = self.session.settled().await.filter(|_| !self.wire.exchange.is_shut()) else {
            return Ok(());
        };
        post_one_way(&self.wire.exchange, &established, caller, message).await
    }

    /// Ends the session with DELETE, unless another replica does. A backend may refuse that with 405; one that is left alone
    /// is not told.
    pub(super) async fn close(&self, caller: &Caller) {
        let Some(established) = self.taken().await else { return };
        let is_ours = match established.shared(&self.wire.exchange) {
            Some((shared, ticket)) => shared.release(ticket).await,
            None => true,
        };
        if is_ours {
            self.delete(&established, caller).await;
        }
    }

    /// Leaves the session to other replicas; one that they do not know ends.
    pub(super) async fn leave(&self, caller: &Caller, until: Until) {
        let Some(established) = self.taken().await else { return };
        let is_over = match established.shared(&self.wire.exchange) {
            Some((shared, ticket)) => shared.leave(ticket).await && until == Until::Unused,
            None => true,
        };
        if is_over {
            self.delete(&established, caller).await;
        }
    }

    /// The session, which is not used here any more.
    async fn taken(&self) -> Option<Arc<Established>> {
        self.listener.stop();
        if !self.wire.exchange.is_shut() {
            // One that is being opened at this moment counts, too.
            self.session.settled().await;
        }
        self.session.take()
    }

    async fn delete(&self, established: &Established, caller: &Caller) {
        if established.session_id.is_none() || self.wire.exchange.is_shut() {
            return;
        }
        let url = &self.wire.exchange.backend.url;
        let sent = self.wire.exchange.send(caller, Method::DELETE, url, established.headers(), Bytes::new()).await;
        if let Err(error) = sent {
            tracing::debug!(backend = self.wire.exchange.backend.name, %error, "the session could not be ended");
        }
    }

    /// Leaves the session to itself: the server keeps none any more.
    pub(super) fn abandon(&self) {
        self.listener.stop();
        self.session.take();
    }

    /// The session, opened first when there is none or when it is still the `lost` one.
    async fn established(
        &self,
        caller: &Caller,
        lost: Option<&Arc<Established>>,
    ) -> Result<Arc<Established>, EgressError> {
        let is_good = |current: &Arc<Established>| lost.is_none_or(|lost| !Arc::ptr_eq(lost, current));
        let open = || {
            let (wire, caller, lost) = (Arc::clone(&self.wire), caller.clone(), lost.cloned());
            async move { wire.obtain(&caller, lost.as_deref()).await.map(Arc::new) }
        };
        self.session.get(is_good, open).await
    }
}

/// Answers a request of the backend beside the stream, which must go on being read.
pub(super) fn respond(exchange: &Arc<Exchange>, established: &Established, caller: &Caller, message: Bytes) {
    responder(exchange, established, caller)(message);
}

/// What answers a request of the backend later.
pub(super) fn responder(
    exchange: &Arc<Exchange>,
    established: &Established,
    caller: &Caller,
) -> impl FnOnce(Bytes) + Send + 'static {
    let (exchange, established, caller) = (Arc::clone(exchange), established.clone(), caller.clone());
    move |message| {
        let sender = Arc::clone(&exchange);
        exchange.answer(async move { post_one_way(&sender, &established, &caller, message).await });
    }
}

impl Established {
    /// The session as other replicas know it, if they do.
    pub(super) fn shared<'a>(&'a self, exchange: &'a Exchange) -> Option<(&'a SharedBackend, &'a Ticket)> {
        Some((&**exchange.shared()?, self.ticket.as_ref()?))
    }

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

/// Posts a message.
pub(super) async fn post(
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

/// The last event's id, for the header that resumes after it.
pub(super) fn last_event(decoder: &SseDecoder) -> Option<HeaderValue> {
    decoder.last_id().and_then(|id| HeaderValue::from_str(id).ok())
}

/// How long to wait before a stream is opened again.
pub(super) fn retry(decoder: &SseDecoder) -> Duration {
    Duration::from_millis(decoder.retry().unwrap_or(DEFAULT_RETRY)).min(pauses::LONGEST)
}
