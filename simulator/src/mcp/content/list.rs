//! The lists of tools, prompts, resources and templates, page by page.

use serde_json::{Map, Value, json};

use super::invalid;
use crate::mcp::jsonrpc::Reply;
use crate::world::{Prompt, PromptArgument, Resource, ResourceTemplate, Server, Tool};

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mcp) enum Kind {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl Kind {
    pub(in crate::mcp) const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    /// The method that lists it.
    pub(in crate::mcp) fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// The member of the result, and what cursors begin with.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Tools => ("tools", "tool-"),
            Self::Prompts => ("prompts", "prompt-"),
            Self::Resources => ("resources", "resource-"),
            Self::Templates => ("resourceTemplates", "template-"),
        }
    }
}

/// The page of a list that `params` asks for.
pub(in crate::mcp) fn list(server: &Server, kind: Kind, params: &Map<String, Value>) -> Reply {
    let length = match kind {
        Kind::Tools => server.tools.len(),
        Kind::Prompts => server.prompts.len(),
        Kind::Resources => server.resources.len(),
        Kind::Templates => server.resource_templates.len(),
    };
    let (member, prefix) = kind.names();
    let start = match params.get("cursor") {
        None => 0,
        Some(cursor) => cursor
            .as_str()
            .and_then(|text| text.strip_prefix(prefix))
            .and_then(|text| text.parse::<usize>().ok())
            .filter(|start| *start > 0 && *start < length)
            .ok_or_else(|| invalid("`cursor` is not one that the server gave"))?,
    };
    let size = server.page_size.map_or(usize::MAX, std::num::NonZero::get);
    let end = start.saturating_add(size).min(length);
    let items: Vec<Value> = (start..end)
        .map(|index| match kind {
            Kind::Tools => tool(&server.tools[index]),
            Kind::Prompts => prompt(&server.prompts[index]),
            Kind::Resources => resource(&server.resources[index]),
            Kind::Templates => template(&server.resource_templates[index]),
        })
        .collect();
    let mut result = json!({ member: items });
    if end < length {
        result["nextCursor"] = format!("{prefix}{end}").into();
    }
    Ok(result)
}

/// `extra` with the members that there are.
fn shown<const N: usize>(extra: &Map<String, Value>, members: [(&str, Option<Value>); N]) -> Value {
    let mut shown = extra.clone();
    shown.extend(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Value::Object(shown)
}

fn text(text: Option<&String>) -> Option<Value> {
    text.cloned().map(Value::String)
}

fn object(object: Option<&Map<String, Value>>) -> Option<Value> {
    object.cloned().map(Value::Object)
}

fn tool(tool: &Tool) -> Value {
    let description = || tool.answer.is_none().then(|| Value::from("Answers with the text that it is given."));
    shown(
        &tool.extra,
        [
            ("name", Some(json!(*tool.name))),
            ("title", text(tool.title.as_ref())),
            ("description", text(tool.description.as_ref()).or_else(description)),
            ("outputSchema", object(tool.output_schema.as_ref())),
            ("annotations", object(tool.annotations.as_ref())),
            ("inputSchema", object(tool.input_schema.as_ref()).or_else(|| Some(default_schema(tool)))),
        ],
    )
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

fn prompt(prompt: &Prompt) -> Value {
    let argument = |argument: &PromptArgument| {
        shown(
            &Map::new(),
            [
                ("name", Some(json!(*argument.name))),
                ("title", text(argument.title.as_ref())),
                ("description", text(argument.description.as_ref())),
                ("required", Some(argument.required.into())),
            ],
        )
    };
    let arguments: Vec<Value> = prompt.arguments.iter().map(argument).collect();
    shown(
        &prompt.extra,
        [
            ("name", Some(json!(*prompt.name))),
            ("title", text(prompt.title.as_ref())),
            ("description", text(prompt.description.as_ref())),
            ("arguments", (!arguments.is_empty()).then(|| arguments.into())),
        ],
    )
}

fn resource(resource: &Resource) -> Value {
    shown(
        &resource.extra,
        [
            ("uri", Some(json!(*resource.uri))),
            ("name", text(resource.name.as_ref()).or_else(|| Some(json!(*resource.uri)))),
            ("title", text(resource.title.as_ref())),
            ("description", text(resource.description.as_ref())),
            ("mimeType", text(resource.mime_type.as_ref())),
        ],
    )
}

fn template(template: &ResourceTemplate) -> Value {
    let uri_template = template.uri_template.as_str();
    shown(
        &template.extra,
        [
            ("uriTemplate", Some(uri_template.into())),
            ("name", text(template.name.as_ref()).or_else(|| Some(uri_template.into()))),
            ("title", text(template.title.as_ref())),
            ("description", text(template.description.as_ref())),
            ("mimeType", text(template.mime_type.as_ref())),
        ],
    )
}
