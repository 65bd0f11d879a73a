//! Which sessions and subscriptions the steps of a scenario open, so that a step that no such session can carry out is refused
//! with its place.

use std::collections::{BTreeMap, BTreeSet};

use super::load::Refusal;
use super::step::{Action, Connect, Heard, Listen};
use crate::diagnostic::did_you_mean;
use crate::mcp::{STATELESS_REVISION, Transport};
use crate::yaml::{Located, Node};

/// The sessions and subscriptions that the steps so far have opened.
#[derive(Default)]
pub(super) struct Sessions {
    /// Whether a session is of the revision that has none, by name.
    stateless: BTreeMap<String, bool>,
    /// The name of the current one.
    current: Option<String>,
    subscriptions: BTreeSet<String>,
}

impl Sessions {
    /// Refuses a step that asks of its session what that revision does not have; remembers what the step opens.
    pub(super) fn check(
        &mut self,
        action: &Action,
        node: &Node,
        name: Option<&Located<String>>,
    ) -> Result<(), Refusal> {
        match action {
            Action::Connect(step) => {
                check_revision(step)?;
                if step.refused.is_none() {
                    self.open(name.map(|name| name.value.as_str()), step.is_stateless());
                }
            }
            Action::Call(step) => {
                if let Some((key, value)) =
                    ["inputs", "requestState"].iter().find_map(|key| Some((*key, node.entry(key)?)))
                {
                    self.needs_stateless(step.session.as_deref(), &format!("`{key}`"), value)?;
                }
            }
            Action::Listen(step) => {
                self.needs_stateless(step.session.as_deref(), "`listen`", node)?;
                self.subscribe(step, node, name)?;
            }
            Action::Heard(step) => self.check_heard(step)?,
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, name: Option<&str>, stateless: bool) {
        let key = name.unwrap_or("current");
        if name.is_none() || self.current.is_none() {
            self.current = Some(key.to_owned());
        }
        self.stateless.insert(key.to_owned(), stateless);
    }

    fn needs_stateless(&self, session: Option<&str>, what: &str, node: &Node) -> Result<(), Refusal> {
        let key = session.filter(|name| *name != "current").or(self.current.as_deref());
        match key.and_then(|key| self.stateless.get(key)) {
            Some(false) => {
                let message = format!(
                    "{what} belongs to revision {STATELESS_REVISION}: connect with `protocol: {STATELESS_REVISION}`"
                );
                Err(Refusal::at(node.at, message))
            }
            // A session that is not there is said when the step is played.
            _ => Ok(()),
        }
    }

    fn subscribe(&mut self, step: &Listen, node: &Node, name: Option<&Located<String>>) -> Result<(), Refusal> {
        match name {
            Some(name) => {
                self.subscriptions.insert(name.value.clone());
                Ok(())
            }
            None if step.refused.is_some() => Ok(()),
            None => Err(Refusal::at(node.at, "a subscription needs a name, `as: changes`, for the steps `heard`")),
        }
    }

    fn check_heard(&self, step: &Heard) -> Result<(), Refusal> {
        let Located { value: name, at } = &step.subscription;
        if self.subscriptions.contains(name) {
            return Ok(());
        }
        let hint = did_you_mean(name, self.subscriptions.iter().map(String::as_str));
        Err(Refusal::at(*at, format!("no earlier step `listen` has `as: {name}`{hint}")))
    }
}

fn check_revision(step: &Connect) -> Result<(), Refusal> {
    if let (true, Transport::Sse, Some(protocol)) = (step.is_stateless(), step.transport, &step.protocol) {
        let message = format!("revision {STATELESS_REVISION} is not spoken over HTTP+SSE: leave out `transport: sse`");
        return Err(Refusal::at(protocol.at, message));
    }
    if let (false, Some(capabilities)) = (step.is_stateless(), &step.capabilities) {
        let message = format!(
            "`capabilities` belongs to `protocol: {STATELESS_REVISION}`: a client with a session answers nothing that a \
             server asks, so it declares nothing"
        );
        return Err(Refusal::at(capabilities.at, message));
    }
    Ok(())
}
