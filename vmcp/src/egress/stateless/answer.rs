//! Reading the answer to one request: a document, or a stream that brings notifications before it. A stream that breaks is not
//! resumed.

use http::{Response, StatusCode};
use hyper::body::Incoming;

use crate::egress::MAX_MESSAGE;
use crate::egress::asking::Answered;
use crate::egress::error::EgressError;
use crate::egress::events::EventStream;
use crate::egress::exchange::Exchange;
use crate::egress::http_client::read_body;
use crate::egress::inbound::{self, InFailure, Inbound};
use crate::egress::meanwhile::Meanwhile;
use crate::egress::news::News;
use crate::egress::response::{drain, failure_body, is_refusal, media_type, protocol};
use crate::egress::session::Reply;
use crate::jsonrpc::{Id, code};
use crate::stateless::errors::code_of;

/// The code of errors that have none of their own in revisions with sessions.
const SERVER_ERROR: i64 = -32000;

/// A request whose answer is awaited.
pub(in crate::egress) struct Awaited<'a> {
    pub(in crate::egress) exchange: &'a Exchange,
    pub(in crate::egress) news: &'a News,
    pub(in crate::egress) id: u64,
    pub(in crate::egress) meanwhile: Meanwhile<'a>,
}

impl Awaited<'_> {
    /// The answer. Whoever drops the future closes the stream, and so cancels the request.
    pub(in crate::egress) async fn read(&self, response: Response<Incoming>) -> Result<Answered, EgressError> {
        let status = response.status();
        if !status.is_success() {
            return self.failed(response).await;
        }
        let reply = match media_type(&response).as_str() {
            "application/json" => {
                let text = read_body(response.into_body(), MAX_MESSAGE).await?;
                match inbound::read(&text, &self.exchange.hearer)? {
                    Inbound::Answer { id, reply } if self.is_mine(id.as_ref()) => reply?,
                    _ => return Err(protocol("the backend's answer belongs to another request")),
                }
            }
            "text/event-stream" => self.follow(response).await?,
            "" if status == StatusCode::ACCEPTED => {
                return Err(protocol("the backend accepted the request without answering it"));
            }
            other => {
                let message = format!(
                    "the backend answered with content type {other:?}, expected application/json or text/event-stream"
                );
                return Err(protocol(&message));
            }
        };
        Ok(of_reply(reply, status, true))
    }

    /// Follows a stream to the answer.
    async fn follow(&self, response: Response<Incoming>) -> Result<Reply, EgressError> {
        let mut events = EventStream::new(response.into_body());
        loop {
            for event in events.next().await? {
                if event.event != "message" || event.data.is_empty() {
                    continue;
                }
                match inbound::read(event.data.as_bytes(), &self.exchange.hearer)? {
                    Inbound::Answer { id, reply } if self.is_mine(id.as_ref()) => {
                        drain(events.into_body());
                        return reply;
                    }
                    Inbound::Notify(method, message) => {
                        if let Meanwhile::Peer(peer) = self.meanwhile {
                            peer.notified(&method, message).await;
                        }
                    }
                    Inbound::Relay(message) => {
                        if let Meanwhile::Messages(messages) = self.meanwhile {
                            // Who does not wait for the answer is not told what comes before it.
                            let _ = messages.send(message).await;
                        }
                    }
                    Inbound::ListChanged(method) => self.news.list_changed(&method),
                    Inbound::Ask(..) | Inbound::Respond(_) => {
                        let backend = self.exchange.backend.name.as_str();
                        tracing::debug!(backend, "a backend without sessions sent a request, which nobody can answer");
                    }
                    Inbound::Answer { .. } | Inbound::TakenBack(_) | Inbound::Ignore => {}
                }
            }
        }
    }

    /// Whether an answer is that to this request; one without id can be no other.
    fn is_mine(&self, answered: Option<&Id>) -> bool {
        answered.is_none_or(|own| *own == Id::from(self.id))
    }

    async fn failed(&self, response: Response<Incoming>) -> Result<Answered, EgressError> {
        let status = response.status();
        let text = failure_body(response).await;
        match inbound::read_failure(&text, self.id) {
            InFailure::Answer(reply) => Ok(of_reply(reply, status, true)),
            InFailure::Unattributed(reply) => Ok(of_reply(reply, status, false)),
            InFailure::Nothing => {
                let error = protocol(&format!("the backend answered {status}")).with_status(status);
                Err(if is_refusal(status) { error.unexecuted() } else { error })
            }
        }
    }
}

/// What an answer means; `is_attributed` tells whether it names the request.
fn of_reply(reply: Reply, status: StatusCode, is_attributed: bool) -> Answered {
    let Reply::Error(error) = &reply else { return reply.into() };
    // Servers that keep sessions refuse requests outside of one in words of their own, and as a whole.
    let other_era =
        status.is_client_error() && (!is_attributed || matches!(code_of(error), code::INVALID_REQUEST | SERVER_ERROR));
    Answered { reply, other_era }
}
