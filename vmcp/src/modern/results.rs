//! What every result says beside the answer itself: its type, how long and for whom it may be kept, and whose it is.

use super::call::Call;
use crate::backend::Caller;
use crate::catalog::Listing;
use crate::jsonrpc::{ErrorObject, Id, Object, code, raw, result_response};
use crate::stateless::meta::{SERVER_INFO, SUBSCRIPTION_ID};
use crate::stateless::tasks::{RESULT_TYPE, TASK_ID, is_about_task};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The keys of a result that the gateway acts on.
const KEYS: [&str; 7] = ["resultType", "inputRequests", "requestState", TASK_ID, "ttlMs", "cacheScope", "_meta"];

/// For whom a result may be kept (2026-07-28, caching).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// Everyone.
    Public,
    /// Whoever presents the same authorization.
    Private,
}

impl Scope {
    /// The widest scope of results for `caller`: what takes a token to see is not for those without one.
    pub(crate) fn of(caller: &Caller) -> Self {
        if caller.principal.is_some() || !caller.passed.is_empty() { Self::Private } else { Self::Public }
    }
}

/// What the gateway calls itself.
#[derive(Debug)]
pub(super) struct Identity(Value);

impl Identity {
    /// The gateway of this name.
    pub(super) fn new(name: &str) -> Self {
        Self(json!({ "name": name, "version": env!("CARGO_PKG_VERSION") }))
    }

    /// The `_meta` of a result that has nothing else to say in it.
    pub(super) fn meta(&self) -> Value {
        json!({ SERVER_INFO: self.0 })
    }

    /// The result of a list method.
    pub(super) fn list(&self, listing: &Listing, widest: Scope) -> Result<Box<RawValue>, ErrorObject> {
        let scope = if listing.is_everyones { widest } else { Scope::Private };
        let ttl = u64::try_from(listing.fresh_for.as_millis()).unwrap_or(u64::MAX);
        let result = parse(&listing.result)?
            .with("resultType", raw("complete"))
            .with("ttlMs", raw(&ttl))
            .with("cacheScope", raw(&scope));
        self.identified(result)
    }

    /// The result of a backend: its own, but for what it lacks and what is the gateway's.
    pub(super) fn result(
        &self,
        method: &str,
        result: &RawValue,
        widest: Scope,
        call: &Call<'_>,
    ) -> Result<Box<RawValue>, ErrorObject> {
        let malformed = |error| call.broken(&format!("its result is malformed: {}", ErrorObject::from(&error).message));
        let result = Object::parse(result, "result", &KEYS).map_err(malformed)?;
        let result = match result.string("resultType").map_err(malformed)?.as_deref() {
            Some("input_required") => call.asking(method, result)?,
            // What is told of a task is complete, whatever it has come to. Not all servers say so.
            None | Some("complete" | RESULT_TYPE) if is_about_task(method) => {
                call.told(result.with("resultType", raw("complete")))
            }
            Some(RESULT_TYPE) => call.begun(method, result)?,
            Some("complete") => cacheable(method, result, widest),
            None => cacheable(method, result.with("resultType", raw("complete")), widest),
            // A type of an extension, on which client and backend agree.
            Some(_) => result,
        };
        self.identified(result)
    }

    /// The answer that ends the stream which the request `id` opened.
    pub(super) fn end_of_subscription(&self, id: &Id) -> Bytes {
        let meta = json!({ SUBSCRIPTION_ID: id.raw(), SERVER_INFO: self.0 });
        result_response(id, &raw(&json!({ "resultType": "complete", "_meta": meta })))
    }

    fn identified(&self, result: Object<'_>) -> Result<Box<RawValue>, ErrorObject> {
        let none = raw(&Object::empty("result._meta"));
        let meta = result.field("_meta").unwrap_or(&none).to_owned();
        let meta =
            Object::parse(&meta, "result._meta", &[SERVER_INFO]).map_err(|error| internal(&error.to_string()))?;
        let meta = meta.with(SERVER_INFO, raw(&self.0)).to_raw();
        Ok(result.with("_meta", meta).to_raw())
    }
}

/// A complete result with hints for caches where the method has some. A backend that says nothing is not kept.
fn cacheable<'a>(method: &str, result: Object<'a>, widest: Scope) -> Object<'a> {
    if method != "resources/read" {
        return result;
    }
    let result = if result.field("ttlMs").is_some() { result } else { result.with("ttlMs", raw(&0)) };
    let is_public = widest == Scope::Public && result.string("cacheScope").ok().flatten().as_deref() == Some("public");
    result.with("cacheScope", raw(if is_public { &Scope::Public } else { &Scope::Private }))
}

fn parse(result: &RawValue) -> Result<Object<'_>, ErrorObject> {
    Object::parse(result, "result", &KEYS).map_err(|error| internal(&error.to_string()))
}

fn internal(message: &str) -> ErrorObject {
    ErrorObject::new(code::INTERNAL_ERROR, message)
}
