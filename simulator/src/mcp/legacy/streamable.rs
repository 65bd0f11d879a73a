//! Streamable HTTP with sessions, revisions 2025-03-26 to 2025-11-25: POST, GET and DELETE on one endpoint.

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::call::{Call, conduct};
use super::methods::{self, Answered};
use super::replay::EventId;
use super::session::Session;
use crate::mcp::access::refuse;
use crate::mcp::content::Caller;
use crate::mcp::exchange::{self, Checked, EVENT_STREAM, posted_json, refusal};
use crate::mcp::jsonrpc::{INVALID_REQUEST, Message, TRANSPORT_ERROR, response};
use crate::mcp::quirks::{Batches, Quirks};
use crate::mcp::server::McpServer;
use crate::wire::{Outcome, Received, empty_response, event_stream, json_response, method_not_allowed};
use crate::world::{ProtocolVersion, Replies, Server};

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";
const LAST_EVENT: &str = "last-event-id";

impl McpServer {
    pub(in crate::mcp) fn answer_streamable(self: &Arc<Self>, server: &Arc<Server>, received: &Received) -> Outcome {
        let answered = match received.method {
            Method::POST => self.post(server, received),
            Method::GET | Method::DELETE if !server.keeps_sessions() => {
                return method_not_allowed("POST", "this server keeps no sessions: an MCP endpoint takes POST alone");
            }
            Method::GET => self.get(server, received),
            Method::DELETE => self.delete(server, received),
            _ => {
                return method_not_allowed("GET, POST, DELETE", "an MCP endpoint takes GET, POST and DELETE");
            }
        };
        answered.unwrap_or_else(|refusal| *refusal)
    }

    fn post(self: &Arc<Self>, server: &Arc<Server>, received: &Received) -> Checked<Outcome> {
        let subject = self.admit(server, received)?;
        let body = posted_json(server, received)?;
        if let Value::Array(batch) = &body {
            let session = self.session(server, received, subject.as_deref())?;
            return self.batch(server, received, &session, subject.as_deref(), batch);
        }
        let message = Message::read(&body).map_err(bad_message)?;
        if let Message::Request { id, method, params } = &message
            && method == "initialize"
        {
            if received.headers.contains_key(SESSION) {
                return Err(bad_message("`initialize` begins a session and must not name one"));
            }
            return Ok(self.begin(server, received, subject, id, params));
        }
        let session = self.session(server, received, subject.as_deref())?;
        Ok(match message {
            Message::Request { id, method, params } => {
                let caller = || caller(received, subject);
                match methods::answer(server, &session, &id, &method, &params, caller) {
                    Answered::Now(reply) => {
                        let mut outcome = answer(server, &session, received, response(&id, &reply));
                        outcome.verdict = refusal(&reply);
                        outcome
                    }
                    Answered::Later(call) => self.stream(&session, received, &[], vec![*call]),
                }
            }
            Message::Notification { method, params } => {
                session.notified(&method, &params);
                Outcome::answered(empty_response(StatusCode::ACCEPTED))
            }
            Message::Response { id, outcome } => {
                session.answered(id.as_ref(), outcome);
                Outcome::answered(empty_response(StatusCode::ACCEPTED))
            }
        })
    }

    /// Begins a session; a handshake that fails leaves none.
    fn begin(
        &self,
        server: &Arc<Server>,
        received: &Received,
        subject: Option<String>,
        id: &Value,
        params: &Map<String, Value>,
    ) -> Outcome {
        let session = if server.keeps_sessions() {
            self.sessions.begin(subject, server.resumable)
        } else {
            Arc::new(Session::new(subject, false))
        };
        let reply = methods::handshake(server, &session, id, params);
        if let Some(verdict) = refusal(&reply) {
            self.sessions.end(&session.id);
            return Outcome::refused(json_response(StatusCode::OK, &response(id, &reply)), verdict);
        }
        let outcome = answer(server, &session, received, response(id, &reply));
        if !server.keeps_sessions() {
            return outcome;
        }
        let mut outcome = outcome.in_session(&session.id);
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
        let events = match received.header(LAST_EVENT) {
            None => session.open_stream(),
            Some(last) => EventId::parse(last).and_then(|last| session.resume(last)).ok_or_else(|| {
                bad_message("Last-Event-ID is not one that the session gave, or its stream can be resumed no more")
            })?,
        };
        Ok(Outcome::answered(event_stream(events, ())))
    }

    fn delete(&self, server: &Server, received: &Received) -> Checked<Outcome> {
        let subject = self.admit(server, received)?;
        let session = self.session(server, received, subject.as_deref())?;
        self.sessions.end(&session.id);
        Ok(Outcome::answered(empty_response(Quirks::of(server).deleted)))
    }

    /// The session that the request names, if the request may use it and speaks its revision.
    fn session(&self, server: &Server, received: &Received, subject: Option<&str>) -> Checked<Arc<Session>> {
        let stated = stated_version(server, received)?;
        if !server.keeps_sessions() {
            // Who states none speaks the revision before the header existed (2025-06-18, transports).
            let version = stated.unwrap_or(ProtocolVersion::V20250326);
            return Ok(Arc::new(Session::passing(subject.map(str::to_owned), version)));
        }
        let Some(id) = received.header(SESSION) else {
            let reason = "the request names no session: Mcp-Session-Id is required after `initialize`";
            return Err(Quirks::of(server).missing_session.because(reason));
        };
        let Some(session) = self.sessions.find(id) else {
            return Err(Quirks::of(server).unknown_session.because("the session does not exist or has ended"));
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

    /// Answers a batch. They existed in 2025-03-26 alone.
    fn batch(
        self: &Arc<Self>,
        server: &Arc<Server>,
        received: &Received,
        session: &Arc<Session>,
        subject: Option<&str>,
        batch: &[Value],
    ) -> Checked<Outcome> {
        match Quirks::of(server).batches {
            Batches::Always => {}
            Batches::Never(refused) => return Err(refused.because("the body is a batch")),
            Batches::OfTheirRevision if session.version() == Some(ProtocolVersion::V20250326) => {}
            Batches::OfTheirRevision => {
                return Err(bad_message("the body is a batch, which the session's revision does not have"));
            }
        }
        if batch.is_empty() {
            return Err(bad_message("the batch is empty"));
        }
        let messages = batch.iter().map(Message::read).collect::<Result<Vec<_>, _>>().map_err(bad_message)?;
        let (mut responses, mut calls) = (Vec::new(), Vec::new());
        for message in messages {
            match message {
                Message::Request { id, method, params } => {
                    let caller = || caller(received, subject.map(str::to_owned));
                    match methods::answer(server, session, &id, &method, &params, caller) {
                        Answered::Now(reply) => responses.push(response(&id, &reply)),
                        Answered::Later(call) => calls.push(*call),
                    }
                }
                Message::Notification { method, params } => session.notified(&method, &params),
                Message::Response { id, outcome } => session.answered(id.as_ref(), outcome),
            }
        }
        Ok(match (responses.is_empty(), calls.is_empty()) {
            (true, true) => Outcome::answered(empty_response(StatusCode::ACCEPTED)),
            (false, true) => answer(server, session, received, json!(responses)),
            // Each response is an event of its own: those without steps need not wait for the others.
            (_, false) => self.stream(session, received, &responses, calls),
        })
    }

    /// A stream with these responses, and with what the calls send until the last of them is answered.
    fn stream(
        self: &Arc<Self>,
        session: &Arc<Session>,
        received: &Received,
        responses: &[Value],
        calls: Vec<Call>,
    ) -> Outcome {
        let messages = responses.len() + calls.iter().map(Call::most_messages).sum::<usize>();
        let (outlet, events) = session.open_own_stream(messages.saturating_mul(received.edits.copies()));
        for message in responses.iter().flat_map(|response| received.edits.messages(response.clone())) {
            session.send(outlet, &message);
        }
        let failures = conduct(self, session, outlet, calls, received.edits.clone());
        // Without a session nobody can come back for the answer.
        let guard = session.is_passing.then(|| session.end.clone().drop_guard());
        let mut outcome = Outcome::answered(event_stream(events, guard));
        outcome.failures = Some(failures);
        outcome
    }
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
    Err(Quirks::of(server).wrong_version.because(reason))
}

fn bad_message(reason: &'static str) -> Box<Outcome> {
    Box::new(refuse(StatusCode::BAD_REQUEST, INVALID_REQUEST, reason))
}

/// What carries `message`, as the faults that act on the request leave it; a stream can be resumed where the session says so.
fn answer(server: &Server, session: &Session, received: &Received, message: Value) -> Outcome {
    if !server.resumable {
        return exchange::answer(server, received, message);
    }
    let messages = received.edits.messages(message);
    if let (Replies::Json, [message]) = (server.replies, messages.as_slice()) {
        return Outcome::answered(json_response(StatusCode::OK, message));
    }
    let (outlet, events) = session.open_own_stream(messages.len());
    for message in &messages {
        session.send(outlet, message);
    }
    session.finish(outlet);
    Outcome::answered(event_stream(events, ()))
}

/// What placeholders know of the client.
pub(super) fn caller(received: &Received, subject: Option<String>) -> Caller {
    Caller { subject, headers: Arc::clone(&received.headers) }
}
