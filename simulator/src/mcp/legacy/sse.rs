//! The HTTP+SSE transport of revision 2024-11-05: a stream for all that the server says, and an endpoint for all that it hears.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::Value;

use super::call::conduct;
use super::methods::{Answered, answer};
use super::sessions::Sessions;
use super::streamable::caller;
use super::streams::Outlet;
use crate::mcp::access::refuse;
use crate::mcp::exchange::refusal;
use crate::mcp::jsonrpc::{INVALID_REQUEST, Message, PARSE_ERROR, TRANSPORT_ERROR, response};
use crate::mcp::server::McpServer;
use crate::wire::{Outcome, Received, empty_response, event_stream, method_not_allowed, server_sent_event};
use crate::world::Server;

/// Name of the query parameter that names the session; it is part of the address that the server announces.
const SESSION: &str = "sessionId";

impl McpServer {
    pub(in crate::mcp) fn answer_sse(self: &Arc<Self>, server: &Arc<Server>, received: &Received) -> Outcome {
        let answered = if received.path == server.url.path() {
            if received.method != Method::GET {
                return method_not_allowed(
                    "GET",
                    "this server speaks HTTP+SSE: messages go to the address that its stream announces",
                );
            }
            self.open(server, received)
        } else {
            if received.method != Method::POST {
                return method_not_allowed("POST", "messages of HTTP+SSE are posted");
            }
            self.message(server, received)
        };
        answered.unwrap_or_else(|refusal| *refusal)
    }

    fn open(&self, server: &Server, received: &Received) -> Result<Outcome, Box<Outcome>> {
        let subject = self.admit(server, received)?;
        if !received.accepts("text/event-stream") {
            return Err(Box::new(refuse(
                StatusCode::NOT_ACCEPTABLE,
                TRANSPORT_ERROR,
                "Accept must list text/event-stream",
            )));
        }
        let session = self.sessions.begin(subject, false);
        let events = session.open_stream();
        let endpoint = format!("{}?{SESSION}={}", server.messages_path(), session.id);
        let announced = server_sent_event("endpoint", &received.edits.endpoint(endpoint));
        session.send_event(Outlet::General, &announced);
        let guard = EndsSession { sessions: Arc::clone(&self.sessions), id: session.id.clone() };
        Ok(Outcome::answered(event_stream(events, guard)).in_session(&session.id))
    }

    fn message(self: &Arc<Self>, server: &Arc<Server>, received: &Received) -> Result<Outcome, Box<Outcome>> {
        let subject = self.admit(server, received)?;
        let Some(id) = received.query_parameter(SESSION) else {
            return Err(Box::new(refuse(
                StatusCode::BAD_REQUEST,
                TRANSPORT_ERROR,
                format!("the request names no session: the address has a query parameter `{SESSION}`"),
            )));
        };
        let Some(session) = self.sessions.find(&id) else {
            return Err(Box::new(refuse(
                StatusCode::NOT_FOUND,
                TRANSPORT_ERROR,
                "the session does not exist or its stream was closed",
            )));
        };
        if session.belongs_to_another(subject.as_deref()) {
            return Err(Box::new(refuse(
                StatusCode::FORBIDDEN,
                TRANSPORT_ERROR,
                "the session began with the token of another subject",
            )));
        }
        if received.media_type().as_deref() != Some("application/json") {
            return Err(Box::new(refuse(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                TRANSPORT_ERROR,
                "Content-Type must be application/json",
            )));
        }
        let body: Value = serde_json::from_slice(&received.body).map_err(|error| {
            Box::new(refuse(StatusCode::BAD_REQUEST, PARSE_ERROR, format!("the body is not JSON: {error}")))
        })?;
        let message = Message::read(&body)
            .map_err(|reason| Box::new(refuse(StatusCode::BAD_REQUEST, INVALID_REQUEST, reason)))?;
        let mut outcome = Outcome::answered(empty_response(StatusCode::ACCEPTED)).in_session(&id);
        match message {
            Message::Request { id, method, params } => {
                let caller = || caller(received, subject);
                match answer(server, &session, &id, &method, &params, caller) {
                    Answered::Now(reply) => {
                        outcome.verdict = refusal(&reply);
                        let messages = received.edits.messages(response(&id, &reply));
                        if !messages.iter().all(|message| session.send(Outlet::General, message)) {
                            let lost = "the answer was lost: the client does not read its stream";
                            outcome.verdict = Some(lost.to_owned());
                        }
                    }
                    Answered::Later(call) => {
                        let edits = received.edits.clone();
                        outcome.failures = Some(conduct(self, &session, Outlet::General, vec![*call], edits));
                    }
                }
            }
            Message::Notification { method, params } => session.notified(&method, &params),
            Message::Response { id, outcome } => session.answered(id.as_ref(), outcome),
        }
        Ok(outcome)
    }
}

/// Ends the session when its stream does.
struct EndsSession {
    sessions: Arc<Sessions>,
    id: String,
}

impl Drop for EndsSession {
    fn drop(&mut self) {
        self.sessions.end(&self.id);
    }
}
