//! `requestState`: what the server must know again when a client comes back with the inputs that it was asked for.
//!
//! The server keeps nothing. The state travels through the client, who could change it or use it elsewhere: it is authenticated
//! (HMAC-SHA256) and holds for one request, one principal and a while (2026-07-28, multi round-trip requests).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::crypto::{sign, verify};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use thiserror::Error;

/// How long a client may take for its inputs: as long as a person who fills in a form.
const LIFETIME: Duration = Duration::from_mins(10);

/// What is remembered between two requests.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// How many steps are done.
    pub(super) done: usize,
    /// The answers of the rounds that are complete.
    pub(super) answers: Map<String, Value>,
    /// The answers of the round that is not.
    pub(super) pending: Map<String, Value>,
}

/// For whom and for what a state holds.
#[derive(Clone, Copy)]
pub(super) struct Binding<'a> {
    /// The subject of the access token.
    pub(super) principal: Option<&'a str>,
    pub(super) method: &'a str,
    pub(super) params: &'a Map<String, Value>,
}

/// Why a state does not hold.
#[derive(Debug, Error, PartialEq)]
pub(super) enum StateError {
    /// It is not one that the server gave.
    #[error("`requestState` is not one that the server gave, or was changed")]
    Forged,
    /// Its time is over.
    #[error("`requestState` has expired: begin again without it")]
    Expired,
    /// It was given to somebody else.
    #[error("`requestState` was given to another principal")]
    OtherPrincipal,
    /// It was given for something else.
    #[error("`requestState` was given for another request: method, name and arguments must stay the same")]
    OtherRequest,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    /// In seconds since 1970.
    expires: i64,
    principal: Option<String>,
    /// The method and the parameters, but for what the rounds themselves add.
    request: Value,
    progress: Progress,
}

/// The key with which one server seals.
pub(in crate::mcp) struct StateKey {
    sealing: EncodingKey,
    opening: DecodingKey,
}

impl StateKey {
    /// A new key.
    pub(in crate::mcp) fn new() -> Self {
        let secret: [u8; 32] = rand::random();
        Self { sealing: EncodingKey::from_secret(&secret), opening: DecodingKey::from_secret(&secret) }
    }

    /// The state as the client gets it.
    pub(super) fn seal(&self, progress: Progress, binding: &Binding<'_>, now: Timestamp) -> String {
        let sealed = Sealed {
            expires: now.as_second().saturating_add_unsigned(LIFETIME.as_secs()),
            principal: binding.principal.map(str::to_owned),
            request: binding.request(),
            progress,
        };
        let payload = URL_SAFE_NO_PAD.encode(json!(sealed).to_string());
        // Only another kind of key could make this fail; then nobody can open the state.
        let tag = sign(payload.as_bytes(), &self.sealing, Algorithm::HS256).unwrap_or_default();
        format!("{payload}.{tag}")
    }

    /// What a client gave back.
    pub(super) fn open(&self, text: &str, binding: &Binding<'_>, now: Timestamp) -> Result<Progress, StateError> {
        let (payload, tag) = text.split_once('.').ok_or(StateError::Forged)?;
        if !verify(tag, payload.as_bytes(), &self.opening, Algorithm::HS256).unwrap_or(false) {
            return Err(StateError::Forged);
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| StateError::Forged)?;
        let sealed: Sealed = serde_json::from_slice(&payload).map_err(|_| StateError::Forged)?;
        if sealed.expires <= now.as_second() {
            return Err(StateError::Expired);
        }
        if sealed.principal.as_deref() != binding.principal {
            return Err(StateError::OtherPrincipal);
        }
        if sealed.request != binding.request() {
            return Err(StateError::OtherRequest);
        }
        Ok(sealed.progress)
    }
}

impl Binding<'_> {
    fn request(&self) -> Value {
        let mut params = self.params.clone();
        params.retain(|name, _| !matches!(name.as_str(), "_meta" | "inputResponses" | "requestState"));
        json!({"method": self.method, "params": params})
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use jiff::ToSpan as _;

    use super::*;

    fn params(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_state_holds_for_its_request_its_principal_and_a_while() {
        let (key, now) = (StateKey::new(), Timestamp::UNIX_EPOCH);
        let asked = params(&json!({"name": "t", "arguments": {"a": 1}, "_meta": {"x": 1}}));
        let progress = Progress { done: 3, answers: params(&json!({"q": "r"})), pending: Map::new() };
        let alice = Binding { principal: Some("alice"), method: "tools/call", params: &asked };
        let state = key.seal(progress.clone(), &alice, now);

        let again = params(&json!({"name": "t", "arguments": {"a": 1}, "inputResponses": {}, "requestState": "s"}));
        let binding = Binding { params: &again, ..alice };
        assert_eq!(key.open(&state, &binding, now + 9.minutes()), Ok(progress));
        assert_eq!(key.open(&state, &binding, now + 10.minutes()), Err(StateError::Expired));
        let bob = Binding { principal: Some("bob"), ..binding };
        assert_eq!(key.open(&state, &bob, now), Err(StateError::OtherPrincipal));
        let prompt = Binding { method: "prompts/get", ..binding };
        assert_eq!(key.open(&state, &prompt, now), Err(StateError::OtherRequest));
        let other = params(&json!({"name": "t", "arguments": {"a": 2}}));
        assert_eq!(key.open(&state, &Binding { params: &other, ..binding }, now), Err(StateError::OtherRequest));
    }

    #[test]
    fn a_state_that_was_changed_or_made_by_others_does_not_hold() {
        let (key, now) = (StateKey::new(), Timestamp::UNIX_EPOCH);
        let params = Map::new();
        let binding = Binding { principal: None, method: "tools/call", params: &params };
        let state = key.seal(Progress::default(), &binding, now);
        let (payload, tag) = state.split_once('.').unwrap();
        let foreign = StateKey::new().seal(Progress::default(), &binding, now);
        let raised = URL_SAFE_NO_PAD.encode(
            String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap().replace("\"done\":0", "\"done\":1"),
        );
        for text in [
            String::new(),
            payload.to_owned(),
            format!("{payload}."),
            format!("{state}-changed"),
            format!("{raised}.{tag}"),
            foreign,
        ] {
            assert_eq!(key.open(&text, &binding, now), Err(StateError::Forged), "{text}");
        }
        assert!(key.open(&state, &binding, now).is_ok());
    }
}
