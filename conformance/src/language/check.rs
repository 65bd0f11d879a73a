//! Which variables an expression of a step may name.

use std::collections::BTreeSet;

use super::load::Refusal;
use super::step::{Action, Until};
use crate::diagnostic::did_you_mean;
use crate::expression::Expression;

const OBJECT: &[&str] = &["object", "metadata", "spec", "status", "data", "type", "kind", "apiVersion"];
const ITEMS: &[&str] = &["items"];
const REJECTION: &[&str] = &["code", "reason", "message", "causes", "rejection"];
const WARNINGS: &[&str] = &["warnings"];
const RESPONSE: &[&str] = &["response"];
const SAID: &[&str] = &["message", "method", "params", "result"];
const ENTRY: &[&str] = &[
    "entry", "at", "url", "host", "path", "query", "http", "headers", "body", "message", "method", "params", "form",
    "token", "tls", "peer", "session", "response", "verdict", "faults", "sequence", "server",
];

/// Names that every expression may use, besides those that earlier steps kept.
pub(super) const EVERYWHERE: &[&str] = &["namespace", "ca"];

/// The object's top-level keys that expressions may name directly.
pub(crate) const OBJECT_KEYS: &[&str] = &["metadata", "spec", "status", "data", "type", "kind", "apiVersion"];

/// The keys of a journal entry that expressions may name directly.
pub(crate) fn entry_keys() -> impl Iterator<Item = &'static str> {
    ENTRY.iter().copied().filter(|name| *name != "entry")
}

/// The keys of a message of a subscription that expressions may name directly.
pub(crate) fn message_keys() -> impl Iterator<Item = &'static str> {
    SAID.iter().copied().filter(|name| *name != "message")
}

/// The expressions of a step, each with the names that only it may use.
fn expressions<'a>(action: &'a Action) -> Vec<(&'a Expression, Vec<&'static str>)> {
    let mut found = Vec::new();
    let mut push = |expression: Option<&'a Expression>, names: &[&[&'static str]]| {
        if let Some(expression) = expression {
            found.push((expression, names.concat()));
        }
    };
    let looked_at = |one: bool| if one { OBJECT } else { ITEMS };
    match action {
        Action::Apply(step) => {
            push(step.rejected.as_ref(), &[REJECTION]);
            push(step.warnings.as_ref(), &[WARNINGS]);
            push(step.expect.as_ref(), &[OBJECT]);
        }
        Action::Patch(step) => {
            push(step.rejected.as_ref(), &[REJECTION]);
            push(step.warnings.as_ref(), &[WARNINGS]);
            push(step.expect.as_ref(), &[OBJECT]);
        }
        Action::Wait(step) => {
            let names = looked_at(step.object.names_one());
            if let Until::Holds(expression) = &step.until {
                push(Some(expression), &[names]);
            }
            push(step.expect.as_ref(), &[names]);
        }
        Action::Expect(step) => {
            if let Some(Until::Holds(expression)) = &step.that {
                push(Some(expression), &[looked_at(step.object.names_one())]);
            }
        }
        Action::Connect(step) => {
            push(step.expect.as_ref(), &[RESPONSE, &["result"]]);
            push(step.refused.as_ref(), &[RESPONSE]);
        }
        Action::List(step) => push(step.expect.as_ref(), &[&["names", "items", "result", "error"]]),
        Action::Call(step) => push(step.expect.as_ref(), &[&["result", "error"]]),
        Action::Message(step) => push(step.expect.as_ref(), &[RESPONSE, &["result", "error"]]),
        Action::Listen(step) => {
            push(step.expect.as_ref(), &[&["acknowledged"]]);
            push(step.refused.as_ref(), &[RESPONSE, &["error"]]);
        }
        Action::Heard(step) => {
            push(step.selects.as_ref(), &[SAID]);
            push(step.expect.as_ref(), &[SAID, &["messages"]]);
        }
        Action::Disconnect(step) => push(step.expect.as_ref(), &[RESPONSE]),
        Action::Request(step) => push(step.expect.as_ref(), &[RESPONSE]),
        Action::Journal(step) => {
            push(step.selects.as_ref(), &[ENTRY]);
            push(step.expect.as_ref(), &[ENTRY, &["entries"]]);
        }
        Action::Never(step) => {
            let names = if step.what.contains("://") { ENTRY } else { OBJECT };
            push(step.selects.as_ref(), &[names]);
            push(step.until.as_ref(), &[names]);
        }
        Action::Logs(step) => push(Some(&step.expect), &[&["text", "lines"]]),
        Action::Delete(_) | Action::Change(_) | Action::Operator(_) | Action::Each(_) | Action::Parallel(_) => {}
    }
    found
}

/// Refuses an expression that names what does not exist.
pub(super) fn names(expression: &Expression, own: &[&'static str], kept: &BTreeSet<String>) -> Result<(), Refusal> {
    for (name, at) in expression.variables() {
        let known = || own.iter().chain(EVERYWHERE).copied().chain(kept.iter().map(String::as_str));
        if !known().any(|known| known == name) {
            let hint = did_you_mean(&name, known());
            let known: Vec<&str> = known().collect();
            let message = format!("unknown variable `{name}`{hint}; known here: {}", known.join(", "));
            return Err(Refusal::at(at, message));
        }
    }
    Ok(())
}

/// Refuses a step whose expressions name what does not exist.
pub(super) fn action(action: &Action, kept: &BTreeSet<String>) -> Result<(), Refusal> {
    for (expression, own) in expressions(action) {
        names(expression, &own, kept)?;
    }
    Ok(())
}
