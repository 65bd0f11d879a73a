//! Requests of the modern wire: judged by what they say about themselves, and answered.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::call::{Call, Turn, modern_error};
use super::listen::listen;
use super::metadata::RequestMetadata;
use super::refusal::{Refusal, supported_versions};
use super::tasks::is_about_tasks;
use super::{headers, parameters, results};
use crate::mcp::access::refuse;
use crate::mcp::content::{Caller, Capability, Kind, Run, capabilities, complete, is_offered, list, offers_tasks};
use crate::mcp::exchange::{Checked, answer, posted_json, refusal};
use crate::mcp::jsonrpc::{INVALID_REQUEST, Message, Reply, response};

use crate::mcp::quirks::Quirks;
use crate::mcp::server::McpServer;
use crate::wire::{Outcome, Received, empty_response, method_not_allowed};
use crate::world::Server;

/// A request that says about itself what it must.
pub(super) struct Request<'a> {
    pub(super) id: &'a Value,
    method: &'a str,
    pub(super) params: Map<String, Value>,
    pub(super) metadata: RequestMetadata,
    pub(super) caller: Caller,
}

impl McpServer {
    /// Answers a request to the endpoint. Session ids and `Last-Event-ID` mean nothing here and are not looked at.
    pub(in crate::mcp) fn answer_modern(self: &Arc<Self>, server: &Arc<Server>, received: &Received) -> Outcome {
        if received.method != Method::POST {
            return method_not_allowed("POST", "revision 2026-07-28 has no streams and sessions of its own: only POST");
        }
        self.modern_post(server, received).unwrap_or_else(|refusal| *refusal)
    }

    fn modern_post(self: &Arc<Self>, server: &Arc<Server>, received: &Received) -> Checked<Outcome> {
        let subject = self.admit(server, received)?;
        let body = posted_json(server, received)?;
        let bad_message = |reason: &str| Box::new(refuse(StatusCode::BAD_REQUEST, INVALID_REQUEST, reason));
        match Message::read(&body).map_err(bad_message)? {
            Message::Request { id, method, params } => {
                let caller = Caller { subject, headers: Arc::clone(&received.headers) };
                let answered = judge(server, received, &method, &params).and_then(|metadata| {
                    let request = Request { id: &id, method: &method, params, metadata, caller };
                    self.respond(server, received, request)
                });
                Ok(answered.unwrap_or_else(|refusal| refusal.outcome(&id)).cancellable())
            }
            Message::Notification { .. } => Ok(Outcome::answered(empty_response(StatusCode::ACCEPTED))),
            Message::Response { .. } => {
                Err(bad_message("clients answer nothing: inputs come with the repeated request"))
            }
        }
    }

    fn respond(
        self: &Arc<Self>,
        server: &Arc<Server>,
        received: &Received,
        request: Request<'_>,
    ) -> Result<Outcome, Refusal> {
        check_offered(server, request.method)?;
        if request.method == "subscriptions/listen" {
            return listen(self, server, &request, received.edits.clone());
        }
        let Request { id, method, params, metadata, caller } = request;
        let reply = if Run::concerns(method) {
            let mut call = Call::begin(self, server, method, params, metadata, caller)?;
            match call.turn(self) {
                Turn::Last(last) => call.finish(self, last),
                first => return Ok(Outcome::answered(call.stream(self, first, id.clone(), received.edits.clone()))),
            }
        } else if is_about_tasks(method) {
            if !Capability::Tasks.is_declared(&metadata.capabilities) {
                return Err(Refusal::missing_capabilities(&[Capability::Tasks]));
            }
            self.tasks
                .answer(self, method, &params, caller.subject.as_deref())
                .map(|result| results::complete(server, method, result))
        } else {
            plain(server, method, &params).map(|result| results::complete(server, method, result)).map_err(modern_error)
        };
        let mut outcome = answer(server, received, response(id, &reply));
        outcome.verdict = refusal(&reply);
        Ok(outcome)
    }
}

/// What the request says about itself, if it says what it must, in its headers and its `_meta`.
fn judge(
    server: &Server,
    received: &Received,
    method: &str,
    params: &Map<String, Value>,
) -> Result<RequestMetadata, Refusal> {
    if method == "initialize" && !params.contains_key("_meta") {
        // A legacy client: which revisions there are is all that it can tell its user.
        let requested = params.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
        return Err(Refusal::unsupported_version(server, requested));
    }
    headers::require_version(received)?;
    let metadata = RequestMetadata::read(params)?;
    headers::check_version(received, &metadata.version).map_err(|mut refusal| {
        refusal.error.code = Quirks::of(server).other_version_in_header;
        refusal
    })?;
    if !server.versions().iter().any(|version| version.is_modern() && version.as_str() == metadata.version) {
        return Err(Refusal::unsupported_version(server, &metadata.version));
    }
    headers::check_method(received, method)?;
    headers::check_name(received, method, params)?;
    if method == "tools/call"
        && let Some(tool) = server.tools.iter().find(|tool| params.get("name") == Some(&json!(*tool.name)))
        && let Some(schema) = &tool.input_schema
    {
        let none = Map::new();
        let arguments = params.get("arguments").and_then(Value::as_object).unwrap_or(&none);
        parameters::check(received, schema, arguments)?;
    }
    Ok(metadata)
}

fn check_offered(server: &Server, method: &str) -> Result<(), Refusal> {
    match method {
        "server/discover" | "subscriptions/listen" => Ok(()),
        "initialize" | "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => {
            let supported = supported_versions(server).join(", ");
            let reason = format!("revision 2026-07-28 has no `{method}`; this server supports {supported}");
            Err(Refusal::method_not_found(reason))
        }
        _ if is_about_tasks(method) && offers_tasks(server) => Ok(()),
        _ if is_offered(server, method) => Ok(()),
        _ => Err(Refusal::method_not_found(format!("the method `{method}` is not offered"))),
    }
}

/// The answer of a method without steps.
fn plain(server: &Server, method: &str, params: &Map<String, Value>) -> Reply {
    if method == "server/discover" {
        return Ok(discover(server));
    }
    match Kind::ALL.into_iter().find(|kind| kind.method() == method) {
        Some(kind) => list(server, kind, params),
        None => complete(server, params),
    }
}

fn discover(server: &Server) -> Value {
    let mut capabilities = capabilities(server, true);
    if offers_tasks(server) {
        json_patch::merge(&mut capabilities, &Capability::Tasks.declaration());
    }
    let mut result = json!({"supportedVersions": supported_versions(server), "capabilities": capabilities});
    if let Some(instructions) = &server.instructions {
        result["instructions"] = instructions.clone().into();
    }
    result
}
