//! A small type check of rules: names must be bound, and fields that a rule selects must be declared.
//!
//! The API server's compiler knows the types of everything; this one follows declared fields, lists and maps from `self`
//! and takes the rest as dynamic. It finds the mistakes that authors of rules make most: misspelt fields.

use std::collections::HashMap;

use kube_cel::cel::Program;
use kube_cel::cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedExpr, operators};

use super::binding::escape;
use super::node::{JsonType, Node};

/// What is known of an expression's type.
#[derive(Clone, Copy)]
enum Known<'a> {
    Value(&'a Node),
    Resource(&'a Node),
    Metadata,
    Dynamic,
}

/// Identifiers that are bound in every rule: types, and the name spaces of functions.
const GLOBAL: [&str; 24] = [
    "self",
    "oldSelf",
    "int",
    "uint",
    "double",
    "bool",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
    "google",
    "timestamp",
    "duration",
    "sets",
    "math",
    "lists",
    "strings",
    "base64",
    "format",
    "ip",
    "optional",
    "cel",
];

type Scope<'a> = HashMap<String, Known<'a>>;

/// The first problem of a rule, worded as the API server's compiler does, with the place in the source.
pub(super) fn problem(program: &Program, source: &str, node: &Node, resource: bool) -> Option<String> {
    let own = if resource { Known::Resource(node) } else { Known::Value(node) };
    let scope = Scope::from([("self".to_owned(), own), ("oldSelf".to_owned(), own)]);
    let mut check = Check { source, problem: None };
    check.expression(program.expression(), &scope);
    check.problem
}

struct Check<'s> {
    source: &'s str,
    problem: Option<String>,
}

impl Check<'_> {
    fn expression<'a>(&mut self, expression: &IdedExpr, scope: &Scope<'a>) -> Known<'a> {
        match &expression.expr {
            Expr::Ident(name) => return self.identifier(name, scope),
            Expr::Select(select) => {
                if is_name_space(&select.operand, scope) {
                    return Known::Dynamic;
                }
                let operand = self.expression(&select.operand, scope);
                return self.select(operand, &select.field);
            }
            Expr::Call(call) => {
                if let Some(target) = &call.target
                    && !is_name_space(target, scope)
                {
                    self.expression(target, scope);
                }
                let arguments: Vec<_> = call.args.iter().map(|argument| self.expression(argument, scope)).collect();
                if call.func_name == operators::INDEX
                    && let Some(Known::Value(node)) = arguments.first()
                {
                    return element(node);
                }
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, scope),
            Expr::List(list) => {
                for element in &list.elements {
                    self.expression(element, scope);
                }
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.expression(&entry.key, scope);
                        self.expression(&entry.value, scope);
                    }
                }
            }
            Expr::Struct(_) | Expr::Literal(_) | Expr::Unspecified => {}
        }
        Known::Dynamic
    }

    fn identifier<'a>(&mut self, name: &str, scope: &Scope<'a>) -> Known<'a> {
        if let Some(known) = scope.get(name) {
            return *known;
        }
        if !GLOBAL.contains(&name) && !name.starts_with('@') {
            let at = self.source.find(name).unwrap_or_default();
            self.report(at, &format!("undeclared reference to '{name}' (in container '')"));
        }
        Known::Dynamic
    }

    fn select<'a>(&mut self, operand: Known<'a>, field: &str) -> Known<'a> {
        let node = match operand {
            Known::Dynamic => return Known::Dynamic,
            Known::Metadata if matches!(field, "name" | "generateName") => return Known::Dynamic,
            Known::Resource(_) if matches!(field, "apiVersion" | "kind") => return Known::Dynamic,
            Known::Resource(_) if field == "metadata" => return Known::Metadata,
            Known::Metadata => {
                self.undefined(field);
                return Known::Dynamic;
            }
            Known::Value(node) if node.embedded_resource => {
                return self.select(Known::Resource(node), field);
            }
            Known::Resource(node) | Known::Value(node) => node,
        };
        if node.int_or_string || node.json_type != Some(JsonType::Object) {
            return Known::Dynamic;
        }
        if node.additional.is_some() {
            return element(node);
        }
        match node.properties.iter().find(|(name, _)| escape(name) == field) {
            Some((_, property)) if property.int_or_string || property.json_type.is_none() => Known::Dynamic,
            Some((_, property)) => Known::Value(property),
            None => {
                if !(node.preserve_unknown && node.properties.is_empty()) {
                    self.undefined(field);
                }
                Known::Dynamic
            }
        }
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr, scope: &Scope<'_>) {
        let item = match self.expression(&comprehension.iter_range, scope) {
            Known::Value(node) => node.items.as_deref().map_or(Known::Dynamic, Known::Value),
            _ => Known::Dynamic,
        };
        let mut inner = scope.clone();
        inner.insert(comprehension.iter_var.clone(), item);
        if let Some(second) = &comprehension.iter_var2 {
            inner.insert(second.clone(), Known::Dynamic);
        }
        inner.insert(comprehension.accu_var.clone(), Known::Dynamic);
        self.expression(&comprehension.accu_init, scope);
        for part in [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result] {
            self.expression(part, &inner);
        }
    }

    fn undefined(&mut self, field: &str) {
        let dotted = format!(".{field}");
        let ends = |at: usize| {
            let after = self.source[at + dotted.len()..].chars().next();
            !after.is_some_and(|next| next.is_alphanumeric() || next == '_')
        };
        let at = self.source.match_indices(&dotted).map(|(at, _)| at).find(|at| ends(*at)).unwrap_or_default();
        self.report(at, &format!("undefined field '{field}'"));
    }

    /// Notes the first problem, with the line and a mark below the place.
    fn report(&mut self, at: usize, what: &str) {
        if self.problem.is_some() {
            return;
        }
        let before = &self.source[..at];
        let row = before.matches('\n').count();
        let column = before.chars().rev().take_while(|character| *character != '\n').count();
        let line = self.source.lines().nth(row).unwrap_or_default();
        let mark = ".".repeat(column);
        self.problem = Some(format!("ERROR: <input>:{}:{}: {what}\n | {line}\n | {mark}^", row + 1, column + 1));
    }
}

/// Whether an expression names functions (`sets.contains`), rather than a value.
fn is_name_space(expression: &IdedExpr, scope: &Scope<'_>) -> bool {
    match &expression.expr {
        Expr::Ident(name) => !scope.contains_key(name) && (GLOBAL.contains(&name.as_str()) || name == "jsonpatch"),
        Expr::Select(select) => is_name_space(&select.operand, scope),
        _ => false,
    }
}

fn element(node: &Node) -> Known<'_> {
    let element = node.items.as_deref().or_else(|| node.additional_schema());
    match element {
        Some(node) if !node.int_or_string && node.json_type.is_some() => Known::Value(node),
        _ => Known::Dynamic,
    }
}
