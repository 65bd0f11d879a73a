//! Looking at an expression without evaluating it: its clauses, its variables, its errors.

use std::collections::BTreeSet;
use std::ops::Range;

use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedExpr};
use kube_cel::cel::{ParseErrors, parser::Expression as Tree};

use super::CompileError;
use crate::diagnostic::Position;

/// The parts that the outermost `&&` join; the whole text when `||` or `?` stand beside them.
pub(super) fn conjuncts(text: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut quote) = (0_i32, 0, None);
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        let byte = bytes[index];
        match (quote, byte) {
            (Some(_), b'\\') => index += 1,
            (Some(open), _) if open == byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'(' | b'[' | b'{') => depth += 1,
            (None, b')' | b']' | b'}') => depth -= 1,
            (None, b'|' | b'?') if depth == 0 => return vec![trimmed(text, 0..text.len())],
            (None, b'&') if depth == 0 && bytes.get(index + 1) == Some(&b'&') => {
                parts.push(trimmed(text, start..index));
                index += 1;
                start = index + 1;
            }
            _ => {}
        }
        index += 1;
    }
    parts.push(trimmed(text, start..text.len()));
    parts
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let start = range.start + (part.len() - part.trim_start().len());
    start..start + part.trim().len()
}

/// The place after `passed`, when `passed` starts at `at`.
///
/// Right for texts that the file holds on one line or as a block; a text that the file folds is counted as if
/// it were one line.
pub(super) fn advance(at: Position, passed: &str) -> Position {
    let lines = u32::try_from(passed.matches('\n').count()).unwrap_or(0);
    let last = passed.rsplit('\n').next().unwrap_or(passed);
    let columns = u32::try_from(last.chars().count()).unwrap_or(0);
    Position { line: at.line + lines, column: at.column + columns }
}

pub(super) fn compile_error(text: &str, at: Position, errors: &ParseErrors) -> CompileError {
    let Some(first) = errors.errors.first() else {
        let message = "not an expression".to_owned();
        return CompileError { at, message };
    };
    let line = usize::try_from(first.pos.0.max(1)).unwrap_or(1);
    let column = usize::try_from(first.pos.1.max(1)).unwrap_or(1);
    let before: usize = text.split_inclusive('\n').take(line - 1).map(|line| line.chars().count()).sum();
    let passed: String = text.chars().take(before + column - 1).collect();
    let message = first.msg.lines().next().unwrap_or_default().trim();
    CompileError { at: advance(at, &passed), message: format!("not a CEL expression: {message}") }
}

/// The names that an expression takes from outside.
pub(super) fn free_variables(tree: &Tree) -> Vec<String> {
    let mut names = BTreeSet::new();
    collect(tree, &mut Vec::new(), &mut names);
    names.into_iter().collect()
}

fn collect(tree: &IdedExpr, bound: &mut Vec<String>, names: &mut BTreeSet<String>) {
    match &tree.expr {
        Expr::Ident(name) => {
            if !bound.contains(name) && !is_type_name(name) {
                names.insert(name.clone());
            }
        }
        Expr::Select(select) => collect(&select.operand, bound, names),
        Expr::Call(call) => {
            for part in call.target.iter().map(AsRef::as_ref).chain(&call.args) {
                collect(part, bound, names);
            }
        }
        Expr::List(list) => list.elements.iter().for_each(|item| collect(item, bound, names)),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    collect(&entry.key, bound, names);
                    collect(&entry.value, bound, names);
                }
            }
        }
        Expr::Comprehension(loops) => {
            collect(&loops.iter_range, bound, names);
            collect(&loops.accu_init, bound, names);
            let outside = bound.len();
            bound.push(loops.iter_var.clone());
            bound.extend(loops.iter_var2.clone());
            bound.push(loops.accu_var.clone());
            for part in [&loops.loop_cond, &loops.loop_step, &loops.result] {
                collect(part, bound, names);
            }
            bound.truncate(outside);
        }
        Expr::Struct(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

fn is_type_name(name: &str) -> bool {
    matches!(name, "bool" | "bytes" | "double" | "int" | "list" | "map" | "null_type" | "string" | "uint" | "type")
}
