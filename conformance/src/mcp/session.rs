//! A session: initialize, requests, and the end with DELETE.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::http::{Http, HttpError, Response, Route};
use super::transcript::Transcript;

/// The revision that the client asks for.
pub(crate) const PROTOCOL: &str = "2025-11-25";

/// A session with one MCP server.
#[derive(Clone, Debug)]
pub struct Session {
    http: Http,
    route: Route,
    headers: BTreeMap<String, String>,
    transcript: Transcript,
    next_id: Arc<AtomicU64>,
}

/// The answer to a message.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP answer.
    pub response: Response,
    /// The JSON-RPC result; null when there is none.
    pub result: Value,
    /// The JSON-RPC error; null when there is none.
    pub error: Value,
}

impl Reply {
    fn read(response: Response, id: Option<&Value>) -> Self {
        let body = response.json();
        let message = response
            .events
            .iter()
            .find(|message| id.is_some() && message.get("id") == id && message.get("method").is_none())
            .unwrap_or(&body)
            .clone();
        Self {
            response,
            result: message.get("result").cloned().unwrap_or(Value::Null),
            error: message.get("error").cloned().unwrap_or(Value::Null),
        }
    }
}

impl Session {
    /// A session that is not open yet. `headers` go with every request.
    pub fn new(http: Http, route: Route, headers: BTreeMap<String, String>, transcript: Transcript) -> Self {
        Self { http, route, headers, transcript, next_id: Arc::new(AtomicU64::new(1)) }
    }

    /// Sends initialize and, when it was accepted, the notification that follows it.
    pub async fn open(&mut self, protocol: &str, timeout: Duration) -> Result<Reply, HttpError> {
        let params = json!({
            "protocolVersion": protocol,
            "capabilities": {},
            "clientInfo": {"name": "conformance", "version": env!("CARGO_PKG_VERSION")},
        });
        let reply = self.request("initialize", Some(params), timeout).await?;
        if !reply.response.is_success() || !reply.error.is_null() || reply.result.is_null() {
            return Ok(reply);
        }
        if let Some(session) = reply.response.headers.get("mcp-session-id") {
            self.headers.insert("mcp-session-id".to_owned(), session.clone());
        }
        let version = reply.result["protocolVersion"].as_str().unwrap_or(protocol);
        self.headers.insert("mcp-protocol-version".to_owned(), version.to_owned());
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.post(&initialized, None, timeout).await?;
        Ok(reply)
    }

    /// Sends a request and waits for its answer.
    pub async fn request(&self, method: &str, params: Option<Value>, timeout: Duration) -> Result<Reply, HttpError> {
        let mut message = Map::new();
        message.insert("method".to_owned(), method.into());
        if let Some(params) = params {
            message.insert("params".to_owned(), params);
        }
        self.message(message, false, timeout).await
    }

    /// Sends a message as it is given; `jsonrpc` and `id` are added where they lack.
    pub async fn message(
        &self,
        mut message: Map<String, Value>,
        notification: bool,
        timeout: Duration,
    ) -> Result<Reply, HttpError> {
        message.entry("jsonrpc").or_insert_with(|| "2.0".into());
        if !notification {
            let next = || self.next_id.fetch_add(1, Ordering::Relaxed).into();
            message.entry("id").or_insert_with(next);
        }
        let id = message.get("id").cloned();
        let response = self.post(&Value::Object(message), id.as_ref(), timeout).await?;
        Ok(Reply::read(response, id.as_ref()))
    }

    /// Ends the session.
    pub async fn close(&self, timeout: Duration) -> Result<Response, HttpError> {
        let answer = self.http.send(&self.route, "DELETE", &self.headers, None, None, timeout).await;
        self.transcript.add(format!("DELETE {}", self.route.url), None, &answer);
        answer
    }

    /// The headers that go with every request of the session.
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.headers
    }

    async fn post(&self, message: &Value, id: Option<&Value>, timeout: Duration) -> Result<Response, HttpError> {
        let mut headers = self.headers.clone();
        headers.insert("content-type".to_owned(), "application/json".to_owned());
        headers.insert("accept".to_owned(), "application/json, text/event-stream".to_owned());
        let sent = message.to_string();
        let answer = self.http.send(&self.route, "POST", &headers, Some(sent.clone()), id, timeout).await;
        self.transcript.add(format!("POST {}", self.route.url), Some(sent), &answer);
        answer
    }
}
