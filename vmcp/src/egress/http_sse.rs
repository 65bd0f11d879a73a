//! HTTP+SSE towards a backend, the transport of revision 2024-11-05.
//!
//! One GET stream carries everything that the backend says. Its first event names the endpoint to which the gateway
//! posts; answers are told apart by their ids. The stream is the session: when it ends, so do the requests on it, and
//! the next request opens a new one.

mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use url::Url;

use super::error::EgressError;
use super::events::EventStream;
use super::exchange::{Exchange, same_origin};
use super::failure::Failure;
use super::handshake;
use super::http_client::broken;
use super::inbound::{self, Inbound};
use super::news::News;
use super::questions::Questions;
use super::response::{drain, media_type, protocol};
use super::session::{Cancellation, Reply};
use super::sse::SseEvent;
use crate::backend::Caller;
use crate::jsonrpc::{self, Id};
use waiting::{Forget, Waiting};

/// A session over HTTP+SSE.
#[derive(Debug)]
pub(super) struct HttpSse {
    exchange: Arc<Exchange>,
    news: Arc<News>,
    state: Mutex<Option<Arc<Live>>>,
    last_id: AtomicU64,
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
        Self { exchange: Arc::new(exchange), news, state: Mutex::default(), last_id: AtomicU64::default() }
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
        match self.cancellable(&first, caller, method, params, &cancellation).await {
            Ok(reply) => Ok(reply),
            Err(Failure::Other(error)) => Err(error),
            Err(Failure::SessionLost(_)) => {
                tracing::debug!(
                    backend = self.exchange.backend.name,
                    "the backend lost the session, opening a new one"
                );
                let second = self.live(caller, Some(&first)).await?;
                self.cancellable(&second, caller, method, params, &cancellation).await.map_err(Failure::into_error)
            }
        }
    }

    /// Opens the session, if it is not open.
    pub(super) async fn open(&self, caller: &Caller) -> Result<(), EgressError> {
        self.live(caller, None).await.map(drop)
    }

    /// Opens the session of a client with the client's own handshake. It is not opened again by itself.
    pub(super) async fn open_for_client(&self, caller: &Caller, params: &RawValue) -> Result<Reply, EgressError> {
        let live = Arc::new(self.connect(caller).await?);
        let reply = self.shake_hands(&live, caller, params).await?;
        if matches!(reply, Reply::Result(_)) {
            *self.state.lock().await = Some(live);
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
        self.cancellable(&live, caller, method, params, &cancellation).await
    }

    /// Sends a client's notification or answer within its session.
    pub(super) async fn send_of_client(&self, caller: &Caller, message: Bytes) -> Result<(), Failure> {
        let live = self.clients_stream().await?;
        post(&self.exchange, &live.endpoint, caller, message).await
    }

    async fn clients_stream(&self) -> Result<Arc<Live>, Failure> {
        self.state.lock().await.clone().filter(|live| live.waiting.is_open()).ok_or_else(handshake::missing)
    }

    /// Sends a notification within the current session, if there is one.
    pub(super) async fn notify(&self, caller: &Caller, message: Bytes) -> Result<(), EgressError> {
        let Some(live) = self.state.lock().await.clone().filter(|_| !self.exchange.is_shut()) else { return Ok(()) };
        post(&self.exchange, &live.endpoint, caller, message).await.map_err(Failure::into_error)
    }

    /// Ends the stream, and with it the session.
    pub(super) async fn close(&self) {
        self.state.lock().await.take();
    }

    /// The open stream; a new one when there is none, when it has ended, or when it is still the `lost` one.
    async fn live(&self, caller: &Caller, lost: Option<&Arc<Live>>) -> Result<Arc<Live>, EgressError> {
        let mut state = self.state.lock().await;
        if let Some(current) = &*state
            && current.waiting.is_open()
            && lost.is_none_or(|lost| !Arc::ptr_eq(lost, current))
        {
            return Ok(Arc::clone(current));
        }
        *state = None;
        let live = Arc::new(self.connect(caller).await?);
        self.initialize(&live, caller).await?;
        *state = Some(Arc::clone(&live));
        Ok(live)
    }

    async fn connect(&self, caller: &Caller) -> Result<Live, EgressError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let url = &self.exchange.backend.url;
        let response = self.exchange.send(caller, Method::GET, url, headers, Bytes::new()).await?;
        let status = response.status();
        if status != StatusCode::OK || media_type(&response) != "text/event-stream" {
            let message = format!(
                "the backend answered {status} where an event stream was expected: check that its transport is sse"
            );
            return Err(protocol(&message).with_status(status));
        }
        let mut stream = EventStream::new(response.into_body());
        let endpoint = self.endpoint(&stream.first().await?)?;
        let waiting = Arc::new(Waiting::new());
        let reader = Reader {
            exchange: Arc::clone(&self.exchange),
            endpoint: endpoint.clone(),
            caller: caller.clone(),
            waiting: Arc::clone(&waiting),
            news: Arc::clone(&self.news),
        };
        let reader = tokio::spawn(reader.run(stream)).abort_handle();
        Ok(Live { endpoint, waiting, reader })
    }

    /// Where to post. Another origin would receive the credentials of this one.
    fn endpoint(&self, event: &SseEvent) -> Result<Url, EgressError> {
        if event.event != "endpoint" {
            return Err(protocol("the backend's stream does not begin with an endpoint event: check its transport"));
        }
        let url = &self.exchange.backend.url;
        let endpoint =
            url.join(event.data.trim()).map_err(|_| protocol("the backend's endpoint event holds no URL"))?;
        if same_origin(url, &endpoint) {
            Ok(endpoint)
        } else {
            Err(protocol("the backend's endpoint event names another origin than its own"))
        }
    }

    async fn initialize(&self, live: &Live, caller: &Caller) -> Result<(), EgressError> {
        if let Reply::Error(error) = self.shake_hands(live, caller, &handshake::params(&self.exchange.hearer)).await? {
            return Err(handshake::refused(&error));
        }
        let initialized = jsonrpc::notification("notifications/initialized", None);
        post(&self.exchange, &live.endpoint, caller, initialized).await.map_err(Failure::into_error)
    }

    async fn shake_hands(&self, live: &Live, caller: &Caller, params: &RawValue) -> Result<Reply, EgressError> {
        let reply = self.call(live, caller, self.next_id(), "initialize", Some(params)).await;
        let reply = reply.map_err(Failure::into_error)?;
        if let Reply::Result(result) = &reply {
            let agreed = handshake::negotiated(result)?;
            let version = agreed.revision;
            self.news.negotiated(agreed);
            tracing::debug!(backend = self.exchange.backend.name, version, "opened a session");
        }
        Ok(reply)
    }

    async fn cancellable(
        &self,
        live: &Live,
        caller: &Caller,
        method: &str,
        params: Option<&RawValue>,
        cancellation: &impl Fn(u64) -> Cancellation,
    ) -> Result<Reply, Failure> {
        let id = self.next_id();
        let cancellation = cancellation(id);
        let reply = self.call(live, caller, id, method, params).await;
        cancellation.disarm();
        reply
    }

    async fn call(
        &self,
        live: &Live,
        caller: &Caller,
        id: u64,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<Reply, Failure> {
        let answer = live.waiting.expect(id).ok_or_else(broken)?;
        // From here on: whoever leaves while the message is still being posted must not stay on the list either.
        let _forget = Forget { waiting: &live.waiting, id };
        let message = jsonrpc::request(&Id::from(id), method, params);
        post(&self.exchange, &live.endpoint, caller, message).await?;
        Ok(answer.await.map_err(|_| broken())?)
    }

    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
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
    }

    async fn read(&self, stream: &mut EventStream) -> Result<(), EgressError> {
        let mut questions = Questions::default();
        loop {
            for event in stream.next().await? {
                if event.event != "message" {
                    continue;
                }
                match inbound::read(event.data.as_bytes(), &self.exchange.hearer)? {
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
        }
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
