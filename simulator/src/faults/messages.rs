//! What faults do to the JSON-RPC messages of an answer.

use serde_json::Value;

use crate::world::{Acknowledgement, Misbehaviour};

/// The changes to one answer.
#[derive(Clone, Default)]
pub(crate) struct Edits(Vec<Misbehaviour>);

impl Edits {
    pub(super) fn of<'a>(all: impl Iterator<Item = &'a Misbehaviour>) -> Self {
        Self(all.filter(|does| does.is_about_messages()).cloned().collect())
    }

    /// The messages to send where an honest server sends `answer`.
    pub(crate) fn messages(&self, answer: Value) -> Vec<Value> {
        let mut messages = vec![answer];
        for edit in &self.0 {
            match edit {
                Misbehaviour::Merge(patch) => {
                    let patch = Value::Object(patch.clone());
                    for message in &mut messages {
                        json_patch::merge(message, &patch);
                    }
                }
                Misbehaviour::Repeat(times) => {
                    messages = std::iter::repeat_n(messages, times.get()).flatten().collect();
                }
                Misbehaviour::Unanswered => messages.clear(),
                _ => {}
            }
        }
        messages
    }

    /// How many messages there are in the place of one.
    pub(crate) fn copies(&self) -> usize {
        let repeated = self.0.iter().map(|edit| match edit {
            Misbehaviour::Repeat(times) => times.get(),
            _ => 1,
        });
        repeated.fold(1, usize::saturating_mul)
    }

    /// The address for messages to announce in the place of `honest`.
    pub(crate) fn endpoint(&self, honest: String) -> String {
        let named = self.0.iter().find_map(|edit| match edit {
            Misbehaviour::Endpoint(address) => Some(address.clone()),
            _ => None,
        });
        named.unwrap_or(honest)
    }

    /// How a subscription is acknowledged in the place of the honest way.
    pub(crate) fn acknowledgement(&self) -> Option<Acknowledgement> {
        self.0.iter().find_map(|edit| match edit {
            Misbehaviour::Acknowledgement(how) => Some(*how),
            _ => None,
        })
    }
}
