//! What the token endpoint answers (RFC 6749, 5.1, and RFC 8693, 2.2.1).

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::wire::{Outcome, json_response};

/// A token and what is said of it. Holds the token, so it has no `Debug`.
#[derive(Serialize)]
pub(super) struct TokenResponse {
    pub(super) access_token: String,
    pub(super) token_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<String>,
    /// Of token exchange alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issued_token_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id_token: Option<String>,
    /// How the world changes the answer (RFC 7396).
    #[serde(skip)]
    pub(super) merge: Value,
}

impl TokenResponse {
    /// A bearer token (RFC 6750) that lives for `seconds`.
    pub(super) fn bearer(token: String, seconds: u64, scopes: &[String]) -> Self {
        Self {
            access_token: token,
            token_type: "Bearer".to_owned(),
            expires_in: Some(seconds),
            scope: (!scopes.is_empty()).then(|| scopes.join(" ")),
            issued_token_type: None,
            refresh_token: None,
            id_token: None,
            merge: Value::Object(Map::new()),
        }
    }

    pub(super) fn into_outcome(self) -> Outcome {
        // Every part has a JSON form.
        let mut body = serde_json::to_value(&self).unwrap_or_default();
        json_patch::merge(&mut body, &self.merge);
        let mut response = json_response(StatusCode::OK, &body);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        Outcome::answered(response)
    }
}
