//! Requests of the modern wire: judged by what they say about themselves, and answered.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::refusal::{Refusal, supported_versions};
use super::{headers, metadata, parameters, results};
use crate::mcp::access::refuse;
use crate::mcp::content::{Caller, Kind, Next, RESOURCE_NOT_FOUND, Run, complete, is_offered, list, offered, uses};
use crate::mcp::exchange::{Checked, answer, posted_json, refusal};
use crate::mcp::jsonrpc::{INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, Message, MethodError, Reply, response};
use crate::mcp::server::McpServer;
use crate::wire::{Outcome, Received, empty_response, method_not_allowed};
use crate::world::Server;

impl McpServer {
    /// Answers a request to the endpoint. Session ids and `Last-Event-ID` mean nothing here and are not looked at.
    pub(in crate::mcp) fn answer_modern(&self, server: &Arc<Server>, received: &Received) -> Outcome {
        if received.method != Method::POST {
            return method_not_allowed("POST", "revision 2026-07-28 has no streams and sessions of its own: only POST");
        }
        self.modern_post(server, received).unwrap_or_else(|refusal| *refusal)
    }

    fn modern_post(&self, server: &Arc<Server>, received: &Received) -> Checked<Outcome> {
        let subject = self.admit(server, received)?;
        let body = posted_json(received)?;
        let bad_message = |reason: &str| Box::new(refuse(StatusCode::BAD_REQUEST, INVALID_REQUEST, reason));
        match Message::read(&body).map_err(bad_message)? {
            Message::Request { id, method, params } => Ok(match judge(server, received, &method, &params) {
                Ok(()) => respond(server, received, subject, &id, &method, &params),
                Err(refusal) => refusal.outcome(&id),
            }),
            Message::Notification { .. } => Ok(Outcome::answered(empty_response(StatusCode::ACCEPTED))),
            Message::Response { .. } => {
                Err(bad_message("clients answer nothing: inputs come with the repeated request"))
            }
        }
    }
}

/// Whether the request says about itself what it must, in its headers and its `_meta`.
fn judge(server: &Server, received: &Received, method: &str, params: &Map<String, Value>) -> Result<(), Refusal> {
    if method == "initialize" && !params.contains_key("_meta") {
        // A legacy client: which revisions there are is all that it can tell its user.
        let requested = params.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
        return Err(Refusal::unsupported_version(server, requested));
    }
    headers::require_version(received)?;
    let metadata = metadata::RequestMetadata::read(params)?;
    headers::check_version(received, &metadata.version)?;
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
    Ok(())
}

fn respond(
    server: &Arc<Server>,
    received: &Received,
    subject: Option<String>,
    id: &Value,
    method: &str,
    params: &Map<String, Value>,
) -> Outcome {
    let reply = match method {
        "server/discover" => Ok(discover(server)),
        "initialize" | "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => {
            let reason = format!(
                "revision 2026-07-28 has no `{method}`; this server supports {}",
                supported_versions(server).join(", ")
            );
            return Refusal::method_not_found(reason).outcome(id);
        }
        _ if !is_offered(server, method) => {
            return Refusal::method_not_found(format!("the method `{method}` is not offered")).outcome(id);
        }
        "completion/complete" => complete(server, params),
        _ => match Kind::ALL.into_iter().find(|kind| kind.method() == method) {
            Some(kind) => list(server, kind, params),
            None => run(server, received, subject, method, params),
        },
    };
    let reply: Reply = reply.map(|result| match result {
        Value::Object(result) => results::complete(server, method, result),
        other => other,
    });
    let mut outcome = answer(server, received, response(id, &reply));
    outcome.verdict = refusal(&reply);
    outcome
}

/// The answer of a tool, prompt or resource.
fn run(
    server: &Arc<Server>,
    received: &Received,
    subject: Option<String>,
    method: &str,
    params: &Map<String, Value>,
) -> Reply {
    let caller = Caller { subject, headers: received.headers.clone() };
    let mut run = Run::begin(server, method, params, caller).map_err(|error| match error.code {
        RESOURCE_NOT_FOUND => MethodError { code: INVALID_PARAMS, ..error },
        _ => error,
    })?;
    match run.next() {
        Next::Answer(reply) => reply,
        Next::Do(_) => Err(MethodError::new(INTERNAL_ERROR, "steps are not simulated in revision 2026-07-28")),
    }
}

fn discover(server: &Server) -> Value {
    let mut capabilities = Map::new();
    for (name, kind) in [("tools", Kind::Tools), ("prompts", Kind::Prompts), ("resources", Kind::Resources)] {
        if offered(server, kind) {
            capabilities.insert(name.to_owned(), json!({}));
        }
    }
    if uses(server).completions {
        capabilities.insert("completions".to_owned(), json!({}));
    }
    let mut result = json!({"supportedVersions": supported_versions(server), "capabilities": capabilities});
    if let Some(instructions) = &server.instructions {
        result["instructions"] = instructions.clone().into();
    }
    result
}
