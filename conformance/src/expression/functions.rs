//! The functions that scenarios have beside those of CEL and Kubernetes.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kube_cel::cel::extractors::This;
use kube_cel::cel::{Context, ExecutionError, Value as Cel};

use super::value::{to_cel, to_json};

/// Registers them.
pub(super) fn register(context: &mut Context<'_>) {
    context.add_function("condition", condition);
    context.add_function("base64", base64);
    context.add_function("unbase64", unbase64);
    context.add_function("json", json);
    context.add_function("toJson", to_json_text);
    context.add_function("jwt", jwt);
}

/// `object.condition('Valid')`: the condition of that type.
#[allow(clippy::needless_pass_by_value)] // CEL passes arguments by value.
fn condition(This(object): This<Cel>, kind: Arc<String>) -> Result<Cel, ExecutionError> {
    let missing = || ExecutionError::no_such_key(&format!("condition {kind}"));
    let object = to_json(&object).ok_or_else(missing)?;
    object
        .pointer("/status/conditions")
        .and_then(serde_json::Value::as_array)
        .and_then(|conditions| conditions.iter().find(|condition| condition["type"] == kind.as_str()))
        .map(to_cel)
        .ok_or_else(missing)
}

/// `base64('text')`.
fn base64(This(text): This<Arc<String>>) -> String {
    STANDARD.encode(text.as_bytes())
}

/// `unbase64('dGV4dA==')`.
fn unbase64(This(text): This<Arc<String>>) -> Result<Cel, ExecutionError> {
    STANDARD
        .decode(text.as_bytes())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(|text| Cel::String(Arc::new(text)))
        .ok_or_else(|| ExecutionError::function_error("unbase64", "not a text in base64"))
}

/// `json('{"a": 1}')`.
fn json(This(text): This<Arc<String>>) -> Result<Cel, ExecutionError> {
    serde_json::from_str(&text)
        .map(|value| to_cel(&value))
        .map_err(|error| ExecutionError::function_error("json", error))
}

/// `toJson(value)`: the value as JSON text, for looking through all of it.
fn to_json_text(This(value): This<Cel>) -> Result<Cel, ExecutionError> {
    to_json(&value)
        .map(|value| Cel::String(Arc::new(value.to_string())))
        .ok_or_else(|| ExecutionError::function_error("toJson", "not a JSON value"))
}

/// `jwt(token)`: the claims, not verified.
fn jwt(This(token): This<Arc<String>>) -> Result<Cel, ExecutionError> {
    token
        .split('.')
        .nth(1)
        .and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .map(|claims| to_cel(&claims))
        .ok_or_else(|| ExecutionError::function_error("jwt", "not a token with claims"))
}
