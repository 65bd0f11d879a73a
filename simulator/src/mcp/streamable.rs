//! Streamable HTTP with sessions, revisions 2025-03-26 to 2025-11-25: POST, GET and DELETE on one endpoint.

use std::sync::Arc;

use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::access::refuse;
use super::jsonrpc::{INVALID_REQUEST, Message, MethodError, PARSE_ERROR, TRANSPORT_ERROR, response};
use super::methods::call;
use super::server::McpServer;
use super::sessions::Session;
use crate::wire::{
    Body, Outcome, Received, empty_response, event_stream, json_response, method_not_allowed, server_sent_event,
};
use crate::world::{ProtocolVersion, Replies, Server};

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";
const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream";

/// Either a value or the refusal to send instead.
pub(super) type Checked<T> = Result<T, Box<Outcome>>;

impl McpServer {
    pub(super) fn answer_streamable(&self, server: &Server, received: &Received) -> Outcome {
        let answered = match received.method {
            Method::POST => self.post(server, received),
            Method::GET => self.get(server, received),
            Method::DELETE => self.delete(server, received),
            _ => {
                return method_not_allowed("GET, POST, DELETE", "an MCP endpoint takes GET, POST and DELETE");
            }
        };
        answered.unwrap_or_else(|refusal| *refusal)
    }

    fn post(&self, server: &Server, received: &Received) -> Checked<Outcome> {
        let subject = self.admit(server, received)?;
        let body = posted_json(received)?;
        if let Value::Array(batch) = &body {
            let session = self.session(server, received, subject.as_deref())?;
            return self::batch(server, received, &session, batch);
        }
        let message = Message::read(&body).map_err(bad_message)?;
        match message {
            Message::Request { id, method, params } if method == "initialize" => {
                if received.headers.contains_key(SESSION) {
                    return Err(bad_message("`initialize` begins a session and must not name one"));
                }
                Ok(self.begin(server, received, subject, &id, &params))
            }
            Message::Request { id, method, params } => {
                let session = self.session(server, received, subject.as_deref())?;
                let reply = call(server, &session, &id, &method, &params);
                let mut outcome = answer(server, received, response(&id, &reply));
                outcome.verdict = refusal(&reply);
                Ok(outcome)
            }
            Message::Notification { method } => {
                let session = self.session(server, received, subject.as_deref())?;
                session.notified(&method);
                Ok(Outcome::answered(empty_response(StatusCode::ACCEPTED)))
            }
            Message::Response => {
                self.session(server, received, subject.as_deref())?;
                Ok(Outcome::answered(empty_response(StatusCode::ACCEPTED)))
            }
        }
    }

    /// Begins a session; a handshake that fails leaves none.
    fn begin(
        &self,
        server: &Server,
        received: &Received,
        subject: Option<String>,
        id: &Value,
        params: &Map<String, Value>,
    ) -> Outcome {
        let session = self.sessions.begin(subject);
        let reply = call(server, &session, id, "initialize", params);
        if let Some(verdict) = refusal(&reply) {
            self.sessions.end(&session.id);
            return Outcome::refused(json_response(StatusCode::OK, &response(id, &reply)), verdict);
        }
        let mut outcome = answer(server, received, response(id, &reply)).in_session(&session.id);
        if let (Some(response), Ok(value)) = (&mut outcome.response, HeaderValue::from_str(&session.id)) {
            response.headers_mut().insert(SESSION, value);
        }
        outcome
    }

    fn get(&self, server: &Server, received: &Received) -> Checked<Outcome> {
        let subject = self.admit(server, received)?;
        if !received.accepts(EVENT_STREAM) {
            return Err(Box::new(refuse(
                StatusCode::NOT_ACCEPTABLE,
                TRANSPORT_ERROR,
                "Accept must list text/event-stream",
            )));
        }
        if !received.headers.contains_key(SESSION) && !received.headers.contains_key(VERSION) {
            // A client of the legacy SSE transport looks like this: there is no such stream here.
            let verdict = "this server speaks Streamable HTTP: GET opens a stream of a session and there is none";
            return Err(Box::new(method_not_allowed("POST, DELETE", verdict)));
        }
        let session = self.session(server, received, subject.as_deref())?;
        Ok(Outcome::answered(event_stream(session.open_stream(), ())))
    }

    fn delete(&self, server: &Server, received: &Received) -> Checked<Outcome> {
        let subject = self.admit(server, received)?;
        let session = self.session(server, received, subject.as_deref())?;
        self.sessions.end(&session.id);
        Ok(Outcome::answered(empty_response(StatusCode::OK)))
    }

    /// The session that the request names, if the request may use it and speaks its revision.
    fn session(&self, server: &Server, received: &Received, subject: Option<&str>) -> Checked<Arc<Session>> {
        let stated = self::stated_version(server, received)?;
        let Some(id) = received.header(SESSION) else {
            let reason = "the request names no session: Mcp-Session-Id is required after `initialize`";
            return Err(Box::new(refuse(StatusCode::BAD_REQUEST, TRANSPORT_ERROR, reason)));
        };
        let Some(session) = self.sessions.find(id) else {
            return Err(Box::new(refuse(
                StatusCode::NOT_FOUND,
                TRANSPORT_ERROR,
                "the session does not exist or has ended",
            )));
        };
        if session.belongs_to_another(subject) {
            return Err(Box::new(refuse(
                StatusCode::FORBIDDEN,
                TRANSPORT_ERROR,
                "the session began with the token of another subject",
            )));
        }
        let agreed = session.version().unwrap_or(ProtocolVersion::V20250326);
        match stated {
            Some(stated) if stated != agreed => {
                let reason = format!(
                    "MCP-Protocol-Version is {}, but the session agreed on {}",
                    stated.as_str(),
                    agreed.as_str()
                );
                Err(Box::new(refuse(StatusCode::BAD_REQUEST, INVALID_REQUEST, reason)))
            }
            None if agreed >= ProtocolVersion::V20250618 => {
                let reason = format!(
                    "MCP-Protocol-Version is missing: revision {} requires it after `initialize`",
                    agreed.as_str()
                );
                Err(Box::new(refuse(StatusCode::BAD_REQUEST, INVALID_REQUEST, reason)))
            }
            _ => Ok(session),
        }
    }
}

/// The body of a POST that says it is JSON and takes both forms of answers.
pub(super) fn posted_json(received: &Received) -> Checked<Value> {
    if received.media_type().as_deref() != Some(JSON) {
        return Err(Box::new(refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            TRANSPORT_ERROR,
            "Content-Type must be application/json",
        )));
    }
    if !received.accepts(JSON) || !received.accepts(EVENT_STREAM) {
        let reason = "Accept must list both application/json and text/event-stream";
        return Err(Box::new(refuse(StatusCode::NOT_ACCEPTABLE, TRANSPORT_ERROR, reason)));
    }
    serde_json::from_slice(&received.body).map_err(|error| {
        Box::new(refuse(StatusCode::BAD_REQUEST, PARSE_ERROR, format!("the body is not JSON: {error}")))
    })
}

/// The revision in the request's header, if it has one that the server supports.
fn stated_version(server: &Server, received: &Received) -> Checked<Option<ProtocolVersion>> {
    if !received.headers.contains_key(VERSION) {
        return Ok(None);
    }
    let text = received.header(VERSION).unwrap_or_default();
    let supported = server.legacy_versions();
    if let Some(version) = ProtocolVersion::parse(text).filter(|version| supported.contains(version)) {
        return Ok(Some(version));
    }
    let known: Vec<&str> = supported.iter().map(|version| version.as_str()).collect();
    let reason = format!("MCP-Protocol-Version `{text}` is not supported: expected one of {}", known.join(", "));
    Err(Box::new(refuse(StatusCode::BAD_REQUEST, TRANSPORT_ERROR, reason)))
}

/// Batches existed in 2025-03-26 alone.
fn batch(server: &Server, received: &Received, session: &Session, batch: &[Value]) -> Checked<Outcome> {
    if session.version() != Some(ProtocolVersion::V20250326) {
        let reason = "the body is a batch, which the session's revision does not have";
        return Err(Box::new(refuse(StatusCode::BAD_REQUEST, INVALID_REQUEST, reason)));
    }
    if batch.is_empty() {
        return Err(bad_message("the batch is empty"));
    }
    let messages = batch.iter().map(Message::read).collect::<Result<Vec<_>, _>>().map_err(bad_message)?;
    let responses: Vec<Value> = messages
        .iter()
        .filter_map(|message| match message {
            Message::Request { id, method, params } => Some(response(id, &call(server, session, id, method, params))),
            Message::Notification { method } => {
                session.notified(method);
                None
            }
            Message::Response => None,
        })
        .collect();
    if responses.is_empty() {
        return Ok(Outcome::answered(empty_response(StatusCode::ACCEPTED)));
    }
    Ok(answer(server, received, json!(responses)))
}

fn bad_message(reason: &'static str) -> Box<Outcome> {
    Box::new(refuse(StatusCode::BAD_REQUEST, INVALID_REQUEST, reason))
}

/// The verdict on a request that is answered with a JSON-RPC error; one that the world scripted is an answer like another.
pub(super) fn refusal(reply: &Result<Value, MethodError>) -> Option<String> {
    reply
        .as_ref()
        .err()
        .filter(|error| !error.scripted)
        .map(|error| format!("JSON-RPC error {}: {}", error.code, error.message))
}

/// What carries `message`, as the faults that act on the request leave it. Only a stream carries other than one message.
pub(super) fn answer(server: &Server, received: &Received, message: Value) -> Outcome {
    let messages = received.edits.messages(message);
    Outcome::answered(match (server.replies, messages.as_slice()) {
        (Replies::Json, [message]) => json_response(StatusCode::OK, message),
        _ => stream_of(&messages),
    })
}

/// A stream that ends after its messages.
fn stream_of(messages: &[Value]) -> Response<Body> {
    let (sender, receiver) = mpsc::channel(messages.len().max(1));
    for message in messages {
        // The channel is new and has room for all.
        let _sent = sender.try_send(server_sent_event("message", &message.to_string()));
    }
    event_stream(receiver, ())
}
