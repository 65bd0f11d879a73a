//! The parameters of a workflow: a JSON Schema of an object, or the short map of the guide.

use serde_json::{Map, Value};

use super::{Found, WorkflowFault};

/// The types of JSON Schema.
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

pub(super) fn check(parameters: &Value, found: &mut Found) {
    let fault = WorkflowFault::Schema;
    let Some(members) = parameters.as_object() else {
        return found.add(fault, "parameters", "must be a JSON Schema with type object");
    };
    match members.get("type") {
        Some(Value::String(kind)) if kind == "object" => schema(members, found),
        Some(Value::String(kind)) => found.add(
            fault,
            "parameters.type",
            format!("{kind:?} is not possible: arguments are an object, so the type is object"),
        ),
        _ if members.is_empty() => {}
        _ => short(members, found),
    }
}

/// A JSON Schema of an object.
fn schema(schema: &Map<String, Value>, found: &mut Found) {
    let fault = WorkflowFault::Schema;
    let properties = match schema.get("properties") {
        None => None,
        Some(Value::Object(properties)) => Some(properties),
        Some(_) => return found.add(fault, "parameters.properties", "must be an object: schemas by name"),
    };
    for (name, property) in properties.into_iter().flatten() {
        let path = format!("parameters.properties.{name}");
        match property {
            Value::Bool(_) => {}
            Value::Object(property) => types(property.get("type"), &path, found),
            _ => found.add(fault, path, "must be a JSON Schema"),
        }
    }
    match schema.get("required") {
        None => {}
        Some(Value::Array(names)) if names.iter().all(Value::is_string) => {
            for name in names.iter().filter_map(Value::as_str) {
                if !properties.is_some_and(|properties| properties.contains_key(name)) {
                    found.add(fault, "parameters.required", format!("{name:?} is not one of the properties"));
                }
            }
        }
        Some(_) => found.add(fault, "parameters.required", "must be a list of names of properties"),
    }
}

/// Parameters by name, each with its type and whether it is required.
fn short(parameters: &Map<String, Value>, found: &mut Found) {
    let fault = WorkflowFault::Schema;
    for (name, parameter) in parameters {
        let path = format!("parameters.{name}");
        let Some(parameter) = parameter.as_object() else {
            found.add(
                fault,
                path,
                "is neither part of a JSON Schema with type object nor a parameter such as {type: string}",
            );
            continue;
        };
        if !parameter.contains_key("type") {
            found.add(fault, format!("{path}.type"), "required: the type of the parameter");
        }
        types(parameter.get("type"), &path, found);
        if parameter.get("required").is_some_and(|required| !required.is_boolean()) {
            found.add(fault, format!("{path}.required"), "must be true or false");
        }
    }
}

/// A type, or a list of types.
fn types(kind: Option<&Value>, path: &str, found: &mut Found) {
    let known = |kind: &Value| kind.as_str().is_some_and(|kind| TYPES.contains(&kind));
    let fine = match kind {
        None => true,
        Some(Value::Array(kinds)) => !kinds.is_empty() && kinds.iter().all(known),
        Some(kind) => known(kind),
    };
    if !fine {
        let message = format!("is not a type of JSON Schema: use one of {}", TYPES.join(", "));
        found.add(WorkflowFault::Schema, format!("{path}.type"), message);
    }
}
