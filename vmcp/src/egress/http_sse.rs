//! HTTP+SSE towards a backend, the transport of revision 2024-11-05.
//!
//! One GET stream carries everything that the backend says. Its first event names the endpoint to which the gateway
//! posts; answers are told apart by their ids. The stream is the session: when it ends, so do the requests on it, and
//! the next request opens a new one.

mod waiting;
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::value::RawValue;
use tokio_util::task::TaskTracker;
use url::Url;

use super::error::EgressError;
use super::events::EventStream;
use super::exchange::Exchange;
use super::failure::Failure;
use super::handshake;
use super::inbound::{self, Inbound};
use super::news::News;
use super::questions::Questions;
use super::response::{drain, protocol};
use super::session::Reply;
use super::single_flight::SingleFlight;
use super::transport::Cancellation;
use crate::backend::Caller;
use waiting::Waiting;
use wire::Wire;

/// A session over HTTP+SSE.
#[derive(Debug)]
pub(super) struct HttpSse {
    wire: Arc<Wire>,
    session: SingleFlight<Arc<Live>>,
}

/// An open stream.
#[derive(Debug)]
struct Live {
    endpoint: Url,
    waiting: Arc<Waiting>,
    reader: tokio::task::AbortHandle,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl HttpSse {
    pub(super) fn new(exchange: Exchange, news: Arc<News>) -> Self {
        Self { wire: Arc::new(Wire::new(exchange, news)), session: SingleFlight::default() }
    }

    /// Sends a request. `cancellation` makes what is dropped when nobody waits for the answer any more.
    pub(super) async fn request(
        &self,
        caller: &Caller,
        method: &str,
        params: Option<&RawValue>,
        cancellation: impl Fn(u64) -> Cancellation,
    ) -> Result<Reply, EgressError> {
        let first = self.live(caller, None).await?;
        match self.wire.cancellable(&first, caller, method, params, &cancellation).await {
            Ok(reply) => Ok(reply),
            Err(Failure::Other(error)) => Err(error),
            Err(Failure::SessionLost(_)) => {
                tracing::debug!(
                    backend = self.wire.exchange.backend.name,
                    "the backend lost the session, opening a new one"
                );
                let second = self.live(caller, Some(&first)).await?;
                self.wire.news.session_lost();
                self.wire.cancellable(&second, caller, method, params, &cancellation).await.map_err(Failure::into_error)
            }
        }
    }

    /// Opens the session, if it is not open.
    pub(super) async fn open(&self, caller: &Caller) -> Result<(), EgressError> {
        self.live(caller, None).await.map(drop)
    }

    /// Opens the session of a client with the client's own handshake. It is not opened again by itself.
    pub(super) async fn open_for_client(&self, caller: &Caller, params: &RawValue) -> Result<Reply, EgressError> {
        let live = Arc::new(self.wire.connect(caller).await?);
        let reply = self.wire.shake_hands(&live, caller, params).await?;
        if matches!(reply, Reply::Result(_)) {
            self.session.put(live);
        }
        Ok(reply)
    }

    /// Sends a client's request within its session.
    pub(super) async fn request_of_client(
        &self,
        caller: &Caller,
        method: &str,
        params: Option<&RawValue>,
        cancellation: impl Fn(u64) -> Cancellation,
    ) -> Result<Reply, Failure> {
        let live = self.clients_stream().await?;
        self.wire.cancellable(&live, caller, method, params, &cancellation).await
    }

    /// Sends a client's notification or answer within its session.
    pub(super) async fn send_of_client(&self, caller: &Caller, message: Bytes) -> Result<(), Failure> {
        let live = self.clients_stream().await?;
        post(&self.wire.exchange, &live.endpoint, caller, message).await
    }

    async fn clients_stream(&self) -> Result<Arc<Live>, Failure> {
        self.session.settled().await.filter(|live| live.waiting.is_open()).ok_or_else(handshake::missing)
    }

    /// Sends a notification within the current session, if there is one.
    pub(super) async fn notify(&self, caller: &Caller, message: Bytes) -> Result<(), EgressError> {
        let exchange = &self.wire.exchange;
        let Some(live) = self.session.settled().await.filter(|_| !exchange.is_shut()) else { return Ok(()) };
        post(exchange, &live.endpoint, caller, message).await.map_err(Failure::into_error)
    }

    /// What tells the backend that requests are cancelled.
    pub(super) fn cancellations(&self) -> &TaskTracker {
        &self.wire.exchange.cancellations
    }

    /// Ends the stream, and with it the session.
    pub(super) fn close(&self) {
        self.session.take();
    }

    /// The open stream; a new one when there is none, when it has ended, or when it is still the `lost` one.
    async fn live(&self, caller: &Caller, lost: Option<&Arc<Live>>) -> Result<Arc<Live>, EgressError> {
        let is_good =
            |current: &Arc<Live>| current.waiting.is_open() && lost.is_none_or(|lost| !Arc::ptr_eq(lost, current));
        let open = || {
            let (wire, caller) = (Arc::clone(&self.wire), caller.clone());
            async move { wire.open(&caller).await.map(Arc::new) }
        };
        self.session.get(is_good, open).await
    }
}

/// Posts one message to the endpoint. The body of the answer is of no interest.
async fn post(exchange: &Exchange, endpoint: &Url, caller: &Caller, message: Bytes) -> Result<(), Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    let response = exchange.send(caller, Method::POST, endpoint, headers, message).await?;
    let status = response.status();
    drain(response.into_body());
    if status.is_success() {
        return Ok(());
    }
    let error = protocol(&format!("the backend answered {status}")).with_status(status);
    Err(if status == StatusCode::NOT_FOUND { Failure::SessionLost(error) } else { Failure::Other(error) })
}

/// Hands out the answers of one stream.
struct Reader {
    exchange: Arc<Exchange>,
    endpoint: Url,
    caller: Caller,
    waiting: Arc<Waiting>,
    news: Arc<News>,
}

impl Reader {
    async fn run(self, mut stream: EventStream) {
        if let Err(error) = self.read(&mut stream).await {
            tracing::debug!(backend = self.exchange.backend.name, %error, "the stream of the backend ended");
        }
        self.news.session_lost();
    }

    async fn read(&self, stream: &mut EventStream) -> Result<(), EgressError> {
        let mut questions = Questions::default();
        loop {
            for event in stream.next().await? {
                if event.event != "message" {
                    continue;
                }
                self.hear(event.data.as_bytes(), &mut questions).await?;
            }
        }
    }

    /// Acts on each message of a text.
    async fn hear(&self, text: &[u8], questions: &mut Questions) -> Result<(), EgressError> {
        for message in inbound::messages(text, self.news.revision())? {
            match inbound::read(message, &self.exchange.hearer)? {
                Inbound::Answer { id: Some(id), reply } => {
                    if let Some(id) = id.as_u64() {
                        self.waiting.answer(id, reply);
                    }
                }
                Inbound::Relay(message) => self.exchange.deliver(message),
                Inbound::Notify(method, message) => {
                    if let Some(peer) = self.exchange.peer() {
                        peer.notified(&method, message).await;
                    }
                }
                Inbound::Ask(id, question) => {
                    if let Some(peer) = self.exchange.peer() {
                        let (limit, respond) = (&self.exchange.questions, self.responder());
                        questions.ask(limit, Arc::clone(peer), id, question, respond);
                    }
                }
                Inbound::TakenBack(id) => questions.cancel(&id),
                Inbound::Respond(message) => self.responder()(message),
                Inbound::ListChanged(method) => self.news.list_changed(&method),
                Inbound::Answer { id: None, .. } | Inbound::Ignore => {}
            }
        }
        Ok(())
    }

    /// What answers a request of the backend, beside the stream.
    fn responder(&self) -> impl FnOnce(Bytes) + Send + 'static {
        let (exchange, endpoint, caller) = (Arc::clone(&self.exchange), self.endpoint.clone(), self.caller.clone());
        move |message| {
            let sender = Arc::clone(&exchange);
            exchange
                .answer(async move { post(&sender, &endpoint, &caller, message).await.map_err(Failure::into_error) });
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.waiting.end();
    }
}
