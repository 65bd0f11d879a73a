//! The condition of an object: one shape in every status, and what thousands of objects say alike is in memory once.

use std::{borrow::Cow, collections::BTreeSet, ops::Deref, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{self as meta, Time};
use parking_lot::Mutex;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

/// A condition of an object. It reads as what it states; as JSON, it is `meta/v1` Condition.
///
/// The statements of a cluster are few: kinds of conditions times what can be found, and most objects are well. So
/// equal ones share their texts, which would otherwise take more memory than the object that they are about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "meta::Condition", into = "meta::Condition")]
pub struct Condition {
    statement: Arc<Statement>,
    /// Generation of the object that it is about.
    pub observed_generation: Option<i64>,
    /// Since when the status is what it is.
    pub last_transition_time: Time,
}

/// What a condition states, whenever it does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    /// What it is about.
    pub type_: String,
    /// Whether that holds: True, False or Unknown.
    pub status: String,
    /// Why, for programs.
    pub reason: String,
    /// Why, for people.
    pub message: String,
}

impl Condition {
    /// A condition that states `statement` of the object at `observed_generation`.
    pub fn new(statement: Statement, observed_generation: Option<i64>, last_transition_time: Time) -> Self {
        let mut known = KNOWN.lock();
        Self { statement: known.shared(statement), observed_generation, last_transition_time }
    }
}

impl Deref for Condition {
    type Target = Statement;

    fn deref(&self) -> &Statement {
        &self.statement
    }
}

impl From<meta::Condition> for Condition {
    fn from(condition: meta::Condition) -> Self {
        let meta::Condition { type_, status, reason, message, observed_generation, last_transition_time } = condition;
        Self::new(Statement { type_, status, reason, message }, observed_generation, last_transition_time)
    }
}

impl From<Condition> for meta::Condition {
    fn from(condition: Condition) -> Self {
        let Condition { statement, observed_generation, last_transition_time } = condition;
        let Statement { type_, status, reason, message } = Arc::unwrap_or_clone(statement);
        Self { type_, status, reason, message, observed_generation, last_transition_time }
    }
}

impl JsonSchema for Condition {
    fn schema_name() -> Cow<'static, str> {
        meta::Condition::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        meta::Condition::json_schema(generator)
    }
}

/// The statements of this process.
static KNOWN: Mutex<Statements> = Mutex::new(Statements { known: BTreeSet::new(), sweep_at: Statements::FEW });

/// Statements, each once.
#[derive(Debug)]
struct Statements {
    known: BTreeSet<Arc<Statement>>,
    /// With so many, those that no condition states any more are dropped.
    sweep_at: usize,
}

impl Statements {
    /// So many are not worth sweeping.
    const FEW: usize = 256;

    /// `statement`, in one copy for all conditions.
    fn shared(&mut self, statement: Statement) -> Arc<Statement> {
        if let Some(known) = self.known.get(&statement) {
            return known.clone();
        }
        if self.known.len() >= self.sweep_at {
            // Only from this set, and so under its lock, does one that it alone has get into use again.
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.sweep_at = Self::FEW.max(2 * self.known.len());
        }
        let new = Arc::new(statement);
        self.known.insert(new.clone());
        new
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::{Value, json};

    use super::*;

    fn statement(message: &str) -> Statement {
        let [type_, status, reason] = ["Valid", "True", "ConfigValid"].map(str::to_owned);
        Statement { type_, status, reason, message: message.to_owned() }
    }

    #[test]
    fn a_condition_is_written_and_described_as_that_of_kubernetes() {
        let text = json!({
            "type": "Valid", "status": "False", "reason": "ConfigInvalid", "message": "no", "observedGeneration": 2,
            "lastTransitionTime": "2026-11-21T12:00:00Z",
        });
        let ours: Condition = serde_json::from_value(text.clone()).unwrap();
        assert_eq!((ours.type_.as_str(), ours.message.as_str(), ours.observed_generation), ("Valid", "no", Some(2)));
        assert_eq!(serde_json::to_value(ours).unwrap(), text);
        assert_eq!(schemars::schema_for!(Condition), schemars::schema_for!(meta::Condition));
        assert!(serde_json::from_value::<Condition>(Value::Null).is_err());
    }

    #[test]
    fn equal_statements_are_one_whatever_else_differs() {
        let text = |time: &str| json!({"type": "A", "status": "True", "reason": "B", "message": "C", "lastTransitionTime": time});
        let [one, other] = ["2026-11-21T12:00:00Z", "2026-11-21T13:00:00Z"]
            .map(|time| serde_json::from_value::<Condition>(text(time)).unwrap());
        assert!(Arc::ptr_eq(&one.statement, &other.statement));
        assert_ne!(one, other);
    }

    #[test]
    fn statements_that_nobody_makes_any_more_are_dropped() {
        let mut statements = Statements { known: BTreeSet::new(), sweep_at: Statements::FEW };
        let kept = statements.shared(statement("kept"));
        for number in 0..10 * Statements::FEW {
            statements.shared(statement(&number.to_string()));
            assert!(statements.known.len() <= Statements::FEW);
        }
        assert!(Arc::ptr_eq(&kept, &statements.shared(statement("kept"))));
    }
}
