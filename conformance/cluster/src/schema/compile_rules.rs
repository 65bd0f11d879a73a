//! Compiling `x-kubernetes-validations`.

use kube_cel::cel::Program;
use serde_json::{Map, Value};

use super::error::{FieldError, join};
use super::node::Node;
use super::render;
use super::rules::Rule;
use super::type_check;

/// The reasons that a rule may give.
const REASONS: [&str; 4] = ["FieldValueRequired", "FieldValueForbidden", "FieldValueInvalid", "FieldValueDuplicate"];

/// Compiles the rules of one schema, whose own node is complete but for them.
pub(super) fn rules(schema: &Map<String, Value>, node: &Node, path: &str, errors: &mut Vec<FieldError>) -> Vec<Rule> {
    let declared = schema.get("x-kubernetes-validations").and_then(Value::as_array);
    let rules = declared.into_iter().flatten().enumerate();
    rules.filter_map(|(index, declared)| rule(declared, node, &rule_path(path, index), errors)).collect()
}

/// Checks that the rules of a compiled schema select fields that exist.
///
/// A separate pass because a rule sees everything below its node.
pub(super) fn type_check(node: &Node, schema: &Value, errors: &mut Vec<FieldError>) {
    check(node, schema, true, "", errors);
}

fn rule_path(path: &str, index: usize) -> String {
    join(path, &format!("x-kubernetes-validations[{index}]"))
}

fn rule(declared: &Value, node: &Node, path: &str, errors: &mut Vec<FieldError>) -> Option<Rule> {
    let text = |name: &str| declared.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(source) = text("rule").filter(|source| !source.trim().is_empty()) else {
        errors.push(FieldError::required(join(path, "rule"), "rule is not specified"));
        return None;
    };
    if let Some(message) = text("message") {
        if message.trim().is_empty() {
            let detail = "message must be non-empty if specified";
            errors.push(FieldError::invalid(join(path, "message"), &Value::from(message), detail));
        } else if message.trim().contains('\n') {
            let detail = "message must not contain line breaks";
            errors.push(FieldError::invalid(join(path, "message"), &Value::from(message), detail));
        }
    } else if source.trim().contains('\n') {
        let detail = "message must be specified if rule contains line breaks";
        errors.push(FieldError::required(join(path, "message"), detail));
    }
    if let Some(reason) = text("reason").filter(|reason| !REASONS.contains(reason)) {
        errors.push(FieldError::not_supported(join(path, "reason"), &Value::from(reason), &REASONS));
    }
    let program = compiled(source, declared, &join(path, "rule"), errors);
    let message_program = text("messageExpression")
        .map(|expression| compiled(expression, declared, &join(path, "messageExpression"), errors));
    let declared_path = text("fieldPath");
    let field_path = declared_path.and_then(|declared| normalized(declared, node));
    if let (Some(declared), None) = (declared_path, &field_path) {
        let detail = "fieldPath must be a valid path: does not refer to a valid field";
        errors.push(FieldError::invalid(join(path, "fieldPath"), &Value::from(declared), detail));
    }
    let program = program?;
    Some(Rule {
        source: source.to_owned(),
        message: text("message").map(ToOwned::to_owned),
        reason: text("reason").map(ToOwned::to_owned),
        field_path,
        optional_old_self: declared.get("optionalOldSelf") == Some(&Value::Bool(true)),
        uses_old_self: program.references().has_variable("oldSelf"),
        program,
        message_program: message_program.flatten(),
    })
}

fn compiled(source: &str, declared: &Value, path: &str, errors: &mut Vec<FieldError>) -> Option<Program> {
    match Program::compile(source) {
        Ok(program) => Some(program),
        Err(error) => {
            let detail = format!("compilation failed: {}", error.to_string().replace("\n| ", "\n | "));
            errors.push(refused(declared, path, &detail));
            None
        }
    }
}

/// An error that shows the whole rule, as the API server does.
fn refused(declared: &Value, path: &str, detail: &str) -> FieldError {
    let text = |name: &str| render::json(declared.get(name).unwrap_or(&Value::from("")));
    let optional = |name: &str| render::json(declared.get(name).unwrap_or(&Value::Null));
    let rule = format!(
        "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{},\"FieldPath\":{},\"OptionalOldSelf\":{}}}",
        text("rule"),
        text("message"),
        text("messageExpression"),
        optional("reason"),
        text("fieldPath"),
        optional("optionalOldSelf"),
    );
    FieldError::with_rendered(super::ErrorKind::Invalid, path, &rule, detail)
}

/// A `fieldPath` (`.spec.name`, `.labels['a/b']`) as errors spell it, if it leads to a field of the schema.
fn normalized(declared: &str, node: &Node) -> Option<String> {
    let (mut path, mut node, mut rest) = (String::new(), node, declared);
    while !rest.is_empty() {
        let (name, after) = if let Some(quoted) = rest.strip_prefix("['") {
            quoted.split_once("']")?
        } else {
            let named = rest.strip_prefix('.')?;
            named.split_at(named.find(['.', '[']).unwrap_or(named.len()))
        };
        if let Some(property) = node.properties.get(name) {
            (path, node) = (join(&path, name), property);
        } else {
            (path, node) = (format!("{path}[{name}]"), node.additional_schema()?);
        }
        rest = after;
    }
    Some(path)
}

fn check(node: &Node, schema: &Value, resource: bool, path: &str, errors: &mut Vec<FieldError>) {
    let declared = schema.get("x-kubernetes-validations").and_then(Value::as_array);
    for (index, (rule, declared)) in node.rules.iter().zip(declared.into_iter().flatten()).enumerate() {
        let path = rule_path(path, index);
        if let Some(problem) = type_check::problem(&rule.program, &rule.source, node, resource) {
            errors.push(refused(declared, &join(&path, "rule"), &format!("compilation failed: {problem}")));
        }
    }
    for (name, property) in &node.properties {
        if let Some(schema) = schema.get("properties").and_then(|properties| properties.get(name)) {
            check(property, schema, property.embedded_resource, &join(path, &format!("properties[{name}]")), errors);
        }
    }
    if let (Some(items), Some(schema)) = (&node.items, schema.get("items")) {
        check(items, schema, items.embedded_resource, &join(path, "items"), errors);
    }
    if let (Some(nested), Some(schema)) = (node.additional_schema(), schema.get("additionalProperties")) {
        check(nested, schema, nested.embedded_resource, &join(path, "additionalProperties"), errors);
    }
}
