//! Requests of the modern wire: judged by what they say about themselves, and answered.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::refusal::{Refusal, supported_versions};
use super::{headers, metadata, parameters, results};
use crate::mcp::access::refuse;
use crate::mcp::jsonrpc::{INVALID_REQUEST, Message, Reply, response};
use crate::mcp::methods::{call_tool, list_tools};
use crate::mcp::server::McpServer;
use crate::mcp::streamable::{Checked, answer, posted_json, refusal};
use crate::wire::{Outcome, Received, empty_response, method_not_allowed};
use crate::world::Server;

impl McpServer {
    /// Answers a request to the endpoint. Session ids and `Last-Event-ID` mean nothing here and are not looked at.
    pub(in crate::mcp) fn answer_modern(&self, server: &Server, received: &Received) -> Outcome {
        if received.method != Method::POST {
            return method_not_allowed("POST", "revision 2026-07-28 has no streams and sessions of its own: only POST");
        }
        self.modern_post(server, received).unwrap_or_else(|refusal| *refusal)
    }

    fn modern_post(&self, server: &Server, received: &Received) -> Checked<Outcome> {
        self.admit(server, received)?;
        let body = posted_json(received)?;
        let bad_message = |reason: &str| Box::new(refuse(StatusCode::BAD_REQUEST, INVALID_REQUEST, reason));
        match Message::read(&body).map_err(bad_message)? {
            Message::Request { id, method, params } => Ok(match judge(server, received, &method, &params) {
                Ok(()) => respond(server, received, &id, &method, &params),
                Err(refusal) => refusal.outcome(&id),
            }),
            Message::Notification { .. } => Ok(Outcome::answered(empty_response(StatusCode::ACCEPTED))),
            Message::Response => Err(bad_message("clients answer nothing: inputs come with the repeated request")),
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

fn respond(server: &Server, received: &Received, id: &Value, method: &str, params: &Map<String, Value>) -> Outcome {
    let reply = match method {
        "server/discover" => Ok(discover(server)),
        "tools/list" => list_tools(server, params),
        "tools/call" => call_tool(server, params),
        "initialize" | "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => {
            let reason = format!(
                "revision 2026-07-28 has no `{method}`; this server supports {}",
                supported_versions(server).join(", ")
            );
            return Refusal::method_not_found(reason).outcome(id);
        }
        _ => return Refusal::method_not_found(format!("the method `{method}` is not offered")).outcome(id),
    };
    let reply: Reply = reply.map(|result| match result {
        Value::Object(result) => results::complete(server, method, result),
        other => other,
    });
    let mut outcome = answer(server, received, response(id, &reply));
    outcome.verdict = refusal(&reply);
    outcome
}

fn discover(server: &Server) -> Value {
    json!({"supportedVersions": supported_versions(server), "capabilities": {"tools": {}}})
}
