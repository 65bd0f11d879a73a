//! A session: initialize, requests, and its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::http::{Extent, Http, HttpError, Response, Route, answers, message};
use super::http_sse::Channel;
use super::transcript::Transcript;

/// How the client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Streamable HTTP.
    #[default]
    StreamableHttp,
    /// HTTP+SSE, of revision 2024-11-05.
    Sse,
}

impl Transport {
    /// The revision that the client asks for.
    pub fn revision(self) -> &'static str {
        match self {
            Self::StreamableHttp => "2025-11-25",
            Self::Sse => "2024-11-05",
        }
    }

    /// Where servers are expected whose URL has no path.
    pub fn path(self) -> &'static str {
        match self {
            Self::StreamableHttp => "/mcp",
            Self::Sse => "/sse",
        }
    }
}

/// A session with one MCP server.
#[derive(Clone, Debug)]
pub struct Session {
    http: Http,
    transport: Transport,
    route: Route,
    /// The stream of HTTP+SSE, once it is open.
    channel: Option<Channel>,
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
        let answer = |id| response.events.iter().map(message).find(|message| answers(message, id));
        let message = id.and_then(answer).unwrap_or(body);
        Self {
            response,
            result: message.get("result").cloned().unwrap_or(Value::Null),
            error: message.get("error").cloned().unwrap_or(Value::Null),
        }
    }
}

impl Session {
    /// A session that is not open yet. `headers` go with every request.
    pub fn new(
        http: Http,
        transport: Transport,
        route: Route,
        headers: BTreeMap<String, String>,
        transcript: Transcript,
    ) -> Self {
        Self { http, transport, route, channel: None, headers, transcript, next_id: Arc::new(AtomicU64::new(1)) }
    }

    /// Sends initialize and, when it was accepted, the notification that follows it.
    pub async fn open(&mut self, protocol: &str, timeout: Duration) -> Result<Reply, HttpError> {
        if self.transport == Transport::Sse {
            match Channel::open(&self.http, &self.route, &self.headers, timeout).await? {
                Ok(channel) => self.channel = Some(channel),
                Err(refusal) => {
                    self.transcript.add(format!("GET {}", self.route.url), None, &Ok(refusal.clone()));
                    return Ok(Reply::read(refusal, None));
                }
            }
        }
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
        if self.transport == Transport::StreamableHttp {
            let version = reply.result["protocolVersion"].as_str().unwrap_or(protocol);
            self.headers.insert("mcp-protocol-version".to_owned(), version.to_owned());
        }
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

    /// Ends the session; over HTTP+SSE, where it ends with its stream, there is no answer.
    pub async fn close(&self, timeout: Duration) -> Result<Option<Response>, HttpError> {
        if let Some(channel) = &self.channel {
            channel.close();
            return Ok(None);
        }
        let answer = self.http.send(&self.route, "DELETE", &self.headers, None, Extent::Whole, timeout).await;
        self.transcript.add(format!("DELETE {}", self.route.url), None, &answer);
        answer.map(Some)
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
        let route = self.channel.as_ref().map_or(&self.route, |channel| &channel.endpoint);
        let extent = id.map_or(Extent::Whole, Extent::Answer);
        let answering = async {
            let mut answer = self.http.send(route, "POST", &headers, Some(sent.clone()), extent, timeout).await?;
            if let (Some(channel), Some(id), true) = (&self.channel, id, answer.is_success()) {
                answer.events.push(channel.answer(id, timeout).await?);
            }
            Ok(answer)
        };
        let answer = answering.await;
        self.transcript.add(format!("POST {}", route.url), Some(sent.clone()), &answer);
        answer
    }
}
