//! The rules of workflows that their types do not express: a workflow that breaks one could not be run.
//!
//! Nothing is executed here. A rule that needs the tools of backends is the gateway's.

mod dependencies;
mod elicitation;
mod output;
mod parameters;
mod steps;
mod templates;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::{CompositeTool, ErrorAction, Step};

/// How many steps a workflow may have.
const MAX_STEPS: usize = 100;
/// How long the name of a tool may be.
const MAX_NAME: usize = 128;

/// What a broken rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkflowFault {
    /// A part is missing, or has a value that cannot work.
    Structure,
    /// A JSON Schema is none.
    Schema,
    /// A template cannot be parsed, or speaks of a step that does not exist.
    Template,
    /// Steps wait for each other.
    DependencyCycle,
    /// A step names no tool.
    Tool,
}

/// A rule that a workflow breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct WorkflowProblem {
    /// What the rule is about.
    pub fault: WorkflowFault,
    /// Path of the part that breaks it, such as `steps[0].tool`.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// The problems found so far.
#[derive(Debug, Default)]
struct Found(Vec<WorkflowProblem>);

impl Found {
    fn add(&mut self, fault: WorkflowFault, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(WorkflowProblem { fault, path: path.into(), message: message.into() });
    }

    fn structure(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.add(WorkflowFault::Structure, path, message);
    }
}

impl CompositeTool {
    /// Every rule that the workflow breaks, whatever tools the backends offer.
    pub fn problems(&self) -> Vec<WorkflowProblem> {
        let mut found = Found::default();
        if !is_tool_name(&self.name) {
            found.structure(
                "name",
                format!(
                    "{:?} is no name for a tool: use letters, digits, \".\", \"_\" and \"-\", and begin with a letter \
                     or digit",
                    self.name
                ),
            );
        }
        if self.description.as_deref().unwrap_or_default().trim().is_empty() {
            found
                .structure("description", "required: say what the tool does, so that it is called for the right thing");
        }
        if self.timeout.is_some_and(crate::Duration::is_zero) {
            found.structure("timeout", "must be longer than 0s");
        }
        if let Some(parameters) = &self.parameters {
            parameters::check(parameters, &mut found);
        }
        if self.steps.is_empty() {
            found.structure("steps", "required: a workflow has at least one step");
        }
        if self.steps.len() > MAX_STEPS {
            found.structure("steps", format!("{} steps are too many: at most {MAX_STEPS}", self.steps.len()));
        }
        dependencies::check(&self.steps, &mut found);
        let mut templates = templates::Templates::of(&self.steps);
        for (index, step) in self.steps.iter().enumerate() {
            steps::check(step, &format!("steps[{index}]"), &mut templates, &mut found);
        }
        if let Some(output) = &self.output {
            output::check(output, &mut templates, &mut found);
        }
        skipped(&self.steps, &templates.outputs, &mut found);
        found.0
    }
}

/// A step that may not run needs defaults for what others read of its output.
fn skipped(steps: &[Step], read: &BTreeMap<String, BTreeSet<String>>, found: &mut Found) {
    for (index, step) in steps.iter().enumerate() {
        let fails = step.on_error.as_ref().is_some_and(|handling| handling.action == ErrorAction::Continue);
        let why = match (&step.condition, fails) {
            (Some(_), _) => "has a condition",
            (None, true) => "may fail without ending the workflow",
            (None, false) => continue,
        };
        for field in read.get(&step.id).into_iter().flatten() {
            if step.default_results.as_ref().is_none_or(|defaults| defaults.get(field).is_none()) {
                found.structure(
                    format!("steps[{index}].defaultResults"),
                    format!("required: {field:?} of its output is used, and the step {why}: set {field:?} here"),
                );
            }
        }
    }
}

/// Whether `name` can be the name of a tool, or of one of a workload (`workload.tool`).
fn is_tool_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}
