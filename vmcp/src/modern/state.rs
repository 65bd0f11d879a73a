//! The `requestState` of backends, which clients carry from one round of a request to the next (2026-07-28, multi
//! round-trip requests): sealed, so that a client brings back what it was given, for the same request, in time.

use crate::backend::{Backend, Caller};
use crate::jsonrpc::{ErrorObject, Object, code};
use crate::seal::{Binding, Sealer};
use crate::stateless::header::named_by;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime};

/// How long a client has for a round: people may have to be asked.
const LIFETIME: Duration = Duration::from_mins(10);

/// What makes one request the same in each of its rounds. Most requests have one round: nothing is read before there is a
/// state to seal or to open.
#[derive(Debug)]
pub(super) struct Request<'a> {
    caller: &'a Caller,
    method: &'a str,
    name: Option<&'a RawValue>,
    arguments: Option<&'a RawValue>,
}

impl<'a> Request<'a> {
    /// The request of `caller` for `method` with these params, as the client wrote them.
    pub(super) fn new(caller: &'a Caller, method: &'a str, params: &Object<'a>) -> Self {
        let name = named_by(method).and_then(|member| params.borrowed(member));
        Self { caller, method, name, arguments: params.borrowed("arguments") }
    }

    /// Whose it is.
    pub(super) fn caller(&self) -> &'a Caller {
        self.caller
    }

    /// The name, URI or task that it is about, as the client wrote it.
    pub(super) fn name(&self) -> Option<&'a RawValue> {
        self.name
    }

    /// The arguments, as the client wrote them.
    pub(super) fn arguments(&self) -> Option<&'a RawValue> {
        self.arguments
    }

    fn at(&self, backend: &Backend) -> Binding {
        let mut digest = Sha256::new();
        hash_text(self.name, &mut digest);
        hash_text(self.arguments, &mut digest);
        Binding::to("requestState")
            .and_principal(self.caller.principal.as_ref())
            .and(self.method)
            .and(digest.finalize())
            .and(&backend.name)
            .and(backend.url.as_str())
    }

    /// What the client is given to carry.
    pub(super) fn seal(&self, sealer: &Sealer, backend: &Backend, state: &str) -> Result<String, ErrorObject> {
        sealer.seal(&self.at(backend), state.as_bytes(), SystemTime::now() + LIFETIME).map_err(|error| {
            ErrorObject::new(code::INTERNAL_ERROR, format!("the requestState could not be sealed: {error}"))
        })
    }

    /// What the backend gave, of what the client has brought.
    pub(super) fn open(&self, sealer: &Sealer, backend: &Backend, brought: &str) -> Result<String, ErrorObject> {
        let refused = |why: &dyn std::fmt::Display| {
            let message = format!("params.requestState is not good for this request: {why}; start the request again");
            ErrorObject::new(code::INVALID_PARAMS, message)
        };
        let state = sealer.open(&self.at(backend), brought, SystemTime::now()).map_err(|error| refused(&error))?;
        String::from_utf8(state).map_err(|_| refused(&"it is not text"))
    }
}

/// Hashes what a text means, or the text itself where only its backend may know: lone surrogates, numbers beyond all range.
fn hash_text(text: Option<&RawValue>, digest: &mut Sha256) {
    match text.map(|text| serde_json::from_str(text.get()).map_err(|_| text.get())) {
        None => hash(&Value::Null, digest),
        Some(Ok(value)) => hash(&value, digest),
        Some(Err(text)) => hash_part("t", text.as_bytes(), digest),
    }
}

fn hash_part(kind: &str, bytes: &[u8], digest: &mut Sha256) {
    digest.update(kind);
    digest.update((bytes.len() as u64).to_be_bytes());
    digest.update(bytes);
}

/// Hashes a value whatever the order and spelling of its members.
fn hash(value: &Value, digest: &mut Sha256) {
    let mut part = |kind: &str, bytes: &[u8]| hash_part(kind, bytes, digest);
    match value {
        Value::Array(items) => {
            part("[", &items.len().to_be_bytes());
            for item in items {
                hash(item, digest);
            }
        }
        // No arguments are no arguments.
        Value::Object(members) if members.is_empty() => part("n", b""),
        Value::Object(members) => {
            part("{", &members.len().to_be_bytes());
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            for (name, member) in sorted {
                hash(&Value::from(name.as_str()), digest);
                hash(member, digest);
            }
        }
        Value::String(text) => part("s", text.as_bytes()),
        Value::Null => part("n", b""),
        other => part("v", other.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::jsonrpc::raw;
    use serde_json::json;

    fn request<'a>(caller: &'a Caller, method: &'a str, params: &'a RawValue) -> Request<'a> {
        Request::new(caller, method, &Object::parse(params, "params", &["name", "arguments", "uri"]).unwrap())
    }

    fn backend(name: &str, url: &str) -> Backend {
        Backend { name: name.to_owned(), ..Backend::at(url) }
    }

    #[test]
    fn a_state_is_good_for_the_same_request_of_the_same_user_at_the_same_backend() {
        let (key, b) = (Sealer::random().unwrap(), backend("b", "http://b.example/mcp"));
        let call = raw(&json!({"name": "t", "arguments": {"a": 1, "b": [true, null]}}));
        let sealed = request(&Caller::named("alice"), "tools/call", &call).seal(&key, &b, "state").unwrap();
        let again = raw(&json!({"arguments": {"b": [true, null], "a": 1}, "name": "t", "requestState": "x"}));
        let open = |of: &Request<'_>, at: &Backend| of.open(&key, at, &sealed);
        assert_eq!(open(&request(&Caller::named("alice"), "tools/call", &again), &b).unwrap(), "state");
        for (user, method, params) in [
            ("bob", "tools/call", &call),
            ("alice", "prompts/get", &call),
            ("alice", "tools/call", &raw(&json!({"name": "u", "arguments": {"a": 1, "b": [true, null]}}))),
            ("alice", "tools/call", &raw(&json!({"name": "t", "arguments": {"a": 2, "b": [true, null]}}))),
            ("alice", "tools/call", &raw(&json!({"name": "t"}))),
        ] {
            let error = open(&request(&Caller::named(user), method, params), &b).unwrap_err();
            assert_eq!(error.code, code::INVALID_PARAMS, "{user} {method} {params}");
        }
        let alice = Caller::named("alice");
        let same = request(&alice, "tools/call", &call);
        assert!(open(&same, &backend("c", "http://b.example/mcp")).is_err());
        assert!(open(&same, &backend("b", "http://c.example/mcp")).is_err());
        assert!(same.open(&key, &b, "tampered").is_err());
    }

    #[test]
    fn what_cannot_be_decoded_counts_as_it_is_written() {
        let (key, b, alice) = (Sealer::random().unwrap(), backend("b", "http://b.example/mcp"), Caller::named("alice"));
        let text = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        for (one, other) in [
            (r#"{"name": "t", "arguments": {"a": 1e400}}"#, r#"{"name": "t", "arguments": {"a": 2e400}}"#),
            (r#"{"name": "\ud800"}"#, r#"{"name": "\ud801"}"#),
        ] {
            let (one, other) = (text(one), text(other));
            let sealed = request(&alice, "tools/call", &one).seal(&key, &b, "s").unwrap();
            assert_eq!(request(&alice, "tools/call", &one).open(&key, &b, &sealed).unwrap(), "s");
            assert!(request(&alice, "tools/call", &other).open(&key, &b, &sealed).is_err(), "{other}");
        }
    }

    #[test]
    fn no_arguments_are_the_same_however_they_are_written() {
        let (key, b) = (Sealer::random().unwrap(), backend("b", "http://b.example/mcp"));
        let call = raw(&json!({"name": "t"}));
        let sealed = request(&Caller::named("alice"), "tools/call", &call).seal(&key, &b, "s").unwrap();
        for params in [json!({"name": "t", "arguments": {}}), json!({"name": "t", "arguments": null})] {
            let params = raw(&params);
            assert_eq!(request(&Caller::named("alice"), "tools/call", &params).open(&key, &b, &sealed).unwrap(), "s");
        }
    }
}
