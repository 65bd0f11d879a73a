//! What was sent and answered, for people who look for the reason of a failure.

use parking_lot::Mutex;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::http::{HttpError, Response};

/// One request and its answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// When it was sent.
    pub at: jiff::Timestamp,
    /// `POST http://…`
    pub request: String,
    /// What was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// The status and body, or why there is none.
    pub answer: Value,
}

/// All exchanges of a scenario.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Arc<Mutex<Vec<Exchange>>>);

impl Transcript {
    /// Adds an exchange.
    pub fn add(&self, request: String, sent: Option<String>, answer: &Result<Response, HttpError>) {
        let answer = match answer {
            Ok(response) => response.to_json(),
            Err(error) => Value::String(error.to_string()),
        };
        let exchange = Exchange { at: jiff::Timestamp::now(), request, sent, answer };
        self.0.lock().push(exchange);
    }

    /// All exchanges so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.0.lock().clone()
    }
}
