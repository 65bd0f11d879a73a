//! One stream and what is posted beside it: how it is opened, and the requests on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::value::RawValue;
use url::Url;

use super::waiting::{Forget, Waiting};
use super::{Live, Reader, post};
use crate::backend::Caller;
use crate::egress::error::EgressError;
use crate::egress::events::EventStream;
use crate::egress::exchange::{Exchange, same_origin};
use crate::egress::failure::Failure;
use crate::egress::handshake;
use crate::egress::http_client::broken;
use crate::egress::news::News;
use crate::egress::response::{media_type, protocol};
use crate::egress::session::Reply;
use crate::egress::sse::SseEvent;
use crate::egress::transport::Cancellation;
use crate::jsonrpc::{self, Id};

/// What streams need beside themselves.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) exchange: Arc<Exchange>,
    pub(super) news: Arc<News>,
    last_id: AtomicU64,
}

impl Wire {
    pub(super) fn new(exchange: Exchange, news: Arc<News>) -> Self {
        Self { exchange: Arc::new(exchange), news, last_id: AtomicU64::default() }
    }

    /// Opens a stream with a session of the gateway's own.
    pub(super) async fn open(&self, caller: &Caller) -> Result<Live, EgressError> {
        let live = self.connect(caller).await?;
        self.initialize(&live, caller).await?;
        Ok(live)
    }

    /// Opens a stream.
    pub(super) async fn connect(&self, caller: &Caller) -> Result<Live, EgressError> {
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

    /// Sends `initialize`. What was opened counts only if the answer is a result.
    pub(super) async fn shake_hands(
        &self,
        live: &Live,
        caller: &Caller,
        params: &RawValue,
    ) -> Result<Reply, EgressError> {
        let reply = self.call(live, caller, self.next_id(), "initialize", Some(params)).await;
        let reply = reply.map_err(handshake::failed)?;
        if let Reply::Result(result) = &reply {
            let agreed = handshake::negotiated(result)?;
            let version = agreed.revision;
            self.news.negotiated(agreed);
            tracing::debug!(backend = self.exchange.backend.name, version, "opened a session");
        }
        Ok(reply)
    }

    /// Sends a request. `cancellation` makes what is dropped when nobody waits for the answer any more.
    pub(super) async fn cancellable(
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
        Ok(answer.await.map_err(|_| broken())??)
    }

    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }
}
