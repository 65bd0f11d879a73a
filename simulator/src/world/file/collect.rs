//! All mistakes of a tree at once.
//!
//! Reading a typed value ends at its first mistake. So what is wrong is noted, taken out of the tree, and the rest is read
//! again, until nothing is wrong any more. What only follows from something that was taken out is not told.

use serde::de::DeserializeOwned;

use super::decode::{Failure, Reason};
use super::tree::{Content, Node, Place};

/// So many mistakes are told; who has more has another kind of file.
const MOST: usize = 100;

/// A mistake, and where it stands.
pub(super) type Finding = (Place, String);

/// The value of `root`, as far as it is right, and all mistakes. What is wrong is missing in `root` afterwards.
pub(super) fn read<T: DeserializeOwned>(root: &mut Node) -> (Option<T>, Vec<Finding>) {
    let mut findings = Vec::new();
    loop {
        let failure = match T::deserialize(&*root) {
            Ok(value) => return (Some(value), findings),
            Err(failure) => failure,
        };
        let whole = failure.steps.is_empty();
        findings.extend(take_out(root, failure));
        if whole || findings.len() >= MOST {
            return (None, findings);
        }
    }
}

/// Takes out what is wrong, and says it unless it follows from an earlier mistake.
fn take_out(root: &mut Node, mut failure: Failure) -> Option<Finding> {
    let Some(last) = failure.steps.first().copied() else {
        return (!follows(root, &failure.reason)).then_some((root.place, failure.message));
    };
    let mut holder = root;
    while failure.steps.len() > 1
        && let Some(step) = failure.steps.pop()
    {
        holder = holder.child(step)?;
    }
    let finding = match (&failure.reason, &mut holder.content) {
        (Reason::UnknownKey(meant), Content::Map(entries)) => {
            holder.missing.extend(meant.map(str::to_owned));
            Some(entries.get(last)?.place)
        }
        (reason, _) => {
            let wrong = holder.child(last)?;
            (!follows(wrong, reason)).then_some(wrong.place)
        }
    };
    holder.remove(last);
    finding.map(|place| (place, failure.message))
}

/// Whether the mistake is there only because something was taken out of `node`.
fn follows(node: &Node, reason: &Reason) -> bool {
    match reason {
        Reason::MissingKey(key) => node.missing.iter().any(|missing| missing == key),
        Reason::Value => !node.missing.is_empty(),
        Reason::UnknownKey(_) => false,
    }
}
