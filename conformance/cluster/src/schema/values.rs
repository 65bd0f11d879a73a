//! Validation of values: types, bounds, lengths, patterns, enumerations, formats and combinations of schemas.
//!
//! An unchanged value is not held against an update: a schema that became stricter does not stop writes to other fields.

use serde_json::{Map, Number, Value};

use super::error::{ErrorKind, FieldError};
use super::format;
use super::node::{Bound, JsonType, ListType, Node, correlated};
use super::render;

/// Validates `value`, which stands at `path`, against its schema.
pub(super) fn validate(node: &Node, value: &Value, old: Option<&Value>, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if old != Some(value) {
        Check { node, path, errors: &mut errors }.run(value, old);
    }
    errors
}

struct Check<'a> {
    node: &'a Node,
    path: &'a str,
    errors: &'a mut Vec<FieldError>,
}

impl Check<'_> {
    fn run(&mut self, value: &Value, old: Option<&Value>) {
        self.json_type(value);
        if value.is_null() {
            self.choices(value);
            return;
        }
        self.combinations(value);
        match value {
            Value::String(text) => self.string(text, value),
            Value::Number(number) => self.number(number, value),
            Value::Array(items) => self.array(items, old),
            _ => {}
        }
        self.choices(value);
        if let Value::Object(fields) = value {
            self.object(fields, old);
        }
    }

    /// Adds an error unless the same was found already.
    fn push(&mut self, error: FieldError) {
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    fn extend(&mut self, errors: Vec<FieldError>) {
        for error in errors {
            self.push(error);
        }
    }

    fn field(&self) -> &str {
        self.path.strip_prefix('.').unwrap_or(self.path)
    }

    fn invalid(&mut self, value: &Value, what: &str) {
        let detail = format!("{} in body {what}", self.path);
        self.push(FieldError::invalid(self.field(), value, &detail));
    }

    /// An error of the value as a whole, which names no field.
    fn fieldless(&mut self, detail: &str) {
        self.push(FieldError::with_rendered(ErrorKind::Invalid, "<nil>", "\"\"", detail));
    }

    fn wrong_type(&mut self, expected: &str, actual: &str) {
        let actual = render::quote(actual);
        let detail = format!("{} in body must be of type {expected}: {actual}", self.path);
        self.push(FieldError::with_rendered(ErrorKind::TypeInvalid, self.field(), &actual, &detail));
    }

    fn json_type(&mut self, value: &Value) {
        let Some(expected) = self.node.type_names() else {
            return;
        };
        let accepts = |kind: JsonType| {
            self.node.json_type == Some(kind)
                || self.node.int_or_string && matches!(kind, JsonType::Integer | JsonType::String)
        };
        let accepted = match value {
            Value::Null => self.node.nullable,
            Value::Bool(_) => accepts(JsonType::Boolean),
            Value::String(_) => accepts(JsonType::String),
            Value::Array(_) => accepts(JsonType::Array),
            Value::Object(_) => accepts(JsonType::Object),
            Value::Number(number) => accepts(JsonType::Number) || accepts(JsonType::Integer) && is_integral(number),
        };
        if accepted {
            return;
        }
        // Numbers are described by their format when one is declared.
        match (value, &self.node.limits.format) {
            (Value::Number(number), Some(format)) => {
                let actual = if number.is_f64() { "float64" } else { "int64" };
                self.wrong_type(&format.clone(), actual);
            }
            (Value::Bool(_) | Value::Object(_), Some(format)) => {
                self.wrong_type(&format.clone(), "");
            }
            (Value::Number(number), None) if number.is_f64() => self.wrong_type(expected, "number"),
            _ => self.wrong_type(expected, type_name(value)),
        }
    }

    fn choices(&mut self, value: &Value) {
        let choices = &self.node.limits.choices;
        if choices.is_empty() || choices.iter().any(|choice| same(choice, value)) {
            return;
        }
        let supported: Vec<String> = choices
            .iter()
            .map(|choice| choice.as_str().map_or_else(|| render::json(choice), ToOwned::to_owned))
            .collect();
        self.push(FieldError::not_supported(self.field(), value, &supported));
    }

    fn string(&mut self, text: &str, value: &Value) {
        let limits = &self.node.limits;
        let length = text.chars().count() as u64;
        if let Some(longest) = limits.max_length.filter(|longest| length > *longest) {
            let detail = format!("may not be more than {longest} bytes");
            self.push(FieldError::without_value(ErrorKind::TooLong, self.field(), &detail));
        } else if let Some(shortest) = limits.min_length.filter(|shortest| length < *shortest) {
            self.invalid(value, &format!("should be at least {shortest} chars long"));
        } else if let Some(pattern) = limits.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            self.invalid(value, &format!("should match '{pattern}'"));
        }
        if let Some(format) = limits.format.as_deref().filter(|format| !format::holds(format, text)) {
            let rendered = render::quote(text);
            let detail = format!("{} in body must be of type {format}: {rendered}", self.path);
            self.push(FieldError::with_rendered(ErrorKind::TypeInvalid, self.field(), &rendered, &detail));
        }
    }

    fn number(&mut self, number: &Number, value: &Value) {
        let limits = &self.node.limits;
        if self.node.json_type == Some(JsonType::Integer) {
            let fits = match limits.format.as_deref() {
                Some("int32") => whole(number).is_some_and(|number| i32::try_from(number).is_ok()),
                _ => whole(number).is_some_and(|number| i64::try_from(number).is_ok()),
            };
            if !fits {
                let form = limits.format.as_deref();
                let form = form.map_or_else(|| "(default format)".to_owned(), |format| format!("with format {format}"));
                self.fieldless(&format!("Checked value must be of type integer {form} in {}", self.path));
            }
        }
        let Some(float) = number.as_f64() else { return };
        if let Some(divisor) = &limits.multiple_of
            && divisor.as_f64().is_some_and(|divisor| (float / divisor).fract() != 0.0)
        {
            self.invalid(value, &format!("should be a multiple of {}", render::number(divisor)));
        }
        if let Some(bound) = limits.minimum.as_ref().filter(|bound| beyond(bound, |limit| float < limit, float)) {
            let words = if bound.exclusive { "greater than" } else { "greater than or equal to" };
            self.invalid(value, &format!("should be {words} {}", render::number(&bound.limit)));
        }
        if let Some(bound) = limits.maximum.as_ref().filter(|bound| beyond(bound, |limit| float > limit, float)) {
            let words = if bound.exclusive { "less than" } else { "less than or equal to" };
            self.invalid(value, &format!("should be {words} {}", render::number(&bound.limit)));
        }
    }

    fn array(&mut self, items: &[Value], old: Option<&Value>) {
        if let Some(schema) = &self.node.items {
            for (index, item) in items.iter().enumerate() {
                let old = match &self.node.list_type {
                    ListType::Map(keys) => correlated(keys, item, old),
                    _ => None,
                };
                self.extend(validate(schema, item, old, &format!("{}[{index}]", self.path)));
            }
        }
        let (limits, count) = (&self.node.limits, items.len() as u64);
        if let Some(fewest) = limits.min_items.filter(|fewest| count < *fewest) {
            let value = Value::from(count);
            self.invalid(&value, &format!("should have at least {fewest} items"));
        }
        if let Some(most) = limits.max_items.filter(|most| count > *most) {
            self.too_many(count, most);
        }
    }

    fn object(&mut self, fields: &Map<String, Value>, old: Option<&Value>) {
        let (limits, count) = (&self.node.limits, fields.len() as u64);
        if let Some(fewest) = limits.min_properties.filter(|fewest| count < *fewest) {
            let value = Value::from(count);
            self.invalid(&value, &format!("should have at least {fewest} properties"));
            return;
        }
        if let Some(most) = limits.max_properties.filter(|most| count > *most) {
            self.too_many(count, most);
            return;
        }
        for name in limits.required.iter().filter(|name| !fields.contains_key(*name)) {
            let path = format!("{}.{name}", self.path);
            self.push(FieldError::required(path.strip_prefix('.').unwrap_or(&path), ""));
        }
        let old = if self.node.atomic_map { None } else { old };
        for (name, value) in fields {
            let Some(schema) = self.node.property(name) else {
                continue;
            };
            let declared_at_root = self.path.is_empty() && self.node.properties.contains_key(name);
            let path = if declared_at_root { name.clone() } else { format!("{}.{name}", self.path) };
            self.extend(validate(schema, value, old.and_then(|old| old.get(name)), &path));
        }
    }

    fn too_many(&mut self, count: u64, most: u64) {
        let noun = if most == 1 { "item" } else { "items" };
        let detail = format!("must have at most {most} {noun}");
        self.push(FieldError::with_value(ErrorKind::TooMany, self.field(), &Value::from(count), &detail));
    }

    fn combinations(&mut self, value: &Value) {
        let limits = &self.node.limits;
        let attempt = |branch: &Node| validate(branch, value, None, self.path);
        let any: Vec<_> = limits.any_of.iter().map(attempt).collect();
        let one: Vec<_> = limits.one_of.iter().map(attempt).collect();
        let all: Vec<_> = limits.all_of.iter().map(attempt).collect();
        let negated = limits.not.as_deref().is_some_and(|branch| attempt(branch).is_empty());
        let quoted = render::quote(self.path);

        if !any.is_empty() && !any.iter().any(Vec::is_empty) {
            self.fieldless(&format!("{quoted} must validate at least one schema (anyOf)"));
            self.extend(any.into_iter().next().unwrap_or_default());
        }
        if !one.is_empty() {
            match one.iter().filter(|errors| errors.is_empty()).count() {
                1 => {}
                0 => {
                    self.fieldless(&format!(
                        "{quoted} must validate one and only one schema (oneOf). Found none valid"
                    ));
                    self.extend(one.into_iter().next().unwrap_or_default());
                }
                valid => self.fieldless(&format!(
                    "{quoted} must validate one and only one schema (oneOf). Found {valid} valid alternatives"
                )),
            }
        }
        let failed = all.iter().filter(|errors| !errors.is_empty()).count();
        if failed > 0 {
            let none = if failed == all.len() { ". None validated" } else { "" };
            self.extend(all.into_iter().flatten().collect());
            self.fieldless(&format!("{quoted} must validate all the schemas (allOf){none}"));
        }
        if negated {
            self.fieldless(&format!("{quoted} must not validate the schema (not)"));
        }
    }
}

fn beyond(bound: &Bound, outside: impl Fn(f64) -> bool, value: f64) -> bool {
    bound.limit.as_f64().is_some_and(|limit| {
        #[allow(clippy::float_cmp)] // the bound itself, exactly, is what `exclusive` is about
        let on_the_bound = value == limit;
        outside(limit) || bound.exclusive && on_the_bound
    })
}

/// Equality across the spellings of a number: 1 and 1.0 are the same.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_integral(number: &Number) -> bool {
    whole(number).is_some()
}

/// The number without a fraction, if it has none.
fn whole(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_i128() {
        return Some(number);
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e30)?;
    #[allow(clippy::cast_possible_truncation)] // whole and far below the limits of i128
    let number = float as i128;
    Some(number)
}
