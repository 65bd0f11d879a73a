//! Requests of clients without sessions that a server without sessions is sent as they are (2026-07-28): method, params and
//! `_meta` are the client's, and so is the answer, with all that comes before it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, watch};

use super::asking::Answered;
use super::discover::learn;
use super::era::{Endpoint, Era};
use super::error::EgressError;
use super::events::EventStream;
use super::exchange::Exchange;
use super::gate::NoGate;
use super::http_client::timed_out;
use super::lanes::Lane;
use super::meanwhile::Meanwhile;
use super::news::News;
use super::peer::Hearer;
use super::relayed::Inbox;
use super::response::media_type;
use super::session::{Egress, Reply};
use super::sse::SseEvent;
use super::stateless::{Awaited, Message, Sender};
use crate::backend::{Backend, Caller, Transport};
use crate::jsonrpc::{ErrorObject, code, raw};
use crate::stateless::errors::code_of;

/// The way to one server for clients without sessions, which all share it. It leads there only while the server keeps none either.
#[derive(Debug)]
pub struct PassThrough {
    lane: Lane,
    exchange: Arc<Exchange>,
    endpoint: Arc<Endpoint>,
}

/// A request that is passed on.
#[derive(Debug, Clone, Copy)]
pub struct Passed<'a> {
    /// The method.
    pub method: &'a str,
    /// The params, in which the client says of itself what it must.
    pub params: &'a RawValue,
    /// The headers in which the client repeats arguments of a tool. They are passed on.
    pub arguments: &'a HeaderMap,
}

/// What a server makes of `subscriptions/listen`.
#[derive(Debug)]
pub enum Listened {
    /// The stream.
    Stream(Box<PassedStream>),
    /// Nothing but this answer.
    Answer(Reply),
}

/// The messages of a stream, as they come.
#[derive(Debug)]
pub struct PassedStream {
    events: EventStream,
    ready: VecDeque<SseEvent>,
}

/// What concerns no request: a server without sessions has no way to say it.
#[derive(Debug)]
struct Nowhere;

impl Inbox for Nowhere {
    fn deliver(&self, _: Bytes) {}
}

impl Egress {
    /// The way to `backend`. Nothing is sent yet.
    pub fn pass_through(&self, backend: &Arc<Backend>) -> PassThrough {
        let settings = watch::Sender::new(Arc::clone(backend)).subscribe();
        let hearer = Hearer::Inbox { inbox: Arc::new(Nowhere), shared: None };
        let exchange = self.exchange(backend, settings, Arc::new(NoGate), hearer);
        PassThrough { lane: self.lane(backend), exchange: Arc::new(exchange), endpoint: self.endpoint(backend) }
    }
}

impl PassThrough {
    /// Whether it leads to `backend` as it is configured there.
    pub fn is_to(&self, backend: &Arc<Backend>) -> bool {
        Arc::ptr_eq(&self.exchange.backend, backend)
    }

    /// Whether the server keeps sessions. It is asked if nobody knows.
    pub async fn keeps_sessions(&self, caller: &Caller) -> Result<bool, EgressError> {
        // Over HTTP+SSE there is nothing else.
        Ok(self.exchange.backend.transport == Transport::Sse
            || learn(&self.endpoint, &self.exchange, caller).await?.era() == Era::Sessions)
    }

    /// Whether the server, which has refused a handshake, keeps no sessions any more.
    pub async fn gave_sessions_up(&self, caller: &Caller) -> bool {
        self.endpoint.doubt(Era::Sessions);
        matches!(self.keeps_sessions(caller).await, Ok(false))
    }

    /// Passes a request on and waits for its answer, at most `timeout` in all. What comes before it goes to `messages`. Dropping the
    /// future cancels the request. Nothing comes of it where the server keeps sessions now: it has not executed the request.
    pub async fn request(
        &self,
        caller: &Caller,
        request: Passed<'_>,
        messages: &mpsc::Sender<Bytes>,
        timeout: Duration,
    ) -> Result<Option<Reply>, EgressError> {
        let _place = self.lane.enter()?;
        let answered = async {
            let id = self.endpoint.next_id();
            match request.message(id) {
                Ok(message) => {
                    let response = message.post(&self.exchange, caller).await?;
                    self.awaited(id, &News::new(), Meanwhile::Messages(messages)).read(response).await
                }
                Err(malformed) => Ok(Answered::from(malformed)),
            }
        };
        let answered = tokio::time::timeout(timeout, answered).await.unwrap_or_else(|_| Err(timed_out(timeout)));
        self.unless_turned(caller, answered).await
    }

    /// Passes `subscriptions/listen` on. `timeout` is for the beginning of the stream.
    pub async fn listen(
        &self,
        caller: &Caller,
        request: Passed<'_>,
        timeout: Duration,
    ) -> Result<Option<Listened>, EgressError> {
        let _place = self.lane.enter()?;
        let begun = async {
            let id = self.endpoint.next_id();
            let message = match request.message(id) {
                Ok(message) => message,
                Err(malformed) => return Ok(Err(Answered::from(malformed))),
            };
            let response = message.post(&self.exchange, caller).await?;
            if response.status().is_success() && media_type(&response) == "text/event-stream" {
                return Ok(Ok(PassedStream { events: EventStream::new(response.into_body()), ready: VecDeque::new() }));
            }
            self.awaited(id, &News::new(), Meanwhile::Nothing).read(response).await.map(Err)
        };
        let answered = match tokio::time::timeout(timeout, begun).await {
            Ok(Ok(Ok(stream))) => return Ok(Some(Listened::Stream(Box::new(stream)))),
            Ok(Ok(Err(answered))) => Ok(answered),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(timed_out(timeout)),
        };
        Ok(self.unless_turned(caller, answered).await?.map(Listened::Answer))
    }

    fn awaited<'a>(&'a self, id: u64, news: &'a News, meanwhile: Meanwhile<'a>) -> Awaited<'a> {
        Awaited { exchange: &self.exchange, news, id, meanwhile }
    }

    /// What came of a request, unless it is the refusal of a server that keeps sessions now.
    async fn unless_turned(
        &self,
        caller: &Caller,
        answered: Result<Answered, EgressError>,
    ) -> Result<Option<Reply>, EgressError> {
        let is_refusal = match &answered {
            Ok(Answered { reply: Reply::Error(error), other_era }) => {
                *other_era || code_of(error) == code::UNSUPPORTED_PROTOCOL_VERSION
            }
            Ok(_) => false,
            Err(error) => error.is_unexecuted(),
        };
        if is_refusal {
            self.endpoint.doubt(Era::Stateless);
            if self.keeps_sessions(caller).await.unwrap_or(false) {
                return Ok(None);
            }
        }
        answered.map(|answered| Some(answered.reply))
    }
}

impl Passed<'_> {
    /// The request under the gateway's own id, or the answer to one that cannot be read.
    fn message(&self, id: u64) -> Result<Message, Reply> {
        let message = Message::new(id, self.method, Some(self.params), &[], Sender::Itself);
        let message = message.map_err(|error| Reply::Error(raw(&ErrorObject::from(&error))))?;
        Ok(message.with_arguments(self.arguments))
    }
}

impl PassedStream {
    /// The next message; fails at the end of the stream.
    pub async fn next(&mut self) -> Result<Bytes, EgressError> {
        loop {
            match self.ready.pop_front() {
                Some(event) if event.event == "message" && !event.data.is_empty() => {
                    return Ok(Bytes::from(event.data));
                }
                Some(_) => {}
                None => self.ready.extend(self.events.next().await?),
            }
        }
    }
}
