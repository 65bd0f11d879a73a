//! The tool, prompt or resource that a request names, and what it answers in the end.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fill::Values;
use super::{RESOURCE_NOT_FOUND, invalid};
use crate::mcp::jsonrpc::{MethodError, Reply};
use crate::world::{Answer, RpcError, Scripted, Server, Step, Tool};

/// What a request is about, by its place in the server's lists.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Tool(usize),
    Prompt(usize),
    Resource(usize),
    /// With the URI that was asked for.
    Template(usize, String),
}

/// What the request is about, and the values of its URI's variables.
pub(super) fn find(
    server: &Server,
    method: &str,
    params: &Map<String, Value>,
) -> Result<(Item, Map<String, Value>), MethodError> {
    let named = |key: &str| {
        params.get(key).and_then(Value::as_str).ok_or_else(|| invalid(format!("`{method}` needs a `{key}`")))
    };
    match method {
        "tools/call" => {
            let name = named("name")?;
            let index = server.tools.iter().position(|tool| tool.name == name);
            Ok((Item::Tool(index.ok_or_else(|| invalid(format!("Unknown tool: {name}")))?), Map::new()))
        }
        "prompts/get" => {
            let name = named("name")?;
            let index = server.prompts.iter().position(|prompt| prompt.name == name);
            Ok((Item::Prompt(index.ok_or_else(|| invalid(format!("Unknown prompt: {name}")))?), Map::new()))
        }
        _ => {
            let uri = named("uri")?;
            if let Some(index) = server.resources.iter().position(|resource| resource.uri == uri) {
                return Ok((Item::Resource(index), Map::new()));
            }
            let (index, values) = template(server, uri).ok_or_else(|| resource_not_found(uri))?;
            let values = values.into_iter().map(|(name, value)| (name, value.into())).collect();
            Ok((Item::Template(index, uri.to_owned()), values))
        }
    }
}

/// The first template that fits the URI, and the values of its variables.
fn template(server: &Server, uri: &str) -> Option<(usize, BTreeMap<String, String>)> {
    let mut templates = server.resource_templates.iter().enumerate();
    templates.find_map(|(index, template)| Some((index, template.uri_template.values(uri)?)))
}

/// Whether the server has such a resource.
pub(in crate::mcp) fn is_resource(server: &Server, uri: &str) -> bool {
    server.resources.iter().any(|resource| resource.uri == uri) || template(server, uri).is_some()
}

/// The answer to a URI that the server does not have.
pub(in crate::mcp) fn resource_not_found(uri: &str) -> MethodError {
    MethodError {
        data: Some(json!({ "uri": uri })),
        ..MethodError::new(RESOURCE_NOT_FOUND, format!("there is no resource `{uri}`"))
    }
}

impl Item {
    pub(super) fn steps<'a>(&self, server: &'a Server) -> &'a [Step] {
        match self {
            Self::Tool(index) => &server.tools[*index].steps,
            Self::Prompt(index) => &server.prompts[*index].steps,
            Self::Resource(index) => &server.resources[*index].steps,
            Self::Template(index, _) => &server.resource_templates[*index].steps,
        }
    }

    /// A prompt's arguments are strings, and those that it requires are there.
    pub(super) fn check_arguments(&self, server: &Server, arguments: &Map<String, Value>) -> Result<(), MethodError> {
        let Self::Prompt(index) = self else { return Ok(()) };
        let prompt = &server.prompts[*index];
        if let Some((name, _)) = arguments.iter().find(|(_, value)| !value.is_string()) {
            return Err(invalid(format!("the argument `{name}` is not a string")));
        }
        let missing = |name: &str| !arguments.contains_key(name);
        match prompt.arguments.iter().find(|argument| argument.required && missing(&argument.name)) {
            Some(argument) => Err(invalid(format!("the argument `{}` is missing", argument.name))),
            None => Ok(()),
        }
    }

    pub(super) fn answer(&self, server: &Server, values: &Values) -> Reply {
        match self {
            Self::Tool(index) => {
                let tool = &server.tools[*index];
                match &tool.answer {
                    None => Ok(echo(tool, &values.arguments)),
                    Some(Answer::Text(text)) => Ok(text_result(&values.text(text), false)),
                    Some(Answer::IsError(text)) => Ok(text_result(&values.text(text), true)),
                    Some(Answer::Result(result)) => Ok(Value::Object(values.object(result))),
                    Some(Answer::Error(error)) => Err(scripted_error(error, values)),
                }
            }
            Self::Prompt(index) => {
                let prompt = &server.prompts[*index];
                if let Some(answer) = &prompt.answer {
                    return scripted(answer, values);
                }
                let messages: Vec<Map<String, Value>> =
                    prompt.messages.iter().map(|message| values.object(message)).collect();
                let mut result = json!({ "messages": messages });
                if let Some(description) = &prompt.description {
                    result["description"] = description.clone().into();
                }
                Ok(result)
            }
            Self::Resource(index) => {
                let resource = &server.resources[*index];
                let content = Content {
                    uri: &resource.uri,
                    mime_type: resource.mime_type.as_ref(),
                    text: resource.text.as_ref(),
                    blob: resource.blob.as_ref(),
                };
                resource.answer.as_ref().map_or_else(|| Ok(content.result(values)), |answer| scripted(answer, values))
            }
            Self::Template(index, uri) => {
                let template = &server.resource_templates[*index];
                let content = Content {
                    uri,
                    mime_type: template.mime_type.as_ref(),
                    text: template.text.as_ref(),
                    blob: template.blob.as_ref(),
                };
                template.answer.as_ref().map_or_else(|| Ok(content.result(values)), |answer| scripted(answer, values))
            }
        }
    }
}

/// The one content of a resource.
struct Content<'a> {
    uri: &'a str,
    mime_type: Option<&'a String>,
    text: Option<&'a String>,
    blob: Option<&'a String>,
}

impl Content<'_> {
    fn result(&self, values: &Values) -> Value {
        let mut content = json!({ "uri": self.uri });
        let text = self.text.map(|text| values.text(text));
        for (name, value) in [("mimeType", self.mime_type.cloned()), ("text", text), ("blob", self.blob.cloned())] {
            if let Some(value) = value {
                content[name] = value.into();
            }
        }
        json!({ "contents": [content] })
    }
}

fn scripted(answer: &Scripted, values: &Values) -> Reply {
    match answer {
        Scripted::Result(result) => Ok(Value::Object(values.object(result))),
        Scripted::Error(error) => Err(scripted_error(error, values)),
    }
}

fn scripted_error(error: &RpcError, values: &Values) -> MethodError {
    MethodError {
        code: error.code,
        message: values.text(&error.message),
        data: error.data.as_ref().map(|data| values.value(data)),
        scripted: true,
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
