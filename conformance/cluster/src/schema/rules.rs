//! CEL rules (`x-kubernetes-validations`): compiled once, evaluated beside the values they guard.

use std::sync::Arc;

use kube_cel::KubeCelExt as _;
use kube_cel::cel::objects::OptionalValue;
use kube_cel::cel::{Context, ExecutionError, Program, Value as CelValue};
use serde_json::Value;

use super::binding;
use super::error::{ErrorKind, FieldError, join};
use super::node::{JsonType, ListType, Node, correlated};
use super::render;

/// The longest message that a `messageExpression` may give.
const LONGEST_MESSAGE: usize = 5 * 1024;

thread_local! {
    /// The functions that rules may call. A context is not `Sync`, and building one costs more than most rules.
    static FUNCTIONS: Context<'static> = functions();
}

/// Kubernetes' functions, and `type`, which the interpreter lacks: types are compared by their names.
fn functions() -> Context<'static> {
    let mut context = Context::default().with_all();
    context.add_function("type", |value: CelValue| Arc::new(type_name(&value).to_owned()));
    context.add_function("dyn", |value: CelValue| -> Result<CelValue, ExecutionError> { Ok(value) });
    for name in ["int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type"] {
        context.add_variable_from_value(name, CelValue::String(Arc::new(name.to_owned())));
    }
    context
}

fn type_name(value: &CelValue) -> &'static str {
    match value {
        CelValue::Int(_) => "int",
        CelValue::UInt(_) => "uint",
        CelValue::Float(_) => "double",
        CelValue::Bool(_) => "bool",
        CelValue::String(_) => "string",
        CelValue::Bytes(_) => "bytes",
        CelValue::List(_) => "list",
        CelValue::Map(_) => "map",
        CelValue::Null => "null_type",
        _ => "type",
    }
}

/// One entry of `x-kubernetes-validations`.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) source: String,
    pub(super) message: Option<String>,
    pub(super) reason: Option<String>,
    /// Relative to the node, without the leading dot.
    pub(super) field_path: Option<String>,
    pub(super) optional_old_self: bool,
    pub(super) uses_old_self: bool,
    pub(super) program: Program,
    pub(super) message_program: Option<Program>,
}

impl Rule {
    /// What the rule demands, for errors of the evaluation.
    fn purpose(&self) -> &str {
        self.message.as_deref().unwrap_or(&self.source).trim()
    }

    /// What is said when the rule does not hold.
    fn refusal(&self, context: &Context<'_>) -> String {
        let expression = self.message_program.as_ref().and_then(|program| match program.execute(context) {
            Ok(CelValue::String(text)) => Some(text.trim().to_owned()),
            _ => None,
        });
        let usable = |text: &String| !text.is_empty() && text.len() <= LONGEST_MESSAGE && !text.contains('\n');
        match (expression.filter(usable), &self.message) {
            (Some(text), _) => text,
            (None, Some(message)) => message.trim().to_owned(),
            (None, None) => format!("failed rule: {}", self.purpose()),
        }
    }
}

/// A value beside its old one, on the way down.
#[derive(Clone, Copy)]
struct Pair<'a> {
    new: &'a Value,
    old: Option<&'a Value>,
    /// Whether this value, or the nearest one above that has an old one, is unchanged: failures are then tolerated.
    unchanged: bool,
}

/// Evaluates all rules of a resource.
pub(super) fn check(root: &Node, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let pair = Pair { new: object, old, unchanged: false };
    FUNCTIONS.with(|functions| walk(root, pair, "", true, functions, &mut errors));
    errors
}

fn walk(
    node: &Node,
    pair: Pair<'_>,
    path: &str,
    resource: bool,
    functions: &Context<'_>,
    errors: &mut Vec<FieldError>,
) {
    if !node.has_rules || pair.new.is_null() {
        return;
    }
    evaluate(&node.rules, node, pair, path, resource, functions, errors);
    for branch in &node.limits.all_of {
        evaluate(&branch.rules, node, pair, path, resource, functions, errors);
    }
    match pair.new {
        Value::Array(items) => {
            let Some(schema) = &node.items else { return };
            for (index, item) in items.iter().enumerate() {
                let old = match &node.list_type {
                    ListType::Map(keys) => correlated(keys, item, pair.old),
                    _ => None,
                };
                let path = format!("{path}[{index}]");
                walk(schema, below(pair, item, old), &path, schema.embedded_resource, functions, errors);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let old = pair.old.filter(|_| !node.atomic_map).and_then(|old| old.get(name));
                let (schema, path) = match (node.properties.get(name), node.additional_schema()) {
                    (Some(schema), _) => (schema, join(path, name)),
                    (None, Some(schema)) => (schema, format!("{path}[{name}]")),
                    (None, None) => continue,
                };
                walk(schema, below(pair, value, old), &path, schema.embedded_resource, functions, errors);
            }
        }
        _ => {}
    }
}

fn below<'a>(parent: Pair<'a>, new: &'a Value, old: Option<&'a Value>) -> Pair<'a> {
    let unchanged = match old {
        Some(old) => old == new,
        None => parent.unchanged,
    };
    Pair { new, old, unchanged }
}

fn evaluate(
    rules: &[Rule],
    node: &Node,
    pair: Pair<'_>,
    path: &str,
    resource: bool,
    functions: &Context<'_>,
    errors: &mut Vec<FieldError>,
) {
    if rules.is_empty() {
        return;
    }
    let old = pair.old.filter(|old| !old.is_null());
    let bind = |value: &Value| {
        if resource { binding::resource(node, value) } else { binding::value(node, value) }
    };
    let old_self = if rules.iter().any(|rule| rule.uses_old_self) { old.map(bind) } else { None };
    let mut scope = functions.new_inner_scope();
    scope.add_variable_from_value("self", bind(pair.new));

    for rule in rules {
        if rule.uses_old_self && old_self.is_none() && !rule.optional_old_self {
            continue; // a transition rule, and nothing to come from
        }
        let mut context = scope.new_inner_scope();
        if rule.optional_old_self {
            let optional = old_self.clone().map_or_else(OptionalValue::none, OptionalValue::of);
            context.add_variable_from_value("oldSelf", CelValue::Opaque(Arc::new(optional)));
        } else if let Some(old_self) = &old_self {
            context.add_variable_from_value("oldSelf", old_self.clone());
        }
        match rule.program.execute(&context) {
            Ok(CelValue::Bool(true)) => {}
            Ok(_) if pair.unchanged && !rule.uses_old_self => {}
            Ok(_) => errors.push(refused(rule, node, pair.new, path, &context)),
            Err(error) => {
                let detail = failure(&error, rule.purpose());
                let kind = node.json_type.map_or("", JsonType::name);
                errors.push(FieldError::with_rendered(ErrorKind::Invalid, field(path), &render::quote(kind), &detail));
            }
        }
    }
}

/// The path of an error; that of a rule at the root is of no field.
fn field(path: &str) -> String {
    if path.is_empty() { "<nil>".to_owned() } else { path.to_owned() }
}

fn refused(rule: &Rule, node: &Node, value: &Value, path: &str, context: &Context<'_>) -> FieldError {
    let detail = rule.refusal(context);
    let path = field(&rule.field_path.as_ref().map_or_else(|| path.to_owned(), |below| join(path, below)));
    let composed = matches!(node.json_type, Some(JsonType::Object | JsonType::Array));
    match rule.reason.as_deref() {
        Some("FieldValueForbidden") => FieldError::forbidden(path, &detail),
        Some("FieldValueRequired") => FieldError::required(path, &detail),
        Some("FieldValueDuplicate") if composed => FieldError::without_value(ErrorKind::Duplicate, path, ""),
        Some("FieldValueDuplicate") => FieldError::with_value(ErrorKind::Duplicate, path, value, ""),
        _ if composed => FieldError::without_value(ErrorKind::Invalid, path, &detail),
        _ => FieldError::invalid(path, value, &detail),
    }
}

/// An error of the evaluation, as the API server's interpreter says it.
fn failure(error: &ExecutionError, purpose: &str) -> String {
    let words = match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::IndexOutOfBounds(CelValue::Int(index)) => {
            format!("index out of bounds: {index}")
        }
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        ExecutionError::Overflow(..) => "integer overflow".to_owned(),
        ExecutionError::NoSuchOverload
        | ExecutionError::UnsupportedUnaryOperator(..)
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::ValuesNotComparable(..) => {
            let words =
                "'no such overload': call arguments did not match a supported operator, function or macro signature";
            return format!("{words} for rule: {purpose}");
        }
        ExecutionError::FunctionError { message, .. } => message.clone(),
        other => other.to_string(),
    };
    format!("{words} evaluating rule: {purpose}")
}
