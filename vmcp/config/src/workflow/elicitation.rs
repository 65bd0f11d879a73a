//! A step that asks the user.

use serde_json::Value;

use super::{Found, WorkflowFault, templates::Templates};
use crate::{Duration, Step};

/// How long a user may take.
const MAX_TIMEOUT: Duration = Duration::from_secs(600);
/// Bytes that the schema of an answer may have.
const MAX_SCHEMA_BYTES: usize = 100 * 1024;
/// How deep the schema of an answer may be nested.
const MAX_SCHEMA_DEPTH: usize = 10;

pub(super) fn check(step: &Step, path: &str, templates: &mut Templates<'_>, found: &mut Found) {
    match step.message.as_deref().unwrap_or_default() {
        "" => found.structure(format!("{path}.message"), "required when type is elicitation: the question"),
        message => templates.check(message, &format!("{path}.message"), found),
    }
    if step.timeout.is_some_and(|timeout| timeout > MAX_TIMEOUT) {
        found.structure(format!("{path}.timeout"), "must be at most 10m: a user is not waited for longer");
    }
    let path = format!("{path}.schema");
    let fault = WorkflowFault::Schema;
    match &step.schema {
        None => found.add(fault, path, "required when type is elicitation: a JSON Schema of the answer"),
        Some(schema) if schema["type"] != "object" => {
            found.add(fault, path, "must be a JSON Schema with type object, whose properties are what is asked for");
        }
        Some(schema) if schema.to_string().len() > MAX_SCHEMA_BYTES => {
            found.add(fault, path, format!("is too large: at most {MAX_SCHEMA_BYTES} bytes"));
        }
        Some(schema) if depth(schema) > MAX_SCHEMA_DEPTH => {
            found.add(fault, path, format!("is nested too deeply: at most {MAX_SCHEMA_DEPTH} levels"));
        }
        Some(_) => {}
    }
}

/// How many objects and lists are around the innermost value.
fn depth(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
