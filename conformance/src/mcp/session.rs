//! A session: its opening, requests, and its end. In revision 2026-07-28, which has none, a client that goes on speaking to one
//! server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::http::{Extent, Http, HttpError, Response, Route, answers, message};
use super::http_sse::Channel;
use super::stateless::{STATELESS_REVISION, Stateless};
use super::subscription::Subscription;
use super::transcript::Transcript;

/// Headers that one message has in place of those that it would have; without a value, a header is left out.
pub type Overrides = BTreeMap<String, Option<String>>;

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
    wire: Wire,
    route: Route,
    headers: BTreeMap<String, String>,
    transcript: Transcript,
    next_id: Arc<AtomicU64>,
}

/// What a session is on the wire.
#[derive(Clone, Debug)]
enum Wire {
    /// Streamable HTTP with a session.
    Streamable,
    /// HTTP+SSE, with the session's stream.
    Sse(Box<Channel>),
    /// Streamable HTTP without a session.
    Stateless(Stateless),
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
    pub(super) fn read(response: Response, id: Option<&Value>) -> Self {
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
    pub fn new(http: Http, route: Route, headers: BTreeMap<String, String>, transcript: Transcript) -> Self {
        Self { http, wire: Wire::Streamable, route, headers, transcript, next_id: Arc::new(AtomicU64::new(1)) }
    }

    /// Opens it in a revision: with `initialize` and, when that was accepted, the notification that follows it; in revision
    /// 2026-07-28 by asking with `server/discover`.
    pub async fn open(
        &mut self,
        transport: Transport,
        revision: &str,
        capabilities: &Map<String, Value>,
        timeout: Duration,
    ) -> Result<Reply, HttpError> {
        match transport {
            Transport::StreamableHttp if revision == STATELESS_REVISION => {
                self.wire = Wire::Stateless(Stateless::new(capabilities.clone()));
                return self.request("server/discover", None, timeout).await;
            }
            Transport::StreamableHttp => {}
            Transport::Sse => match Channel::open(&self.http, &self.route, &self.headers, timeout).await? {
                Ok(channel) => self.wire = Wire::Sse(Box::new(channel)),
                Err(refusal) => {
                    self.transcript.add(format!("GET {}", self.route.url), None, &Ok(refusal.clone()));
                    return Ok(Reply::read(refusal, None));
                }
            },
        }
        let params = json!({
            "protocolVersion": revision,
            "capabilities": capabilities,
            "clientInfo": {"name": "conformance", "version": env!("CARGO_PKG_VERSION")},
        });
        let reply = self.request("initialize", Some(params), timeout).await?;
        if !reply.response.is_success() || !reply.error.is_null() || reply.result.is_null() {
            return Ok(reply);
        }
        if let Some(session) = reply.response.headers.get("mcp-session-id") {
            self.headers.insert("mcp-session-id".to_owned(), session.clone());
        }
        if transport == Transport::StreamableHttp {
            let version = reply.result["protocolVersion"].as_str().unwrap_or(revision);
            self.headers.insert("mcp-protocol-version".to_owned(), version.to_owned());
        }
        self.message(envelope("notifications/initialized", None), true, &Overrides::new(), timeout).await?;
        Ok(reply)
    }

    /// Sends a request and waits for its answer.
    pub async fn request(&self, method: &str, params: Option<Value>, timeout: Duration) -> Result<Reply, HttpError> {
        self.message(envelope(method, params), false, &Overrides::new(), timeout).await
    }

    /// Sends a message as it is given; `jsonrpc` and `id` are added where they lack and, in revision 2026-07-28, what a
    /// request says about itself.
    pub async fn message(
        &self,
        message: Map<String, Value>,
        notification: bool,
        overrides: &Overrides,
        timeout: Duration,
    ) -> Result<Reply, HttpError> {
        let message = self.complete(message, notification);
        let id = message.get("id").cloned();
        let headers = self.headers_of(&message, overrides);
        let response = self.post(&Value::Object(message), id.as_ref(), &headers, timeout).await?;
        Ok(Reply::read(response, id.as_ref()))
    }

    /// Subscribes to what the filter lets through; a refusal is returned. Only revision 2026-07-28 has subscriptions.
    pub async fn listen(&self, filter: &Value, timeout: Duration) -> Result<Result<Subscription, Reply>, HttpError> {
        let params = json!({"notifications": filter});
        let message = self.complete(envelope("subscriptions/listen", Some(params)), false);
        let headers = self.headers_of(&message, &Overrides::new());
        let id = message["id"].clone();
        let sent = Value::Object(message).to_string();
        let opened = Subscription::open(&self.http, &self.route, &headers, (&id, &sent), timeout).await;
        let answer = match &opened {
            Ok(Ok(subscription)) => {
                Ok(Response { status: 200, body: subscription.acknowledged().to_string(), ..Response::default() })
            }
            Ok(Err(refusal)) => Ok(refusal.response.clone()),
            Err(error) => Err(error.clone()),
        };
        self.transcript.add(format!("POST {}", self.route.url), Some(sent), &answer);
        opened
    }

    /// Remembers what a client of revision 2026-07-28 must know of listed tools to call them.
    pub fn learn(&self, tools: &[Value]) {
        if let Wire::Stateless(client) = &self.wire {
            client.learn(tools);
        }
    }

    /// Ends the session; over HTTP+SSE, where it ends with its stream, and where there is none, there is no answer.
    pub async fn close(&self, timeout: Duration) -> Result<Option<Response>, HttpError> {
        match &self.wire {
            Wire::Sse(channel) => channel.close(),
            Wire::Stateless(_) => {}
            Wire::Streamable => {
                let answer = self.http.send(&self.route, "DELETE", &self.headers, None, Extent::Whole, timeout).await;
                self.transcript.add(format!("DELETE {}", self.route.url), None, &answer);
                return answer.map(Some);
            }
        }
        Ok(None)
    }

    /// The headers that go with every request of the session.
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.headers
    }

    /// A message with what it may lack.
    fn complete(&self, mut message: Map<String, Value>, notification: bool) -> Map<String, Value> {
        message.entry("jsonrpc").or_insert_with(|| "2.0".into());
        if !notification {
            let next = || self.next_id.fetch_add(1, Ordering::Relaxed).into();
            message.entry("id").or_insert_with(next);
            if let Wire::Stateless(client) = &self.wire {
                client.complete(&mut message);
            }
        }
        message
    }

    fn headers_of(&self, message: &Map<String, Value>, overrides: &Overrides) -> BTreeMap<String, String> {
        let mut headers = self.headers.clone();
        headers.insert("content-type".to_owned(), "application/json".to_owned());
        headers.insert("accept".to_owned(), "application/json, text/event-stream".to_owned());
        if let Wire::Stateless(client) = &self.wire {
            headers.extend(client.headers(message));
        }
        for (name, value) in overrides {
            match value {
                Some(value) => headers.insert(name.to_lowercase(), value.clone()),
                None => headers.remove(&name.to_lowercase()),
            };
        }
        headers
    }

    async fn post(
        &self,
        message: &Value,
        id: Option<&Value>,
        headers: &BTreeMap<String, String>,
        timeout: Duration,
    ) -> Result<Response, HttpError> {
        let sent = message.to_string();
        let channel = match &self.wire {
            Wire::Sse(channel) => Some(channel),
            Wire::Streamable | Wire::Stateless(_) => None,
        };
        let route = channel.map_or(&self.route, |channel| &channel.endpoint);
        let extent = id.map_or(Extent::Whole, Extent::Answer);
        let answering = async {
            let mut answer = self.http.send(route, "POST", headers, Some(sent.clone()), extent, timeout).await?;
            if let (Some(channel), Some(id), true) = (channel, id, answer.is_success()) {
                answer.events.push(channel.answer(id, timeout).await?);
            }
            Ok(answer)
        };
        let answer = answering.await;
        self.transcript.add(format!("POST {}", route.url), Some(sent.clone()), &answer);
        answer
    }
}

fn envelope(method: &str, params: Option<Value>) -> Map<String, Value> {
    let mut message = Map::new();
    message.insert("method".to_owned(), method.into());
    if let Some(params) = params {
        message.insert("params".to_owned(), params);
    }
    message
}
