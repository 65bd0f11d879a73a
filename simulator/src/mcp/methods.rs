//! What the server answers to each method.

use serde_json::{Map, Value, json};

use super::jsonrpc::{INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, MethodError, Reply};
use super::sessions::Session;
use crate::world::{Answer, ProtocolVersion, Server, Tool};

/// Answers a request within a session.
pub(super) fn call(server: &Server, session: &Session, id: &Value, method: &str, params: &Map<String, Value>) -> Reply {
    if !session.first_use(id) {
        return Err(MethodError::new(INVALID_REQUEST, format!("the request id {id} was used before in this session")));
    }
    match method {
        "initialize" if session.version().is_some() => {
            Err(MethodError::new(INVALID_REQUEST, "the session is initialized already"))
        }
        "initialize" => {
            let (version, result) = initialize(server, params)?;
            session.agree_on(version);
            Ok(result)
        }
        "ping" => Ok(json!({})),
        _ if session.version().is_none() => {
            Err(MethodError::new(INVALID_REQUEST, format!("`{method}` came before `initialize`")))
        }
        _ if !session.is_confirmed() => {
            Err(MethodError::new(INVALID_REQUEST, format!("`{method}` came before `notifications/initialized`")))
        }
        "tools/list" => list_tools(server, params),
        "tools/call" => call_tool(server, params),
        _ => Err(MethodError::new(METHOD_NOT_FOUND, format!("the method `{method}` is not offered"))),
    }
}

fn initialize(server: &Server, params: &Map<String, Value>) -> Result<(ProtocolVersion, Value), MethodError> {
    let invalid = |what: &str| MethodError::new(INVALID_PARAMS, format!("`initialize` needs {what}"));
    let wanted = params.get("protocolVersion").and_then(Value::as_str).ok_or_else(|| invalid("a `protocolVersion`"))?;
    if !params.get("capabilities").is_some_and(Value::is_object) {
        return Err(invalid("an object `capabilities`"));
    }
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
    let result = json!({
        "protocolVersion": version.as_str(),
        "capabilities": {"tools": {"listChanged": true}},
        "serverInfo": server_info(server),
    });
    Ok((version, result))
}

/// Name and version of the server's software.
pub(super) fn server_info(server: &Server) -> Value {
    let name = server.name.clone().unwrap_or_else(|| server.url.host().to_owned());
    json!({"name": name, "version": env!("CARGO_PKG_VERSION")})
}

pub(super) fn list_tools(server: &Server, params: &Map<String, Value>) -> Reply {
    let start = match params.get("cursor") {
        None => 0,
        Some(cursor) => cursor
            .as_str()
            .and_then(|text| text.strip_prefix("tool-"))
            .and_then(|text| text.parse::<usize>().ok())
            .filter(|start| *start > 0 && *start < server.tools.len())
            .ok_or_else(|| MethodError::new(INVALID_PARAMS, "`cursor` is not one that the server gave"))?,
    };
    let size = server.page_size.map_or(usize::MAX, std::num::NonZero::get);
    let end = start.saturating_add(size).min(server.tools.len());
    let tools: Vec<Value> = server.tools.get(start..end).unwrap_or_default().iter().map(listed).collect();
    let mut result = json!({ "tools": tools });
    if end < server.tools.len() {
        result["nextCursor"] = format!("tool-{end}").into();
    }
    Ok(result)
}

/// A tool as `tools/list` shows it.
fn listed(tool: &Tool) -> Value {
    let mut shown = tool.extra.clone();
    shown.insert("name".to_owned(), json!(*tool.name));
    let description = tool
        .description
        .clone()
        .or_else(|| tool.answer.is_none().then(|| "Answers with the text that it is given.".to_owned()));
    let optional = [("title", tool.title.clone().map(Value::from)), ("description", description.map(Value::from))];
    let objects = [("outputSchema", &tool.output_schema), ("annotations", &tool.annotations)];
    let objects = objects.map(|(name, object)| (name, object.clone().map(Value::Object)));
    for (name, value) in optional.into_iter().chain(objects) {
        if let Some(value) = value {
            shown.insert(name.to_owned(), value);
        }
    }
    shown.insert(
        "inputSchema".to_owned(),
        tool.input_schema.clone().map_or_else(|| default_schema(tool), Value::Object),
    );
    Value::Object(shown)
}

fn default_schema(tool: &Tool) -> Value {
    if tool.answer.is_some() {
        return json!({"type": "object"});
    }
    json!({
        "type": "object",
        "properties": {"text": {"type": "string", "description": "The text to answer with."}},
        "required": ["text"],
    })
}

pub(super) fn call_tool(server: &Server, params: &Map<String, Value>) -> Reply {
    let name = params
        .get("name")
        .and_then(Value::as_str)
        .ok_or_else(|| MethodError::new(INVALID_PARAMS, "`tools/call` needs a `name`"))?;
    let arguments = match params.get("arguments") {
        None => Map::new(),
        Some(Value::Object(arguments)) => arguments.clone(),
        Some(_) => {
            return Err(MethodError::new(INVALID_PARAMS, "`arguments` is not an object"));
        }
    };
    let tool = server
        .tools
        .iter()
        .find(|tool| *tool.name == name)
        .ok_or_else(|| MethodError::new(INVALID_PARAMS, format!("Unknown tool: {name}")))?;
    match &tool.answer {
        None => Ok(echo(tool, &arguments)),
        Some(Answer::Text(text)) => Ok(text_result(text, false)),
        Some(Answer::IsError(text)) => Ok(text_result(text, true)),
        Some(Answer::Result(result)) => Ok(Value::Object(result.clone())),
        Some(Answer::Error(error)) => Err(MethodError {
            code: error.code,
            message: error.message.clone(),
            data: error.data.clone(),
            scripted: true,
        }),
    }
}

/// The argument `text`; a tool with a schema of its own answers with all its arguments when there is none.
fn echo(tool: &Tool, arguments: &Map<String, Value>) -> Value {
    match arguments.get("text") {
        Some(Value::String(text)) => text_result(text, false),
        _ if tool.input_schema.is_some() => text_result(&Value::Object(arguments.clone()).to_string(), false),
        _ => text_result("the argument `text` is missing or not a string", true),
    }
}

fn text_result(text: &str, is_error: bool) -> Value {
    let mut result = json!({"content": [{"type": "text", "text": text}]});
    if is_error {
        result["isError"] = true.into();
    }
    result
}
