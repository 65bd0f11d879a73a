//! One step: it says enough for what it does.

use serde_json::Value;

use super::{Found, WorkflowFault, elicitation, is_tool_name, templates::Templates};
use crate::{Duration, ErrorAction, Step, StepKind};

/// How many items of a forEach may run at once.
const MAX_PARALLEL: i64 = 50;
/// How many items a forEach may have.
const MAX_ITERATIONS: i64 = 1000;

pub(super) fn check(step: &Step, path: &str, templates: &mut Templates<'_>, found: &mut Found) {
    if step.timeout.is_some_and(Duration::is_zero) {
        found.structure(format!("{path}.timeout"), "must be longer than 0s");
    }
    if let Some(condition) = &step.condition {
        templates.check(condition, &format!("{path}.condition"), found);
    }
    if let Some(handling) = &step.on_error
        && handling.action == ErrorAction::Retry
        && handling.retry_count.is_none_or(|count| count < 1)
    {
        found.structure(format!("{path}.onError.retryCount"), "required when action is retry: at least 1");
    }
    match step.kind {
        StepKind::Tool => call(step, path, templates, found),
        StepKind::Elicitation => elicitation::check(step, path, templates, found),
        StepKind::ForEach => for_each(step, path, templates, found),
    }
}

/// A step that calls a tool.
fn call(step: &Step, path: &str, templates: &mut Templates<'_>, found: &mut Found) {
    let fault = WorkflowFault::Tool;
    match step.tool.as_deref().unwrap_or_default() {
        "" => found.add(fault, format!("{path}.tool"), "required when type is tool: the name of the tool"),
        name if !is_tool_name(name) => found.add(
            fault,
            format!("{path}.tool"),
            format!("{name:?} names no tool: write a name such as create_issue, or github.create_issue"),
        ),
        _ => {}
    }
    match &step.arguments {
        None => {}
        Some(arguments @ Value::Object(_)) => {
            templates.check_strings(arguments, &format!("{path}.arguments"), found);
        }
        Some(_) => found.structure(format!("{path}.arguments"), "must be an object: values by name of the argument"),
    }
}

/// A step that repeats another for each item of a list.
fn for_each(step: &Step, path: &str, templates: &mut Templates<'_>, found: &mut Found) {
    match step.collection.as_deref().unwrap_or_default() {
        "" => found.structure(format!("{path}.collection"), "required when type is forEach: a template of a list"),
        collection => templates.check(collection, &format!("{path}.collection"), found),
    }
    if let Some(name) = &step.item_var {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name == "index" {
            found.structure(format!("{path}.itemVar"), "\"index\" is the number of the item: choose another name");
        } else if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') || !name.chars().all(word) {
            let message = format!("{name:?} cannot be used in a template: use letters, digits and \"_\"");
            found.structure(format!("{path}.itemVar"), message);
        }
    }
    for (key, value, most) in
        [("maxParallel", step.max_parallel, MAX_PARALLEL), ("maxIterations", step.max_iterations, MAX_ITERATIONS)]
    {
        if value.is_some_and(|value| value < 1 || value > most) {
            found.structure(format!("{path}.{key}"), format!("must be between 1 and {most}"));
        }
    }
    let path = format!("{path}.step");
    let Some(inner) = &step.step else {
        found.structure(path, "required when type is forEach: the step that is repeated");
        return;
    };
    match serde_json::from_value::<Step>(inner.clone()) {
        Err(error) => found.structure(path, format!("is not a step: {error}")),
        Ok(inner) if inner.kind != StepKind::Tool => {
            found.structure(format!("{path}.type"), "must be tool: only calls can be repeated");
        }
        Ok(inner) => {
            if inner.id.is_empty() {
                found.structure(format!("{path}.id"), "required: the id of the step");
            }
            check(&inner, &path, templates, found);
        }
    }
}
