//! Templates, as of Go's text/template: they are parsed, not run.

use std::collections::{BTreeMap, BTreeSet};

use gtmpl_ng::{Func, FuncError, Template};
use serde_json::Value;

use super::{Found, WorkflowFault};
use crate::Step;

/// Functions of workflow templates, beside those of Go.
const FUNCTIONS: [(&str, Func); 3] = [("json", unused), ("quote", unused), ("fromJson", unused)];
/// How deep parentheses may be nested; the parser takes stack for each.
const MAX_PARENTHESES: usize = 64;

/// The templates of one workflow.
#[derive(Debug)]
pub(super) struct Templates<'a> {
    steps: BTreeSet<&'a str>,
    /// Fields of outputs that templates read, by id of the step.
    pub(super) outputs: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Templates<'a> {
    /// Of a workflow with these steps.
    pub(super) fn of(steps: &'a [Step]) -> Self {
        Self { steps: steps.iter().map(|step| step.id.as_str()).collect(), outputs: BTreeMap::new() }
    }

    /// Checks one template.
    pub(super) fn check(&mut self, text: &str, path: &str, found: &mut Found) {
        let fault = WorkflowFault::Template;
        let read = read(text);
        if read.parentheses > MAX_PARENTHESES {
            let message = format!("parentheses are nested too deeply: at most {MAX_PARENTHESES}");
            return found.add(fault, path, message);
        }
        let mut template = Template::default();
        template.add_funcs(&FUNCTIONS);
        if let Err(error) = template.parse(text) {
            return found.add(fault, path, format!("is not a template: {error}"));
        }
        for Reference { step, output } in read.references {
            if !self.steps.contains(step) {
                found.add(fault, path, format!("speaks of the step {step:?}, which the workflow does not have"));
            }
            if let Some(field) = output {
                self.outputs.entry(step.to_owned()).or_default().insert(field.to_owned());
            }
        }
    }

    /// Checks every string in `value`.
    pub(super) fn check_strings(&mut self, value: &Value, path: &str, found: &mut Found) {
        match value {
            Value::String(text) => self.check(text, path, found),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.check_strings(item, &format!("{path}[{index}]"), found);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.check_strings(member, &format!("{path}.{name}"), found);
                }
            }
            _ => {}
        }
    }
}

/// The parser asks for functions by name; here none is called.
fn unused(_: &[gtmpl_ng::Value]) -> Result<gtmpl_ng::Value, FuncError> {
    Err(FuncError::Generic("templates are only parsed here".to_owned()))
}

/// What a template reads of a step: `.steps.ID`, or `.steps.ID.output.FIELD`.
#[derive(Debug, PartialEq, Eq)]
struct Reference<'a> {
    step: &'a str,
    output: Option<&'a str>,
}

/// What is seen in a template without parsing it.
#[derive(Debug, Default)]
struct Read<'a> {
    references: Vec<Reference<'a>>,
    /// How deep parentheses are nested.
    parentheses: usize,
}

/// Looks at the actions of `text`.
fn read(text: &str) -> Read<'_> {
    let mut read = Read::default();
    // After `range` and the like the dot is something else, and only `$` is still the root.
    let mut root = true;
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let action = &rest[start + 2..];
        let keyword = action.trim_start_matches(['-', ' ', '\t', '\n', '\r']);
        if ["range", "with", "define", "block", "template"].iter().any(|name| keyword.starts_with(name)) {
            rest = inside(action, root, &mut read);
            root = false;
        } else {
            rest = inside(action, root, &mut read);
        }
    }
    read
}

/// Looks at one action, and returns what comes after it.
fn inside<'a>(action: &'a str, root: bool, read: &mut Read<'a>) -> &'a str {
    let mut depth = 0_usize;
    let mut before = ' ';
    let mut rest = action;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("}}") {
            return after;
        }
        if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
            continue;
        }
        if matches!(c, '"' | '`' | '\'') {
            rest = after_literal(rest, c);
            before = c;
            continue;
        }
        match c {
            '(' => {
                depth += 1;
                read.parentheses = read.parentheses.max(depth);
            }
            ')' => depth = depth.saturating_sub(1),
            '.' if before == '$' || (root && !is_word(before) && before != ')') => {
                read.references.extend(reference(rest));
            }
            _ => {}
        }
        before = c;
        rest = &rest[c.len_utf8()..];
    }
    ""
}

/// What comes after the literal at the start of `text`.
fn after_literal(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return &text[index + 1..],
            _ => {}
        }
    }
    ""
}

/// The reference to a step at the start of `text`.
fn reference(text: &str) -> Option<Reference<'_>> {
    let end = text.find(|c: char| c != '.' && !is_word(c)).unwrap_or(text.len());
    let mut fields = text[1..end].split('.');
    if fields.next() != Some("steps") {
        return None;
    }
    let step = fields.next().filter(|step| !step.is_empty())?;
    let output = (fields.next() == Some("output")).then(|| fields.next()).flatten();
    Some(Reference { step, output: output.filter(|field| !field.is_empty()) })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn references(text: &str) -> Vec<(&str, Option<&str>)> {
        read(text).references.into_iter().map(|reference| (reference.step, reference.output)).collect()
    }

    #[test]
    fn references_to_steps_are_seen_where_the_dot_is_the_root() {
        for (text, expected) in [
            ("no action .steps.a", vec![]),
            ("{{.steps.a}} {{ .steps.b.output.id }}", vec![("a", None), ("b", Some("id"))]),
            ("{{.params.steps.a}} {{$x.steps.a}}", vec![]),
            ("{{index .steps.a.output \"x\"}}", vec![("a", None)]),
            ("{{\".steps.a\"}} {{`.steps.b`}} {{/* .steps.c */}}", vec![]),
            ("{{\"\\\"}} .steps.a\"}}", vec![]),
            (
                "{{range .steps.a.output.items}}{{.steps.x}}{{$.steps.b}}{{end}}",
                vec![("a", Some("items")), ("b", None)],
            ),
            ("{{if (eq .steps.a.status \"ok\")}}{{end}}", vec![("a", None)]),
            ("{{", vec![]),
            ("{{\"", vec![]),
            ("{{/*", vec![]),
        ] {
            assert_eq!(references(text), expected, "{text}");
        }
    }

    #[test]
    fn deep_parentheses_do_not_reach_the_parser() {
        let mut found = Found::default();
        let text = format!("{{{{{}1{}}}}}", "(".repeat(100_000), ")".repeat(100_000));
        Templates::of(&[]).check(&text, "x", &mut found);
        assert_eq!(found.0.len(), 1);
        let fine = format!("{{{{{}1{}}}}}", "(".repeat(MAX_PARENTHESES), ")".repeat(MAX_PARENTHESES));
        let mut found = Found::default();
        Templates::of(&[]).check(&fine, "x", &mut found);
        assert_eq!(found.0, []);
    }
}
