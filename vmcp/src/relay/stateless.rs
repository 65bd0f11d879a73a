//! Clients without sessions (2026-07-28). What they ask of a backend that keeps none passes through as it is: params, results, what a
//! result asks the client for, `requestState`, hints for caches, errors, and the stream of changes. A backend with sessions is
//! spoken to through the [`Bridge`](super::bridge::Bridge).

use super::{LONGEST_REQUEST, OPENING, Relay, Shared};
use crate::backend::Caller;
use crate::egress::{Listened, PassThrough, Passed, PassedStream, Reply};
use crate::ingress::{Asked, Outbox, Stateless, Subscription};
use crate::jsonrpc::{
    self, ErrorObject, Id, Message, Object, Outcome, ParseError, code, error_response, notification, raw,
    result_response,
};
use crate::modern::{REVISIONS, Scope};
use crate::stateless::errors::of_backend;
use crate::stateless::meta::{SUBSCRIPTION_ID, of_subscription};
use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// For whom a result may be kept (2026-07-28, caching).
const CACHE_SCOPE: &str = "cacheScope";

impl Shared {
    /// The way to the backend, if it keeps no sessions.
    pub(super) async fn through(&self, caller: &Caller) -> Result<Option<Arc<PassThrough>>, ErrorObject> {
        let through = self.way(&self.backend()?);
        let keeps_sessions = through.keeps_sessions(caller).await.map_err(|error| self.unavailable(&error))?;
        Ok((!keeps_sessions).then_some(through))
    }

    /// The answer of a backend that keeps no sessions.
    async fn passed(
        &self,
        caller: &Caller,
        asked: &Asked,
        messages: &mpsc::Sender<Bytes>,
    ) -> Result<Option<Reply>, ErrorObject> {
        let Some(through) = self.through(caller).await? else { return Ok(None) };
        let renamed = if asked.method == "tools/call" { self.renamed(Some(&asked.params))? } else { None };
        let params = renamed.as_ref().unwrap_or(&asked.params);
        let request = Passed { method: &asked.method, params, arguments: &asked.arguments };
        let reply = through.request(caller, request, messages, LONGEST_REQUEST).await.map_err(|error| {
            tracing::warn!(backend = self.name, method = asked.method, cause = error.cause().as_str(), %error, "a request failed");
            self.unavailable(&error)
        })?;
        Ok(match reply {
            Some(Reply::Result(result)) => Some(Reply::Result(self.result(caller, asked, result)?)),
            other => other,
        })
    }

    /// A result of the backend, but for what is this side's to say.
    fn result(&self, caller: &Caller, asked: &Asked, result: Box<RawValue>) -> Result<Box<RawValue>, ErrorObject> {
        let result = match asked.method.as_str() {
            "tools/list" => self.selected(result)?,
            "server/discover" => {
                changed(&result, "supportedVersions", &REVISIONS).map_err(|error| self.malformed(&error))?
            }
            _ => result,
        };
        // What takes a token to see is not for those without one.
        if Scope::of(caller) == Scope::Private && result.get().contains(CACHE_SCOPE) {
            return private(&result).map_err(|error| self.malformed(&error));
        }
        Ok(result)
    }

    /// The stream of changes of a backend that keeps no sessions.
    async fn listened(&self, caller: &Caller, asked: &Asked) -> Result<Option<Subscription>, ErrorObject> {
        let Some(through) = self.through(caller).await? else { return Ok(None) };
        let request = Passed { method: &asked.method, params: &asked.params, arguments: &asked.arguments };
        let failed = |error| self.unavailable(&error);
        let mut stream = match through.listen(caller, request, OPENING).await.map_err(failed)? {
            None => return Ok(None),
            Some(Listened::Stream(stream)) => stream,
            Some(Listened::Answer(Reply::Error(error))) => return Err(told(&error)),
            Some(Listened::Answer(Reply::Result(_))) => {
                return Err(self.broken("it answered \"subscriptions/listen\" without a stream"));
            }
        };
        let first = tokio::time::timeout(OPENING, stream.next()).await;
        let first = first.map_err(|_| self.broken("it does not say what it will tell"))?.map_err(failed)?;
        let acknowledgement = match Message::parse(&first) {
            Ok(Message::Notification(_)) => named(&first, &asked.id),
            Ok(Message::Response(response)) => match response.outcome {
                Outcome::Error(error) => return Err(told(error)),
                Outcome::Result(_) => None,
            },
            _ => None,
        };
        let acknowledgement = acknowledgement.ok_or_else(|| self.broken("it does not say what it will tell"))?;
        let (messages, over) = (Arc::<Outbox>::default(), CancellationToken::new());
        let passing = pass(stream, asked.id.clone(), Arc::clone(&messages), over.clone());
        let end = json!({ "resultType": "complete", "_meta": { SUBSCRIPTION_ID: asked.id.raw() } });
        let listener = Arc::new(Listener {
            id: asked.id.clone(),
            hears_tools: hears_tools(&acknowledgement),
            messages: Arc::clone(&messages),
            _passing: AbortOnDropHandle::new(tokio::spawn(passing)),
        });
        self.listeners.add(&listener);
        Ok(Some(Subscription {
            acknowledgement,
            messages,
            end: result_response(&asked.id, &raw(&end)),
            over,
            kept: Box::new(listener),
        }))
    }
}

/// A stream that passes to a client.
#[derive(Debug)]
pub(super) struct Listener {
    /// The client's name of it.
    id: Id,
    /// Whether it tells changes of the list of tools.
    hears_tools: bool,
    messages: Arc<Outbox>,
    _passing: AbortOnDropHandle<()>,
}

impl Listener {
    /// Tells the client that it sees other tools, if it wants to hear of that.
    pub(super) fn tell(&self, changed: &[u8]) {
        if self.hears_tools
            && let Some(message) = named(changed, &self.id)
        {
            self.messages.append(message);
        }
    }
}

/// Whether the backend has agreed to tell changes of its list of tools.
fn hears_tools(acknowledgement: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Agreed {
        #[serde(rename = "toolsListChanged", default)]
        tools: bool,
    }
    jsonrpc::told::<Agreed>(acknowledgement, "notifications").is_some_and(|agreed| agreed.tools)
}

/// A result with another value of this member.
fn changed<T: serde::Serialize>(result: &RawValue, key: &'static str, value: &T) -> Result<Box<RawValue>, ParseError> {
    Ok(Object::parse(result, "result", &[key])?.with(key, raw(value)).to_raw())
}

/// A result that is the caller's alone, if it says for whom it may be kept.
fn private(result: &RawValue) -> Result<Box<RawValue>, ParseError> {
    let object = Object::parse(result, "result", &[CACHE_SCOPE])?;
    let says = object.field(CACHE_SCOPE).is_some();
    Ok(if says { object.with(CACHE_SCOPE, raw(&Scope::Private)).to_raw() } else { object.to_raw() })
}

/// Passes on what comes after the beginning of a stream, which is called `id` by the client.
async fn pass(mut stream: Box<PassedStream>, id: Id, messages: Arc<Outbox>, over: CancellationToken) {
    let _over = over.drop_guard();
    loop {
        match stream.next().await {
            Ok(message) => {
                let is_last = matches!(Message::parse(&message), Ok(Message::Response(_)));
                if let Some(message) = named(&message, &id) {
                    messages.append(message);
                }
                if is_last {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a stream of changes ended");
                return;
            }
        }
    }
}

/// A message of a stream as the client knows it. A request is nothing that a client without a session can answer.
fn named(message: &[u8], id: &Id) -> Option<Bytes> {
    match Message::parse(message).ok()? {
        Message::Notification(told) => {
            let params = match told.params {
                Some(params) => Object::parse(params, "params", &["_meta"]).ok()?,
                None => Object::empty("params"),
            };
            Some(notification(&told.method, Some(&of_subscription(params, id).ok()?.to_raw())))
        }
        Message::Response(response) => Some(match response.outcome {
            Outcome::Result(result) => {
                let result = Object::parse(result, "result", &["_meta"]).ok()?;
                result_response(id, &of_subscription(result, id).ok()?.to_raw())
            }
            Outcome::Error(error) => error_response(Some(id), &of_backend(error.to_owned())),
        }),
        Message::Request(_) => None,
    }
}

/// An error of the backend.
fn told(error: &RawValue) -> ErrorObject {
    let none = |_| ErrorObject::new(code::INTERNAL_ERROR, "the backend refused with an error that is none");
    serde_json::from_str(error.get()).unwrap_or_else(none)
}

impl Stateless for Relay {
    fn revisions(&self) -> &[&'static str] {
        self.bridge.modern.revisions()
    }

    fn answer<'a>(
        &'a self,
        caller: &'a Caller,
        asked: &'a Asked,
        messages: mpsc::Sender<Bytes>,
    ) -> BoxFuture<'a, Result<Reply, ErrorObject>> {
        Box::pin(async move {
            match self.shared.passed(caller, asked, &messages).await? {
                Some(reply) => Ok(reply),
                None => self.bridge.modern.answer(caller, asked, messages).await,
            }
        })
    }

    fn listen<'a>(&'a self, caller: &'a Caller, asked: &'a Asked) -> BoxFuture<'a, Result<Subscription, ErrorObject>> {
        Box::pin(async move {
            match self.shared.listened(caller, asked).await? {
                Some(subscription) => Ok(subscription),
                None => self.bridge.modern.listen(caller, asked).await,
            }
        })
    }

    fn reap(&self) -> BoxFuture<'_, ()> {
        self.bridge.modern.reap()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.bridge.modern.close()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn json(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn a_result_for_whoever_has_a_token_is_theirs_alone() {
        for (result, expected) in [
            (r#"{"a":1.0,"cacheScope":"public"}"#, r#"{"a":1.0,"cacheScope":"private"}"#),
            (r#"{"cacheScope":"private"}"#, r#"{"cacheScope":"private"}"#),
            (r#"{"content":"cacheScope"}"#, r#"{"content":"cacheScope"}"#),
        ] {
            assert_eq!(private(&json(result)).unwrap().get(), expected);
        }
        assert!(private(&json(r#"{"cacheScope":"private","cacheScope":"public"}"#)).is_err());
    }

    #[test]
    fn the_messages_of_a_stream_have_the_clients_name_of_it() {
        const ID: &str = r#""io.modelcontextprotocol/subscriptionId":"#;
        let id = Id::parse(&json(r#""l""#)).unwrap();
        for (message, expected) in [
            (
                format!(r#"{{"jsonrpc":"2.0","method":"m","params":{{"uri":"a:b","_meta":{{"x":1.0,{ID}7}}}}}}"#),
                Some(format!(
                    r#"{{"jsonrpc":"2.0","method":"m","params":{{"uri":"a:b","_meta":{{"x":1.0,{ID}"l"}}}}}}"#
                )),
            ),
            (
                r#"{"jsonrpc":"2.0","method":"m"}"#.to_owned(),
                Some(format!(r#"{{"jsonrpc":"2.0","method":"m","params":{{"_meta":{{{ID}"l"}}}}}}"#)),
            ),
            (
                format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"_meta":{{{ID}7}}}}}}"#),
                Some(format!(r#"{{"jsonrpc":"2.0","id":"l","result":{{"_meta":{{{ID}"l"}}}}}}"#)),
            ),
            (
                r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32050,"message":"x"}}"#.to_owned(),
                Some(r#"{"jsonrpc":"2.0","id":"l","error":{"code":-32603,"message":"x"}}"#.to_owned()),
            ),
            (r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#.to_owned(), None),
        ] {
            let named = named(message.as_bytes(), &id).map(|named| String::from_utf8(named.to_vec()).unwrap());
            assert_eq!(named, expected, "{message}");
        }
    }
}
