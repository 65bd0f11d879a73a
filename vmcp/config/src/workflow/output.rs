//! The result of a workflow: every property has a value to be made from.

use std::collections::BTreeMap;

use super::{Found, WorkflowFault, templates::Templates};
use crate::{WorkflowOutput, WorkflowOutputProperty, WorkflowOutputType};

pub(super) fn check(output: &WorkflowOutput, templates: &mut Templates<'_>, found: &mut Found) {
    if output.properties.is_empty() {
        found.structure("output.properties", "required: the properties of the result");
    }
    for name in output.required.iter().flatten() {
        if !output.properties.contains_key(name) {
            let message = format!("{name:?} is not one of the properties");
            found.add(WorkflowFault::Schema, "output.required", message);
        }
    }
    properties(&output.properties, "output.properties", templates, found);
}

fn properties(
    properties: &BTreeMap<String, WorkflowOutputProperty>,
    path: &str,
    templates: &mut Templates<'_>,
    found: &mut Found,
) {
    for (name, property) in properties {
        let path = format!("{path}.{name}");
        if let Some(value) = &property.value {
            templates.check(value, &format!("{path}.value"), found);
        }
        match &property.properties {
            Some(_) if property.kind != WorkflowOutputType::Object => {
                found.add(
                    WorkflowFault::Schema,
                    format!("{path}.properties"),
                    "only a property of type object has them",
                );
            }
            Some(_) if property.value.is_some() => {
                found.structure(format!("{path}.properties"), "set value or properties, not both");
            }
            Some(inner) => match serde_json::from_value(inner.clone()) {
                Ok(inner) => self::properties(&inner, &format!("{path}.properties"), templates, found),
                Err(error) => {
                    let message = format!("are not properties of a result: {error}");
                    found.add(WorkflowFault::Schema, format!("{path}.properties"), message);
                }
            },
            None if property.value.is_none() && property.default.is_none() => {
                found.structure(format!("{path}.value"), "required: a template of the value, or a default");
            }
            None => {}
        }
    }
}
