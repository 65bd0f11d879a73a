//! The steps of a scenario: what every step may have, and one type per keyword.

mod gateway;
mod objects;
mod target;
mod world;

use serde_json::Value;

use super::deadline::Deadline;
use crate::diagnostic::Position;

pub use gateway::{Call, Connect, Disconnect, Heard, List, ListKind, Listen, Message, Request, Token};
pub use objects::{Apply, Delete, Expect, Patch, Subresource, Until, Validation, Wait, What};
pub use target::Target;
pub use world::{Change, Count, Journal, Logs, Never, Operator, OperatorState};

/// A step: what it does, and what every step may have.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it starts.
    pub at: Position,
    /// What it does.
    pub action: Action,
    /// The behaviours that it proves when it passes.
    pub verifies: Vec<String>,
    /// Prose for readers.
    pub note: Option<String>,
    /// The name under which its value is kept.
    pub keep: Option<String>,
    /// How long it may wait.
    pub deadline: Option<Deadline>,
    /// Another namespace of the scenario.
    pub namespace: Option<String>,
}

impl Step {
    /// The lists of steps inside this one.
    pub fn inner(&self) -> Vec<&[Step]> {
        match &self.action {
            Action::Each(rows) => rows.iter().map(|row| row.steps.as_slice()).collect(),
            Action::Parallel(lists) => lists.iter().map(Vec::as_slice).collect(),
            _ => Vec::new(),
        }
    }
}

/// What a step does.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // The payloads say it.
pub enum Action {
    Apply(Apply),
    Patch(Patch),
    Delete(Delete),
    Wait(Wait),
    Expect(Expect),
    Connect(Connect),
    List(List),
    Call(Call),
    Message(Message),
    Listen(Listen),
    Heard(Heard),
    Disconnect(Disconnect),
    Request(Request),
    Journal(Journal),
    Never(Never),
    Change(Change),
    Logs(Logs),
    Operator(Operator),
    Each(Vec<Row>),
    Parallel(Vec<Vec<Step>>),
}

/// A row of an `each` step, with the steps as they read for it.
#[derive(Clone, Debug)]
pub struct Row {
    /// How reports call it.
    pub label: String,
    /// The row itself, for expressions.
    pub value: Value,
    /// Behaviours that all steps of the row prove together.
    pub verifies: Vec<String>,
    /// Where it stands.
    pub at: Position,
    /// The steps.
    pub steps: Vec<Step>,
}
