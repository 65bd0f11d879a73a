//! The configuration in force, and the one that is to take its place: a file counts as a whole or not at all. While what the new
//! one refers to is not there, the old one is followed like before, rotated Secrets and all.

use super::Snapshot;
use super::decide::{Decide, Needed, Objects};
use super::resolve::ResolveError;

/// Decides by the configuration in force.
#[derive(Debug)]
pub(super) struct InForce<D: Decide> {
    decider: D,
    next: Option<Next<D::Configuration>>,
}

/// A configuration that waits.
#[derive(Debug)]
struct Next<C> {
    configuration: C,
    /// What for, as it was said to people.
    told: Option<ResolveError>,
}

impl<D: Decide> InForce<D> {
    /// What `decider` goes by is in force.
    pub(super) fn new(decider: D) -> Self {
        Self { decider, next: None }
    }

    /// Goes by another configuration as soon as that can be. One that waits until now is forgotten.
    pub(super) fn configure(&mut self, configuration: D::Configuration) {
        self.next = Some(Next { configuration, told: None });
    }

    /// Takes what is known into account, and another configuration if it need not wait any more. Returns what has to be read.
    pub(super) fn accept(&mut self, objects: &Objects) -> Needed {
        let mut needed = self.decider.accept(objects);
        if let Some(next) = &mut self.next {
            let mut decider = self.decider.clone();
            decider.configure(next.configuration.clone());
            let needed_next = decider.accept(objects);
            let awaits = decider.awaits(objects);
            if awaits.is_none() {
                (self.decider, self.next) = (decider, None);
                return needed_next;
            }
            if let Some(ResolveError::Waiting(reason)) = &awaits
                && next.told != awaits
            {
                tracing::warn!(reason, "the changed configuration waits, the previous one stays in force until then");
                next.told = awaits;
            }
            needed.extend(needed_next);
        }
        needed
    }

    /// The backends that are served with these objects, by the configuration in force.
    pub(super) fn decide(&mut self, objects: &Objects) -> Snapshot {
        self.decider.decide(objects)
    }
}
