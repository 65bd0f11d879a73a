//! What the values in a failed clause are: `status.phase is "Failed"; spec.transport is missing`.

use kube_cel::cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};
use kube_cel::cel::{Context, ExecutionError};
use serde_json::Value;

use super::value::to_json;

/// Longer values are cut: the report's folder has all of them.
const LONGEST: usize = 300;

/// Says the value of each path that the clause reads, in the order of the text.
pub(super) fn describe(tree: &IdedExpr, context: &Context<'_>) -> String {
    let mut paths = Vec::new();
    collect(tree, &mut paths);
    let mut said: Vec<String> = Vec::new();
    for (path, expression) in paths {
        let sentence = match context.resolve(expression) {
            Ok(value) => format!("{path} is {}", shown(to_json(&value).as_ref())),
            Err(ExecutionError::NoSuchKey(_)) => match parent(expression, context) {
                Some((parent, value)) => {
                    format!("{path} is missing ({parent} is {})", shown(Some(&value)))
                }
                None => format!("{path} is missing"),
            },
            Err(error) => format!("{path}: {error}"),
        };
        if !said.contains(&sentence) {
            said.push(sentence);
        }
    }
    said.join("; ")
}

/// The nearest part of a path that exists.
fn parent(path: &IdedExpr, context: &Context<'_>) -> Option<(String, Value)> {
    let operand = match &path.expr {
        Expr::Select(select) => &select.operand,
        Expr::Call(call) => call.target.as_deref().or(call.args.first())?,
        _ => return None,
    };
    match context.resolve(operand) {
        Ok(value) => Some((written(operand)?, to_json(&value)?)),
        Err(_) => parent(operand, context),
    }
}

/// Collects the longest paths: identifiers with what is selected from them.
fn collect<'a>(tree: &'a IdedExpr, paths: &mut Vec<(String, &'a IdedExpr)>) {
    if let Some(path) = written(tree) {
        if !matches!(tree.expr, Expr::Literal(_)) {
            paths.push((path, tree));
        }
        return;
    }
    match &tree.expr {
        Expr::Select(select) => collect(&select.operand, paths),
        Expr::Call(call) => {
            for part in call.target.iter().map(AsRef::as_ref).chain(&call.args) {
                collect(part, paths);
            }
        }
        Expr::List(list) => list.elements.iter().for_each(|item| collect(item, paths)),
        Expr::Comprehension(loops) => collect(&loops.iter_range, paths),
        _ => {}
    }
}

/// A path as an author would write it; `None` for what is not a path.
fn written(tree: &IdedExpr) -> Option<String> {
    match &tree.expr {
        Expr::Ident(name) if !name.starts_with(['@', '_']) => Some(name.clone()),
        Expr::Literal(LiteralValue::String(text)) => Some(format!("'{}'", text.inner())),
        Expr::Literal(LiteralValue::Int(number)) => Some(number.inner().to_string()),
        Expr::Select(select) if select.test => Some(format!("has({}.{})", written(&select.operand)?, select.field)),
        Expr::Select(select) => Some(format!("{}.{}", written(&select.operand)?, select.field)),
        Expr::Call(call) if call.func_name == operators::INDEX => {
            Some(format!("{}[{}]", written(call.args.first()?)?, written(call.args.get(1)?)?))
        }
        Expr::Call(call) if is_accessor(&call.func_name) => {
            let arguments: Vec<String> = call.args.iter().map(written).collect::<Option<_>>()?;
            let arguments = arguments.join(", ");
            Some(match &call.target {
                Some(target) => format!("{}.{}({arguments})", written(target)?, call.func_name),
                None => format!("{}({arguments})", call.func_name),
            })
        }
        _ => None,
    }
}

fn is_accessor(function: &str) -> bool {
    matches!(function, "condition" | "size" | "json" | "jwt" | "base64" | "unbase64")
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "a value that is not JSON".to_owned();
    };
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    let cut: String = text.chars().take(LONGEST).collect();
    format!("{cut}… ({} characters)", text.chars().count())
}
