//! A scenario as its file says it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;

use super::deadline::Deadline;
use super::image::Image;
use super::step::{Action, Step, Token};
use crate::diagnostic::Source;
use crate::world::World;

/// One scenario: a world, and steps that say what must be seen.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its unique id, such as `entry/complete-example`.
    pub id: String,
    /// The rule that it shows, as a sentence.
    pub title: String,
    /// Prose for readers.
    pub description: Option<String>,
    /// The part of the documented behaviour that it belongs to.
    pub profile: Profile,
    /// Whether it may run beside others.
    pub isolation: Isolation,
    /// Why it is not run.
    pub skip: Option<String>,
    /// Values for steps that give none.
    pub defaults: Defaults,
    /// The remote servers that it needs.
    pub world: Option<World>,
    /// What the containers of images run.
    pub images: BTreeMap<String, Image>,
    /// What is done and expected.
    pub steps: Vec<Step>,
    /// The file that says all this.
    pub source: Arc<Source>,
}

/// A part of the documented behaviour that an implementation may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// `MCPServerEntry`.
    Entry,
    /// `VirtualMCPServer` and the gateway.
    Virtual,
    /// `MCPRemoteProxy`.
    Proxy,
    /// What only this project promises.
    Waggle,
}

impl Profile {
    /// The name in scenario files, claims and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Virtual => "virtual",
            Self::Proxy => "proxy",
            Self::Waggle => "waggle",
        }
    }
}

/// Whether a scenario may run beside others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// In a namespace of its own, beside others.
    #[default]
    Namespace,
    /// Alone: it touches what all share.
    Cluster,
}

/// Values for steps that give none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Who calls.
    pub token: Option<Token>,
    /// Other values for named deadlines.
    #[serde(default)]
    pub deadlines: BTreeMap<String, Deadline>,
}

impl Scenario {
    /// Every step, also those inside others, in the file's order.
    pub fn all_steps(&self) -> Vec<&Step> {
        let mut all = Vec::new();
        collect(&self.steps, &mut all);
        all
    }

    /// The behaviours that its steps, and the rows of its tables, verify.
    pub fn verifies(&self) -> BTreeSet<&str> {
        let mut ids = BTreeSet::new();
        for step in self.all_steps() {
            ids.extend(step.verifies.iter().map(String::as_str));
            if let Action::Each(rows) = &step.action {
                ids.extend(rows.iter().flat_map(|row| &row.verifies).map(String::as_str));
            }
        }
        ids
    }
}

fn collect<'a>(steps: &'a [Step], all: &mut Vec<&'a Step>) {
    for step in steps {
        all.push(step);
        for inner in step.inner() {
            collect(inner, all);
        }
    }
}
