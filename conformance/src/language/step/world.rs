//! Steps around the gateway: the simulated world, logs, the operator.

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::Target;
use crate::expression::Expression;
use crate::world;
use crate::yaml::{self, DecodeError, Located, Node};

/// Reads what arrived at simulated servers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// A URL; `*` stands for anything.
    #[serde(rename = "journal")]
    pub url: String,
    /// Which entries.
    #[serde(rename = "where")]
    pub selects: Option<Expression>,
    /// How many of them.
    #[serde(default)]
    pub count: Count,
    /// Only those after the step of that name.
    pub since: Option<Located<String>>,
    /// What must hold of each.
    pub expect: Option<Expression>,
}

/// How many are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Exactly so many.
    Exactly(usize),
    /// So many or more.
    AtLeast(usize),
}

impl Count {
    /// How many there must be at least.
    pub fn least(self) -> usize {
        match self {
            Self::Exactly(count) | Self::AtLeast(count) => count,
        }
    }

    /// Whether so many are right.
    pub fn is_met(self, found: usize) -> bool {
        match self {
            Self::Exactly(count) => found == count,
            Self::AtLeast(count) => found >= count,
        }
    }

    /// It in words for readers: `exactly 2 requests`.
    pub fn of(self, what: &str) -> String {
        let (how, count) = match self {
            Self::Exactly(count) => ("exactly", count),
            Self::AtLeast(count) => ("at least", count),
        };
        if count == 1 { format!("{how} one {what}") } else { format!("{how} {count} {what}s") }
    }
}

impl Default for Count {
    fn default() -> Self {
        Self::AtLeast(1)
    }
}

/// Shows that something does not happen.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Never {
    /// A URL (`*` stands for anything), or the kind of objects.
    #[serde(rename = "never")]
    pub what: String,
    /// Which requests or objects must not be seen.
    #[serde(rename = "where")]
    pub selects: Option<Expression>,
    /// A label selector, for objects.
    pub selector: Option<String>,
    /// Only requests after the step of that name.
    pub since: Option<Located<String>>,
    /// The entry that ends the wait.
    pub until: Option<Expression>,
    /// How long to look, in place of `until`.
    #[serde(rename = "for")]
    pub lasting: Option<Located<String>>,
}

/// Changes the world while everything runs.
#[derive(Clone, Debug)]
pub struct Change {
    /// The change, in the simulator's words.
    pub change: world::Change,
}

impl Change {
    /// Reads the step.
    pub(in crate::language) fn read(node: &Node) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Spec {
            #[expect(dead_code, reason = "it is read once more, with its place")]
            change: de::IgnoredAny,
        }
        yaml::decode::<Spec>(node)?;
        let change = node.entry("change").unwrap_or(node);
        Ok(Self { change: world::Change::read(change)? })
    }
}

/// Reads logs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// `deploy/NAME`, `pod/NAME`, `pod` with a selector, or `operator`.
    #[serde(rename = "logs")]
    pub of: Target,
    /// A label selector.
    pub selector: Option<String>,
    /// What must hold.
    pub expect: Expression,
}

/// Takes the operator away or brings it back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// What it shall be.
    pub operator: OperatorState,
}

/// What the operator shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // The names say it.
pub enum OperatorState {
    Stopped,
    Running,
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || de::Error::custom("a count is a number, or a text such as '>= 2'");
        match Value::deserialize(deserializer)? {
            Value::Number(number) => {
                number.as_u64().and_then(|number| usize::try_from(number).ok()).map(Self::Exactly).ok_or_else(wrong)
            }
            Value::String(text) => text
                .strip_prefix(">=")
                .and_then(|number| number.trim().parse().ok())
                .map(Self::AtLeast)
                .ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }
}
