//! Streamable HTTP towards a backend that keeps no sessions (MCP 2026-07-28): each request says all that is needed to answer it.
//!
//! [`message`] writes a request, its `_meta` and the headers that repeat its body; [`answer`] reads what comes back. A backend that
//! needs [`rounds`] of inputs ends a request by asking for them. What the revisions with sessions have methods of their own for is
//! translated: `ping` is `server/discover`, a level of log messages goes with each request, and subscriptions are part of the one
//! stream that [`listen`] opens.

mod answer;
mod listen;
mod message;
mod rounds;

use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;

use http::HeaderMap;
use serde_json::json;
use serde_json::value::RawValue;

use super::asking::{Answered, Asking};
use super::discover::{Discovered, discover};
use super::era::Endpoint;
use super::error::{Cause, EgressError};
use super::exchange::Exchange;
use super::meanwhile::Meanwhile;
use super::news::{Agreed, News};
use super::peer::{Declared, Hearer, Hearing, Rounds};
use super::response::protocol;
use super::session::Reply;
use crate::backend::Caller;
use crate::jsonrpc::{self, ErrorObject, Object, ParseError, code};
use crate::stateless::VERSION;
use crate::stateless::errors::code_of;
pub(super) use answer::Awaited;
use listen::{Source, Subscription};
pub(super) use message::{Message, Sender};
use rounds::{Inputs, Outcome};

/// How often a request is sent again with the inputs that the backend asked for.
const MOST_ROUNDS: usize = 10;

/// One client's, or the gateway's own, way to speak with a backend.
#[derive(Debug)]
pub(super) struct Stateless {
    exchange: Arc<Exchange>,
    news: Arc<News>,
    endpoint: Arc<Endpoint>,
    /// The level of log messages that was set for all requests.
    level: Mutex<Option<Arc<RawValue>>>,
    subscription: Subscription,
}

impl Stateless {
    pub(super) fn new(exchange: Arc<Exchange>, news: Arc<News>, endpoint: Arc<Endpoint>) -> Self {
        Self { exchange, news, endpoint, level: Mutex::default(), subscription: Subscription::default() }
    }

    /// Answers a request. `hearing` is the client's, if it is one of a client.
    pub(super) async fn request(
        &self,
        caller: &Caller,
        asking: &Asking<'_>,
        hearing: Option<&Hearing>,
    ) -> Result<Answered, EgressError> {
        match asking.method {
            "ping" => self.ping(caller).await,
            "logging/setLevel" => Ok(Answered::from(self.set_level(asking.params))),
            "resources/subscribe" => self.subscribe(caller, asking.params).await,
            "resources/unsubscribe" => self.unsubscribe(caller, asking.params).await,
            _ => {
                self.follow(caller);
                self.in_rounds(caller, asking, hearing).await
            }
        }
    }

    /// What the backend offers is known from now on.
    pub(super) async fn open(&self, caller: &Caller) -> Result<(), EgressError> {
        if self.news.agreed().is_some_and(|agreed| agreed.revision == VERSION) {
            return Ok(());
        }
        self.ping(caller).await.map(drop)
    }

    /// The backend has told what it offers.
    pub(super) fn met(&self, caller: &Caller, agreed: Agreed) {
        self.news.refreshed(agreed);
        self.follow(caller);
    }

    /// Listens for news from now on. Waits until the backend has agreed or refused.
    pub(super) async fn listen(&self, caller: &Caller) {
        self.follow(caller);
        self.subscription.stands().await;
    }

    /// Has the backend tell how these tasks fare. Returns those of which it has agreed to tell.
    pub(super) async fn follow_tasks(
        &self,
        caller: &Caller,
        tasks: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, EgressError> {
        self.subscription.add_tasks(&self.source(caller), tasks).await
    }

    /// Has the backend tell the news of these resources. Returns those of which it has agreed to tell.
    pub(super) async fn follow_resources(
        &self,
        caller: &Caller,
        uris: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, EgressError> {
        self.subscription.add_resources(&self.source(caller), uris).await
    }

    /// Ends the stream of news.
    pub(super) fn close(&self) {
        self.subscription.close();
    }

    async fn ping(&self, caller: &Caller) -> Result<Answered, EgressError> {
        let discovered = discover(&self.exchange, caller).await?;
        let other_era = !matches!(discovered, Discovered::Stateless(_));
        if let Discovered::Stateless(Some(agreed)) = discovered {
            self.met(caller, agreed);
        }
        Ok(Answered { reply: nothing(), other_era })
    }

    fn set_level(&self, params: Option<&RawValue>) -> Reply {
        let level = params.map(|params| Object::parse(params, "params", &["level"])).transpose();
        match level {
            Ok(params) => {
                let level = params.and_then(|params| params.field("level").map(|level| Arc::from(level.to_owned())));
                *self.level.lock() = level;
                nothing()
            }
            Err(error) => malformed(&error),
        }
    }

    async fn subscribe(&self, caller: &Caller, params: Option<&RawValue>) -> Result<Answered, EgressError> {
        let uri = match uri(params) {
            Ok(uri) => uri,
            Err(error) => return Ok(Answered::from(malformed(&error))),
        };
        if self.follow_resources(caller, BTreeSet::from([uri.clone()])).await?.contains(&uri) {
            return Ok(Answered::from(nothing()));
        }
        let error = ErrorObject::new(code::RESOURCE_NOT_FOUND, "the backend does not tell news of this resource");
        Ok(Answered::from(Reply::Error(jsonrpc::raw(&error.with_data(json!({ "uri": uri }))))))
    }

    async fn unsubscribe(&self, caller: &Caller, params: Option<&RawValue>) -> Result<Answered, EgressError> {
        Ok(Answered::from(match uri(params) {
            Ok(uri) => {
                self.subscription.remove(&self.source(caller), &uri).await;
                nothing()
            }
            Err(error) => malformed(&error),
        }))
    }

    /// Listens for news from now on, if somebody wants to hear them.
    fn follow(&self, caller: &Caller) {
        if self.news.is_stream_wanted() {
            self.subscription.follow(&self.source(caller));
        }
    }

    fn source(&self, caller: &Caller) -> Source {
        Source {
            exchange: Arc::clone(&self.exchange),
            news: Arc::clone(&self.news),
            caller: caller.clone(),
            endpoint: Arc::clone(&self.endpoint),
        }
    }

    /// Sends a request, and sends it again with what the backend needs, as far as that is the gateway's to bring.
    async fn in_rounds(
        &self,
        caller: &Caller,
        asking: &Asking<'_>,
        hearing: Option<&Hearing>,
    ) -> Result<Answered, EgressError> {
        let rounds = match &self.exchange.hearer {
            Hearer::Client(client) if hearing.is_some() => client.rounds,
            _ => Rounds::Gateway,
        };
        let declared = self.declared(hearing);
        let sender = declared.as_deref().map_or(Sender::Gateway, Sender::Client);
        if rounds == Rounds::Client {
            let answered = self.once(caller, asking, asking.params, sender, hearing).await?;
            if let Reply::Result(result) = &answered.reply {
                rounds::check(result, asking.method, sender)?;
            }
            return Ok(answered);
        }
        let mut inputs = None;
        for _ in 0..=MOST_ROUNDS {
            let params = match rounds::params(asking.params, inputs.as_ref()) {
                Ok(params) => params,
                Err(error) => return Ok(Answered::from(malformed(&error))),
            };
            let answer = self.once(caller, asking, params.as_deref(), sender, hearing).await?;
            let result = match &answer.reply {
                Reply::Result(result) => result,
                Reply::Error(error) => return Ok(Answered { reply: rounds::error(asking.method, error), ..answer }),
            };
            inputs = match rounds::read(result, asking.method)? {
                Outcome::Complete(result) => return Ok(Answered { reply: Reply::Result(result), ..answer }),
                Outcome::InputRequired(required) => match self.gather(required, hearing).await? {
                    Ok(inputs) => Some(inputs),
                    Err(refusal) => return Ok(Answered::from(refusal)),
                },
            };
        }
        Err(protocol(&format!("the backend still asks for inputs after {MOST_ROUNDS} rounds of them")).answered())
    }

    /// Asks the client for what a backend needs. The inner error is the answer to the client's request.
    async fn gather(
        &self,
        required: rounds::Required,
        hearing: Option<&Hearing>,
    ) -> Result<Result<Inputs, Reply>, EgressError> {
        let Some(hearing) = hearing else {
            return Err(protocol("the backend asks the gateway itself for inputs").answered());
        };
        Ok(required.fulfil(&hearing.peer, &self.exchange.questions).await)
    }

    /// Sends one message and reads its answer.
    async fn once(
        &self,
        caller: &Caller,
        asking: &Asking<'_>,
        params: Option<&RawValue>,
        sender: Sender<'_>,
        hearing: Option<&Hearing>,
    ) -> Result<Answered, EgressError> {
        let id = self.endpoint.next_id();
        let message = match Message::new(id, asking.method, params, asking.mirrored, sender) {
            Ok(message) => message,
            Err(error) => return Ok(Answered::from(malformed(&error))),
        };
        let response = message.post(&self.exchange, caller).await?;
        let peer = hearing.map(|hearing| &hearing.peer).or(self.exchange.peer());
        let meanwhile = peer.map_or(Meanwhile::Nothing, Meanwhile::Peer);
        understood(Awaited { exchange: &self.exchange, news: &self.news, id, meanwhile }.read(response).await?)
    }

    /// What the client says of itself; nothing in requests of the gateway's own.
    fn declared(&self, hearing: Option<&Hearing>) -> Option<Arc<Declared>> {
        let of_request = hearing?.declared.clone();
        of_request.or_else(|| match &self.exchange.hearer {
            Hearer::Client(client) => Some(Arc::new(Declared {
                capabilities: Arc::clone(&client.capabilities),
                client_info: client.client_info.clone(),
                log_level: self.level.lock().clone(),
                arguments: HeaderMap::new(),
            })),
            Hearer::Gateway | Hearer::Inbox { .. } => None,
        })
    }
}

fn nothing() -> Reply {
    Reply::Result(jsonrpc::raw(&json!({})))
}

fn malformed(error: &ParseError) -> Reply {
    Reply::Error(jsonrpc::raw(&ErrorObject::from(error)))
}

fn uri(params: Option<&RawValue>) -> Result<String, ParseError> {
    const MISSING: ParseError = ParseError::NotAnObject("params");
    let params = Object::parse(params.ok_or(MISSING)?, "params", &["uri"])?;
    params.string("uri")?.ok_or_else(|| ParseError::Type {
        place: "params",
        key: "uri".to_owned(),
        expected: "a string",
    })
}

/// An answer, or the failure when the backend says that the gateway's request is not one of its revision.
fn understood(answered: Answered) -> Result<Answered, EgressError> {
    let Reply::Error(error) = &answered.reply else { return Ok(answered) };
    let told = code_of(error);
    let what = match told {
        code::HEADER_MISMATCH => "the headers of the request do not repeat its body",
        code::UNSUPPORTED_PROTOCOL_VERSION => "it does not speak the revision of the request",
        _ => return Ok(answered),
    };
    let error = EgressError::new(Cause::Protocol, format!("the backend says that {what} ({told})"));
    Err(error.answered().unexecuted().with_code(told))
}
