//! `${expression}` in the texts of a step.

use serde_json::Value;

use super::load::Refusal;
use crate::diagnostic::Position;
use crate::expression::{EvaluationError, Expression, Variables};
use crate::yaml::{Node, NodeValue};

/// A part of a text.
#[derive(Debug, PartialEq)]
enum Part<'a> {
    Literal(&'a str),
    /// The expression's text and its offset in the whole text.
    Expression(&'a str, usize),
}

/// Splits a text. A `${` without its `}` is taken as it stands.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut start, mut search) = (0, 0);
    while let Some(found) = text[search..].find("${").map(|offset| search + offset) {
        if text[..found].ends_with('$') {
            // `$${` is a literal `${`: one of the dollars is left out.
            parts.push(Part::Literal(&text[start..found - 1]));
            start = found;
            search = found + 2;
            continue;
        }
        let Some(length) = closing(&text[found + 2..]) else {
            break;
        };
        if found > start {
            parts.push(Part::Literal(&text[start..found]));
        }
        parts.push(Part::Expression(&text[found + 2..found + 2 + length], found + 2));
        start = found + 2 + length + 1;
        search = start;
    }
    if start < text.len() {
        parts.push(Part::Literal(&text[start..]));
    }
    parts
}

/// The length of an expression up to the brace that closes it.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_u32, None);
    for (index, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(index),
            (None, '}') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn compile(text: &str, whole: &str, offset: usize, at: Position) -> Result<Expression, Refusal> {
    let passed = u32::try_from(whole[..offset].chars().count()).unwrap_or(0);
    let at = Position { column: at.column + passed, ..at };
    Expression::compile(text, at).map_err(|error| Refusal::at(error.at, error.message))
}

/// The expressions in a text that stands at `at`.
pub(super) fn expressions(text: &str, at: Position) -> Result<Vec<Expression>, Refusal> {
    parts(text)
        .into_iter()
        .filter_map(|part| match part {
            Part::Expression(inner, offset) => Some(compile(inner, text, offset, at)),
            Part::Literal(_) => None,
        })
        .collect()
}

/// Replaces what stands in `${...}`; a text that is one expression alone keeps the value's type.
pub fn resolve_value(value: &Value, variables: &Variables) -> Result<Value, EvaluationError> {
    Ok(match value {
        Value::String(text) => resolve(text, Position::default(), variables, |_| true)?,
        Value::Array(items) => items.iter().map(|item| resolve_value(item, variables)).collect::<Result<_, _>>()?,
        Value::Object(entries) => entries
            .iter()
            .map(|(name, value)| {
                let name = resolve_text(name, variables)?;
                Ok((name, resolve_value(value, variables)?))
            })
            .collect::<Result<_, EvaluationError>>()?,
        scalar => scalar.clone(),
    })
}

/// Replaces what stands in `${...}` of a text.
pub fn resolve_text(text: &str, variables: &Variables) -> Result<String, EvaluationError> {
    Ok(match resolve(text, Position::default(), variables, |_| true)? {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

/// Replaces `${row...}` in every text and key of a node.
pub(super) fn fill_row(node: &Node, variables: &Variables) -> Result<Node, EvaluationError> {
    let of_row = |expression: &Expression| expression.variables().iter().all(|(name, _)| name == "row");
    let value = match &node.value {
        NodeValue::Text(text) if text.contains("${") => {
            let filled = resolve(text, node.at, variables, of_row)?;
            return Ok(Node::from_json(&filled, node.at));
        }
        NodeValue::List(items) => {
            NodeValue::List(items.iter().map(|item| fill_row(item, variables)).collect::<Result<_, _>>()?)
        }
        NodeValue::Map(entries) => NodeValue::Map(
            entries
                .iter()
                .map(|(key, value)| {
                    let mut key = key.clone();
                    if key.name.contains("${") {
                        key.name = match resolve(&key.name, key.at, variables, of_row)? {
                            Value::String(text) => text,
                            other => other.to_string(),
                        };
                    }
                    Ok((key, fill_row(value, variables)?))
                })
                .collect::<Result<_, EvaluationError>>()?,
        ),
        other => other.clone(),
    };
    Ok(Node { value, at: node.at })
}

/// Replaces the expressions that `chosen` accepts and leaves the others as they stand.
fn resolve(
    text: &str,
    at: Position,
    variables: &Variables,
    chosen: impl Fn(&Expression) -> bool,
) -> Result<Value, EvaluationError> {
    if !text.contains("${") {
        return Ok(Value::String(text.to_owned()));
    }
    let parts = parts(text);
    let alone = parts.len() == 1;
    let mut filled = String::new();
    for part in parts {
        match part {
            Part::Literal(literal) => filled.push_str(literal),
            Part::Expression(inner, offset) => {
                let expression = compile(inner, text, offset, at).map_err(|refusal| EvaluationError {
                    expression: inner.to_owned(),
                    at,
                    reason: refusal.message,
                })?;
                if !chosen(&expression) {
                    filled.push_str("${");
                    filled.push_str(inner);
                    filled.push('}');
                    continue;
                }
                match expression.evaluate(variables)? {
                    value if alone => return Ok(value),
                    Value::String(value) => filled.push_str(&value),
                    value => filled.push_str(&value.to_string()),
                }
            }
        }
    }
    Ok(Value::String(filled))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    fn variables() -> Variables {
        Variables::new()
            .with("namespace", "ns-1")
            .with("ca", json!({"partner-ca": "PEM"}))
            .with("row", json!({"n": 3, "list": ["A"]}))
    }

    #[test]
    fn a_text_that_is_one_expression_keeps_its_type() {
        let resolved = resolve_value(&json!({"a": "${row.n}", "b": "n=${row.n}"}), &variables());
        assert_eq!(resolved.unwrap(), json!({"a": 3, "b": "n=3"}));
    }

    #[test]
    fn quotes_and_braces_inside_an_expression_do_not_end_it() {
        let text = "x ${ca['partner-ca']} ${{'}': '1'}['}']} y";
        assert_eq!(resolve_text(text, &variables()).unwrap(), "x PEM 1 y");
    }

    #[test]
    fn two_dollars_are_a_literal() {
        assert_eq!(resolve_text("a $${b} ${namespace}", &variables()).unwrap(), "a ${b} ns-1");
    }

    #[test]
    fn a_row_fills_its_own_expressions_and_leaves_the_others() {
        let node =
            Node::from_json(&json!({"verifies": "${row.list}", "x": "${namespace}-${row.n}"}), Position::default());
        let filled = fill_row(&node, &variables()).unwrap().to_json();
        assert_eq!(filled, json!({"verifies": ["A"], "x": "${namespace}-3"}));
    }
}
