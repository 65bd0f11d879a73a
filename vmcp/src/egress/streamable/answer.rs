//! Reading the answer to one request: a document, or an event stream that brings other messages too.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{Established, last_event, open_stream, respond, responder, retry};
use crate::backend::Caller;
use crate::egress::MAX_MESSAGE;
use crate::egress::asking::Answered;
use crate::egress::error::EgressError;
use crate::egress::exchange::Exchange;
use crate::egress::failure::Failure;
use crate::egress::http_client::{broken, read_body};
use crate::egress::inbound::{self, InFailure, Inbound};
use crate::egress::meanwhile::Meanwhile;
use crate::egress::news::News;
use crate::egress::questions::Questions;
use crate::egress::response::{drain, failure_body, is_refusal, media_type, protocol};
use crate::egress::session::Reply;
use crate::egress::sse::SseDecoder;
use crate::jsonrpc::{Id, code, is_batch};

/// A request whose answer is awaited.
pub(super) struct Awaited<'a> {
    pub(super) exchange: &'a Arc<Exchange>,
    pub(super) news: &'a News,
    pub(super) established: &'a Established,
    pub(super) caller: &'a Caller,
    pub(super) id: u64,
    pub(super) meanwhile: Meanwhile<'a>,
}

impl Awaited<'_> {
    /// The answer to request `id`: in the body, or on a stream that may have to be resumed.
    pub(super) async fn read(&self, response: Response<Incoming>) -> Result<Answered, Failure> {
        let Self { established, id, .. } = *self;
        let status = response.status();
        let kind = media_type(&response);
        if !status.is_success() {
            return failed(response, established.session_id.is_some() && !established.version.is_empty(), id).await;
        }
        match kind.as_str() {
            "application/json" => {
                let text = read_body(response.into_body(), MAX_MESSAGE).await?;
                let reply = if is_batch(&text) {
                    Box::pin(self.hear(&text, &mut Questions::default())).await?
                } else {
                    match inbound::read(&text, &self.exchange.hearer)? {
                        Inbound::Answer { id: answered, reply } if self.is_mine(answered.as_ref()) => Some(reply?),
                        _ => None,
                    }
                };
                let reply = reply.ok_or_else(|| protocol("the backend's answer belongs to another request"))?;
                Ok(reply.into())
            }
            // Large: it would be a part of each call's future.
            "text/event-stream" => Ok(Box::pin(self.follow(response)).await?.into()),
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
    async fn follow(&self, response: Response<Incoming>) -> Result<Reply, EgressError> {
        let mut body = response.into_body();
        let mut questions = Questions::default();
        loop {
            let mut decoder = SseDecoder::new(MAX_MESSAGE);
            if let Some(reply) = self.events(&mut body, &mut decoder, &mut questions).await? {
                drain(body);
                return Ok(reply);
            }
            let last_event = last_event(&decoder).ok_or_else(broken)?;
            tokio::time::sleep(retry(&decoder)).await;
            body = open_stream(self.exchange, self.established, self.caller, Some(last_event)).await?;
        }
    }

    /// Reads events up to the answer to request `id`, or to the end of the stream.
    async fn events(
        &self,
        body: &mut Incoming,
        decoder: &mut SseDecoder,
        questions: &mut Questions,
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
                if let Some(reply) = self.hear(event.data.as_bytes(), questions).await? {
                    return Ok(Some(reply));
                }
            }
        }
        Ok(None)
    }

    /// Acts on each message of a text. Returns the answer to request `id`, if it is among them.
    async fn hear(&self, text: &[u8], questions: &mut Questions) -> Result<Option<Reply>, EgressError> {
        let mut answer = None;
        for message in inbound::messages(text, self.news.revision())? {
            match inbound::read(message, &self.exchange.hearer)? {
                Inbound::Answer { id: answered, reply } if self.is_mine(answered.as_ref()) => answer = Some(reply?),
                Inbound::Relay(message) => self.relay(message).await,
                Inbound::Notify(method, message) => {
                    if let Meanwhile::Peer(peer) = self.meanwhile {
                        peer.notified(&method, message).await;
                    }
                }
                Inbound::Ask(id, question) => {
                    if let Meanwhile::Peer(peer) = self.meanwhile {
                        let respond = responder(self.exchange, self.established, self.caller);
                        questions.ask(&self.exchange.questions, Arc::clone(peer), id, question, respond);
                    }
                }
                Inbound::TakenBack(id) => questions.cancel(&id),
                Inbound::Respond(message) => respond(self.exchange, self.established, self.caller, message),
                Inbound::ListChanged(method) => self.news.list_changed(&method),
                Inbound::Answer { .. } | Inbound::Ignore => {}
            }
        }
        Ok(answer)
    }

    /// Whether an answer is that to this request; one without id can be no other.
    fn is_mine(&self, answered: Option<&Id>) -> bool {
        answered.is_none_or(|own| *own == Id::from(self.id))
    }

    /// Passes a message on to whoever waits for the answer, else to the client's session.
    async fn relay(&self, message: Bytes) {
        let undelivered = match self.meanwhile {
            Meanwhile::Messages(messages) => messages.send(message).await.err().map(|unsent| unsent.0),
            Meanwhile::Nothing | Meanwhile::Peer(_) => Some(message),
        };
        if let Some(message) = undelivered {
            self.exchange.deliver(message);
        }
    }
}

/// What an HTTP failure means. `in_session` tells whether the request named a session.
async fn failed(response: Response<Incoming>, in_session: bool, id: u64) -> Result<Answered, Failure> {
    let status = response.status();
    let text = failure_body(response).await;
    let error = protocol(&match status {
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED if !in_session => format!(
            "the backend answered {status}: check that its URL is an MCP endpoint and that its transport is streamable-http"
        ),
        _ => format!("the backend answered {status}"),
    })
    .with_status(status);
    let error = if is_refusal(status) { error.unexecuted() } else { error };
    match inbound::read_failure(&text, id) {
        InFailure::Answer(reply) => {
            Ok(Answered { other_era: status == StatusCode::BAD_REQUEST && is_of_other_era(&reply), reply })
        }
        _ if in_session && (status == StatusCode::NOT_FOUND || is_unknown_session(status, &text)) => {
            Err(Failure::SessionLost(error))
        }
        InFailure::Unattributed(reply) => Ok(reply.into()),
        InFailure::Nothing => Err(Failure::Other(error)),
    }
}

/// Whether a server without sessions refuses a request in this way that does not say of itself what it must.
fn is_of_other_era(reply: &Reply) -> bool {
    #[derive(serde::Deserialize)]
    struct Told {
        code: i64,
    }
    let Reply::Error(error) = reply else { return false };
    serde_json::from_str::<Told>(error.get()).is_ok_and(|told| {
        matches!(
            told.code,
            code::INVALID_PARAMS
                | code::HEADER_MISMATCH
                | code::MISSING_CLIENT_CAPABILITY
                | code::UNSUPPORTED_PROTOCOL_VERSION
        )
    })
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
