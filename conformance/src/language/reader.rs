//! From nodes to steps.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::deadline::Deadline;
use super::load::{Refusal, Surroundings};
use super::sessions::Sessions;
use super::step::{Action, Row, Step, What};
use super::{check, template};
use crate::diagnostic::did_you_mean;
use crate::expression::Variables;
use crate::yaml::{self, Located, Node, NodeValue};

/// Keys that every step may have.
const COMMON: &[&str] = &["verifies", "note", "as", "deadline", "namespace"];

/// Keywords with the options of their steps.
const STEPS: &[(&str, &[&str])] = &[
    ("apply", &["substitute", "edit", "only", "subresource", "validation", "rejected", "warnings", "expect"]),
    ("patch", &["merge", "json", "subresource", "validation", "rejected", "warnings", "expect"]),
    ("delete", &["selector", "wait"]),
    ("wait", &["selector", "until", "fresh", "expect"]),
    ("expect", &["selector", "that", "eventually"]),
    ("connect", &["transport", "token", "headers", "protocol", "capabilities", "expect", "refused"]),
    ("list", &["session", "expect", "eventually"]),
    ("call", &["arguments", "inputs", "requestState", "session", "expect", "eventually"]),
    ("message", &["notification", "headers", "session", "expect", "eventually"]),
    ("listen", &["session", "expect", "refused"]),
    ("heard", &["where", "count", "expect"]),
    ("disconnect", &["expect"]),
    ("request", &["to", "token", "headers", "session", "json", "body", "events", "expect", "eventually"]),
    ("journal", &["where", "count", "since", "expect"]),
    ("never", &["where", "selector", "since", "until", "for"]),
    ("change", &[]),
    ("logs", &["selector", "expect"]),
    ("operator", &[]),
    ("each", &["steps"]),
    ("parallel", &[]),
];

/// Keys whose texts are expressions, not texts with `${...}`.
const EXPRESSIONS: &[&str] = &["rejected", "warnings", "expect", "until", "that", "refused", "where"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    #[serde(default)]
    verifies: Vec<Located<String>>,
    note: Option<String>,
    #[serde(rename = "as")]
    keep: Option<Located<String>>,
    deadline: Option<Deadline>,
    namespace: Option<String>,
}

/// Reads the steps of one scenario in the file's order, and remembers what expressions may name.
pub(super) struct StepReader<'a> {
    surroundings: &'a Surroundings<'a>,
    /// What earlier steps kept.
    kept: BTreeSet<String>,
    /// What earlier steps opened.
    sessions: Sessions,
    /// The row that is being read.
    row: Option<Value>,
    /// Whether the scenario runs alone.
    alone: bool,
}

impl<'a> StepReader<'a> {
    /// A reader for a scenario that runs `alone` or beside others.
    pub(super) fn new(surroundings: &'a Surroundings<'a>, alone: bool) -> Self {
        Self { surroundings, kept: BTreeSet::new(), sessions: Sessions::default(), row: None, alone }
    }

    /// Reads a list of steps.
    pub(super) fn list(&mut self, node: &Node) -> Result<Vec<Step>, Refusal> {
        match &node.value {
            NodeValue::List(items) if !items.is_empty() => items.iter().map(|item| self.step(item)).collect(),
            _ => Err(Refusal::at(node.at, format!("{}, where a list of steps was expected", node.kind()))),
        }
    }

    fn step(&mut self, node: &Node) -> Result<Step, Refusal> {
        let (keyword, options) = keyword(node)?;
        let NodeValue::Map(entries) = &node.value else {
            return Err(Refusal::at(node.at, "a step is a mapping"));
        };
        for (key, _) in &entries[1..] {
            let known = || options.iter().chain(COMMON).copied();
            if !known().any(|known| known == key.name) {
                let known_list: Vec<&str> = known().collect();
                let message = format!(
                    "unknown key `{}` in a step `{keyword}`{}; known here: {}",
                    key.name,
                    did_you_mean(&key.name, known()),
                    known_list.join(", ")
                );
                return Err(Refusal::at(key.at, message));
            }
        }
        let common: Common = yaml::decode(&only(node, |index, name| index > 0 && COMMON.contains(&name)))?;
        let mut own = only(node, |index, name| index == 0 || !COMMON.contains(&name));
        let verifies = self.behaviours(&common.verifies)?;
        self.check_templates(keyword, &own)?;
        let action = self.action(keyword, &mut own)?;
        check::action(&action, &self.names())?;
        self.check_since(&action)?;
        self.sessions.check(&action, &own, common.keep.as_ref())?;
        let keep = common.keep.map(|keep| self.keep(keep)).transpose()?;
        Ok(Step {
            at: node.at,
            action,
            verifies,
            note: common.note,
            keep,
            deadline: common.deadline,
            namespace: common.namespace,
        })
    }

    fn action(&mut self, keyword: &str, node: &mut Node) -> Result<Action, Refusal> {
        Ok(match keyword {
            "apply" => {
                let step: super::Apply = yaml::decode(node)?;
                for what in &step.what {
                    if let What::File(file) = what
                        && !(self.surroundings.has_manifest)(file)
                    {
                        let at = node.entry("apply").map_or(node.at, |value| value.at);
                        return Err(Refusal::at(at, format!("there is no file `{file}`")));
                    }
                }
                Action::Apply(step)
            }
            "patch" => {
                let step: super::Patch = yaml::decode(node)?;
                if step.merge.is_some() == step.json.is_some() {
                    let message = "a patch has either `merge` or `json`";
                    return Err(Refusal::at(node.at, message));
                }
                Action::Patch(step)
            }
            "delete" => Action::Delete(yaml::decode(node)?),
            "wait" => Action::Wait(yaml::decode(node)?),
            "expect" => Action::Expect(yaml::decode(node)?),
            "connect" => Action::Connect(yaml::decode(node)?),
            "list" => Action::List(yaml::decode(node)?),
            "call" => Action::Call(yaml::decode(node)?),
            "message" => Action::Message(yaml::decode(node)?),
            "listen" => Action::Listen(yaml::decode(node)?),
            "heard" => Action::Heard(yaml::decode(node)?),
            "disconnect" => Action::Disconnect(yaml::decode(node)?),
            "request" => {
                let step: super::Request = yaml::decode(node)?;
                if !step.line.value.contains(" /") {
                    let message = "a request starts with a method and a path: `GET /health`";
                    return Err(Refusal::at(step.line.at, message));
                }
                Action::Request(step)
            }
            "journal" => Action::Journal(yaml::decode(node)?),
            "never" => {
                let step: super::Never = yaml::decode(node)?;
                if step.until.is_some() == step.lasting.is_some() {
                    let message = "absence needs an end: either `until` (a later request) or `for` (a time)";
                    return Err(Refusal::at(node.at, message));
                }
                if let Some(lasting) = &step.lasting
                    && super::deadline::duration(&lasting.value).is_none()
                {
                    return Err(Refusal::at(lasting.at, "expected a time such as 2s"));
                }
                Action::Never(step)
            }
            "change" => Action::Change(super::Change::read(node)?),
            "logs" => Action::Logs(yaml::decode(node)?),
            "operator" => {
                if !self.alone {
                    let message = "only a scenario with `isolation: cluster` may stop the operator";
                    return Err(Refusal::at(node.at, message));
                }
                Action::Operator(yaml::decode(node)?)
            }
            "each" => Action::Each(self.rows(node)?),
            _ => Action::Parallel(self.parallel(node)?),
        })
    }

    fn rows(&mut self, node: &Node) -> Result<Vec<Row>, Refusal> {
        let steps = node.entry("steps").ok_or_else(|| Refusal::at(node.at, "the key `steps` is missing"))?;
        let rows = match node.entry("each").map(|rows| &rows.value) {
            Some(NodeValue::List(rows)) if !rows.is_empty() => rows,
            _ => return Err(Refusal::at(node.at, "`each` needs a list of rows")),
        };
        let outer = self.row.take();
        let mut read = Vec::new();
        for row in rows {
            let value = row.to_json();
            let variables = Variables::new().with("row", value.clone());
            let filled = template::fill_row(steps, &variables)?;
            self.row = Some(value.clone());
            let verifies = match row.entry("verifies") {
                Some(ids) => self.behaviours(&yaml::decode::<Vec<Located<String>>>(ids)?)?,
                None => Vec::new(),
            };
            read.push(Row { label: label(&value), value, verifies, at: row.at, steps: self.list(&filled)? });
        }
        self.row = outer;
        Ok(read)
    }

    fn parallel(&mut self, node: &Node) -> Result<Vec<Vec<Step>>, Refusal> {
        match node.entry("parallel").map(|lists| &lists.value) {
            Some(NodeValue::List(lists)) if lists.len() > 1 => lists.iter().map(|list| self.list(list)).collect(),
            _ => Err(Refusal::at(node.at, "`parallel` needs two or more lists of steps")),
        }
    }

    fn names(&self) -> BTreeSet<String> {
        let mut names = self.kept.clone();
        if self.row.is_some() {
            names.insert("row".to_owned());
        }
        names
    }

    fn keep(&mut self, name: Located<String>) -> Result<String, Refusal> {
        let fits = name.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && name.value.starts_with(|c: char| c.is_ascii_lowercase());
        if !fits {
            let message =
                format!("`{}` cannot be a variable: expected letters and digits, such as `before`", name.value);
            return Err(Refusal::at(name.at, message));
        }
        self.kept.insert(name.value.clone());
        Ok(name.value)
    }

    fn behaviours(&self, ids: &[Located<String>]) -> Result<Vec<String>, Refusal> {
        ids.iter()
            .map(|id| {
                let catalogue = self.surroundings.catalogue;
                if catalogue.behaviour(&id.value).is_some() {
                    return Ok(id.value.clone());
                }
                let hint = did_you_mean(&id.value, catalogue.ids());
                let message = format!("`{}` is not in behaviours.yaml{hint}", id.value);
                Err(Refusal::at(id.at, message))
            })
            .collect()
    }

    fn check_since(&self, action: &Action) -> Result<(), Refusal> {
        let since = match action {
            Action::Journal(step) => &step.since,
            Action::Never(step) => &step.since,
            _ => return Ok(()),
        };
        match since {
            Some(name) if !self.kept.contains(&name.value) => {
                let hint = did_you_mean(&name.value, self.kept.iter().map(String::as_str));
                let message = format!("no earlier step has `as: {}`{hint}", name.value);
                Err(Refusal::at(name.at, message))
            }
            _ => Ok(()),
        }
    }

    /// Refuses `${...}` that could not be replaced.
    fn check_templates(&self, keyword: &str, node: &Node) -> Result<(), Refusal> {
        let NodeValue::Map(entries) = &node.value else {
            return Ok(());
        };
        if matches!(keyword, "each" | "parallel") {
            return Ok(());
        }
        for (index, (key, value)) in entries.iter().enumerate() {
            if index == 0 || !EXPRESSIONS.contains(&key.name.as_str()) {
                self.check_texts(value)?;
            }
        }
        Ok(())
    }

    fn check_texts(&self, node: &Node) -> Result<(), Refusal> {
        match &node.value {
            NodeValue::Text(text) => {
                for expression in template::expressions(text, node.at)? {
                    check::names(&expression, &[], &self.names())?;
                }
                Ok(())
            }
            NodeValue::List(items) => items.iter().try_for_each(|item| self.check_texts(item)),
            NodeValue::Map(entries) => entries.iter().try_for_each(|(_, value)| self.check_texts(value)),
            NodeValue::Scalar(_) => Ok(()),
        }
    }
}

/// The step's keyword, its first key, and the options that go with it.
fn keyword(node: &Node) -> Result<(&'static str, &'static [&'static str]), Refusal> {
    let NodeValue::Map(entries) = &node.value else {
        let message = format!("{}, where a step was expected", node.kind());
        return Err(Refusal::at(node.at, message));
    };
    let Some((first, _)) = entries.first() else {
        return Err(Refusal::at(node.at, "an empty step"));
    };
    STEPS.iter().find(|(keyword, _)| *keyword == first.name).map(|(keyword, options)| (*keyword, *options)).ok_or_else(
        || {
            let known: Vec<&str> = STEPS.iter().map(|(keyword, _)| *keyword).collect();
            let hint = match entries.iter().find(|(key, _)| known.contains(&key.name.as_str())) {
                Some((key, _)) => format!(" (the first key says what a step does: put `{}` first)", key.name),
                None => did_you_mean(&first.name, known.iter().copied()),
            };
            let message = format!("unknown step `{}`{hint}; known: {}", first.name, known.join(", "));
            Refusal::at(first.at, message)
        },
    )
}

fn only(node: &Node, wanted: impl Fn(usize, &str) -> bool) -> Node {
    let value = match &node.value {
        NodeValue::Map(entries) => NodeValue::Map(
            entries
                .iter()
                .enumerate()
                .filter(|(index, (key, _))| wanted(*index, &key.name))
                .map(|(_, entry)| entry.clone())
                .collect(),
        ),
        other => other.clone(),
    };
    Node { value, at: node.at }
}

/// A row in few words: its name, or its first text.
fn label(row: &Value) -> String {
    let first_text = |row: &Map<String, Value>| {
        row.get("name")
            .or_else(|| row.values().find(|value| value.is_string()))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    match row {
        Value::String(text) => text.clone(),
        Value::Object(row) => first_text(row).unwrap_or_else(|| Value::Object(row.clone()).to_string()),
        other => other.to_string(),
    }
}
