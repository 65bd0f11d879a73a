//! What the server answers to each method.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::call::Call;
use super::session::Session;
use crate::mcp::content::{
    Caller, Kind, Next, Run, capabilities, complete, is_offered, is_resource, list, resource_not_found, server_info,
};
use crate::mcp::jsonrpc::{INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, MethodError, Reply};
use crate::world::{LogLevel, ProtocolVersion, Server};

/// What becomes of a request.
pub(super) enum Answered {
    Now(Reply),
    /// After its steps.
    Later(Box<Call>),
}

/// Answers `initialize` in a new session.
pub(super) fn handshake(server: &Server, session: &Session, id: &Value, params: &Map<String, Value>) -> Reply {
    session.first_use(id);
    initialize(server, session, params)
}

/// Answers a request within a session.
pub(super) fn answer(
    server: &Arc<Server>,
    session: &Session,
    id: &Value,
    method: &str,
    params: &Map<String, Value>,
    caller: impl FnOnce() -> Caller,
) -> Answered {
    if !session.first_use(id) {
        let reason = format!("the request id {id} was used before in this session");
        return Answered::Now(Err(MethodError::new(INVALID_REQUEST, reason)));
    }
    if Run::concerns(method) && is_offered(server, method) && is_ready(session, method).is_ok() {
        return begin(server, session, id, method, params, caller).unwrap_or_else(|error| Answered::Now(Err(error)));
    }
    Answered::Now(reply(server, session, method, params))
}

/// Begins what may take steps.
fn begin(
    server: &Arc<Server>,
    session: &Session,
    id: &Value,
    method: &str,
    params: &Map<String, Value>,
    caller: impl FnOnce() -> Caller,
) -> Result<Answered, MethodError> {
    let mut run = Run::begin(server, method, params, caller())?;
    if let Some(Next::Answer(reply)) = (!run.has_steps()).then(|| run.next()) {
        return Ok(Answered::Now(reply));
    }
    Call::begin(session, id, params, run).map(|call| Answered::Later(Box::new(call)))
}

fn reply(server: &Server, session: &Session, method: &str, params: &Map<String, Value>) -> Reply {
    match method {
        "initialize" if session.version().is_some() => {
            return Err(MethodError::new(INVALID_REQUEST, "the session is initialized already"));
        }
        "initialize" => return initialize(server, session, params),
        "ping" => return Ok(json!({})),
        _ => is_ready(session, method)?,
    }
    if !is_offered(server, method) {
        return Err(MethodError::new(METHOD_NOT_FOUND, format!("the method `{method}` is not offered")));
    }
    if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.method() == method) {
        return list(server, kind, params);
    }
    match method {
        "completion/complete" => complete(server, params),
        "logging/setLevel" => {
            let level = params.get("level").cloned().and_then(|level| serde_json::from_value::<LogLevel>(level).ok());
            session.set_level(
                level.ok_or_else(|| MethodError::new(INVALID_PARAMS, "`level` is not a level of RFC 5424"))?,
            );
            Ok(json!({}))
        }
        _ => subscribe(server, session, method, params),
    }
}

/// Only `ping` comes before the end of the handshake.
fn is_ready(session: &Session, method: &str) -> Result<(), MethodError> {
    let missing = match session.version() {
        None => "initialize",
        Some(_) if !session.is_confirmed() => "notifications/initialized",
        Some(_) => return Ok(()),
    };
    Err(MethodError::new(INVALID_REQUEST, format!("`{method}` came before `{missing}`")))
}

fn initialize(server: &Server, session: &Session, params: &Map<String, Value>) -> Reply {
    let invalid = |what: &str| MethodError::new(INVALID_PARAMS, format!("`initialize` needs {what}"));
    let wanted = params.get("protocolVersion").and_then(Value::as_str).ok_or_else(|| invalid("a `protocolVersion`"))?;
    let Some(Value::Object(client_capabilities)) = params.get("capabilities") else {
        return Err(invalid("an object `capabilities`"));
    };
    let client =
        params.get("clientInfo").and_then(Value::as_object).ok_or_else(|| invalid("an object `clientInfo`"))?;
    if !["name", "version"].iter().all(|name| client.get(*name).is_some_and(Value::is_string)) {
        return Err(invalid("`clientInfo` with `name` and `version`"));
    }
    let supported = server.legacy_versions();
    let version = ProtocolVersion::parse(wanted)
        .filter(|version| supported.contains(version))
        .or_else(|| supported.last().copied())
        .ok_or_else(|| MethodError::new(INVALID_PARAMS, "the server supports no revision"))?;
    session.agree_on(version, client_capabilities.clone());
    let mut result = json!({
        "protocolVersion": version.as_str(),
        "capabilities": capabilities(server, server.keeps_sessions()),
        "serverInfo": server_info(server),
    });
    if let Some(instructions) = &server.instructions {
        result["instructions"] = instructions.clone().into();
    }
    Ok(result)
}

fn subscribe(server: &Server, session: &Session, method: &str, params: &Map<String, Value>) -> Reply {
    let uri = params
        .get("uri")
        .and_then(Value::as_str)
        .ok_or_else(|| MethodError::new(INVALID_PARAMS, format!("`{method}` needs a `uri`")))?;
    if method == "resources/unsubscribe" {
        session.unsubscribe(uri);
        return Ok(json!({}));
    }
    if session.is_passing {
        return Err(MethodError::new(METHOD_NOT_FOUND, "the server keeps no sessions and no subscriptions"));
    }
    if !is_resource(server, uri) {
        return Err(resource_not_found(uri));
    }
    if !session.subscribe(uri) {
        return Err(MethodError::new(INVALID_REQUEST, "the session has too many subscriptions"));
    }
    Ok(json!({}))
}
