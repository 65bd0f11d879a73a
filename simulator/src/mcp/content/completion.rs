//! `completion/complete`.

use serde_json::{Map, Value, json};

use super::invalid;
use crate::mcp::jsonrpc::Reply;
use crate::world::Server;

/// How many values one answer may have (2025-11-25, completion).
const MOST_VALUES: usize = 100;

/// The suggestions that begin with what was typed.
pub(in crate::mcp) fn complete(server: &Server, params: &Map<String, Value>) -> Reply {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let reference = params.get("ref").ok_or_else(|| invalid("`completion/complete` needs a `ref`"))?;
    let argument = params.get("argument").ok_or_else(|| invalid("`completion/complete` needs an `argument`"))?;
    let (Some(name), Some(typed)) = (text(&argument["name"]), text(&argument["value"])) else {
        return Err(invalid("`argument` needs `name` and `value`"));
    };
    let known: &[String] = match (reference["type"].as_str(), text(&reference["name"]), text(&reference["uri"])) {
        (Some("ref/prompt"), Some(prompt), _) => {
            let found = server.prompts.iter().find(|known| *known.name == prompt);
            let found = found.ok_or_else(|| invalid(format!("there is no prompt `{prompt}`")))?;
            let found = found.arguments.iter().find(|argument| *argument.name == name);
            &found.ok_or_else(|| invalid(format!("the prompt `{prompt}` has no argument `{name}`")))?.completes
        }
        (Some("ref/resource"), _, Some(uri)) => {
            let found = server.resource_templates.iter().find(|known| known.uri_template.as_str() == uri);
            let found = found.ok_or_else(|| invalid(format!("there is no template `{uri}`")))?;
            if !found.uri_template.variables().any(|variable| variable == name) {
                return Err(invalid(format!("the template `{uri}` has no variable `{name}`")));
            }
            found.completes.get(&name).map(Vec::as_slice).unwrap_or_default()
        }
        _ => return Err(invalid("`ref` is neither a prompt with its name nor a resource with its template")),
    };
    let fitting: Vec<&String> = known.iter().filter(|value| value.starts_with(&typed)).collect();
    let values = &fitting[..fitting.len().min(MOST_VALUES)];
    let completion = json!({"values": values, "total": fitting.len(), "hasMore": fitting.len() > values.len()});
    Ok(json!({ "completion": completion }))
}
