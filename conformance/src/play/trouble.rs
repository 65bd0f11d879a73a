//! Why a step did not pass.

use super::Verdict;
use crate::diagnostic::Position;
use crate::expression::{EvaluationError, Mismatch};
use crate::mcp::HttpError;
use crate::objects::ApiError;
use crate::target::TargetError;
use crate::world::WorldError;

/// The implementation does not do what the scenario expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was expected.
    pub expected: String,
    /// What was seen.
    pub got: String,
    /// Where the expectation stands.
    pub at: Position,
    /// The row of a table, if any.
    pub row: Option<String>,
    /// The behaviours that the step would have proved.
    pub behaviours: Vec<String>,
}

/// A step that did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The implementation failed.
    Failed(Box<Failure>),
    /// The suite failed: a scenario that makes no sense, a cluster that is not there.
    Harness {
        /// What happened.
        reason: String,
        /// Which step it happened in.
        at: Option<Position>,
    },
}

impl Trouble {
    /// An expectation that was not met.
    pub fn failed(expected: impl Into<String>, got: impl Into<String>, at: Position) -> Self {
        Self::Failed(Box::new(Failure {
            expected: expected.into(),
            got: got.into(),
            at,
            row: None,
            behaviours: Vec::new(),
        }))
    }

    /// The suite's own failure.
    pub fn harness(reason: impl Into<String>) -> Self {
        Self::Harness { reason: reason.into(), at: None }
    }

    /// What it makes of the scenario.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Failed(_) => Verdict::Failed,
            Self::Harness { .. } => Verdict::Error,
        }
    }

    /// Adds what the step knows: its place and its behaviours.
    #[must_use]
    pub fn of_step(self, step: Position, behaviours: &[String]) -> Self {
        match self {
            Self::Failed(mut failure) => {
                if failure.behaviours.is_empty() {
                    failure.behaviours = behaviours.to_vec();
                }
                Self::Failed(failure)
            }
            Self::Harness { reason, at } => Self::Harness { reason, at: at.or(Some(step)) },
        }
    }

    /// Adds the row of a table.
    #[must_use]
    pub fn of_row(self, label: &str, behaviours: &[String]) -> Self {
        match self {
            Self::Failed(mut failure) => {
                failure.row.get_or_insert_with(|| label.to_owned());
                if failure.behaviours.is_empty() {
                    failure.behaviours = behaviours.to_vec();
                }
                Self::Failed(failure)
            }
            harness @ Self::Harness { .. } => harness,
        }
    }

    /// Expected, got, where, and which behaviours, in one line.
    pub fn sentence(&self, file: &str) -> String {
        match self {
            Self::Failed(failure) => {
                let row = failure.row.as_ref().map_or_else(String::new, |row| format!(" in row {row}"));
                let behaviours = if failure.behaviours.is_empty() {
                    String::new()
                } else {
                    format!(" [{}]", failure.behaviours.join(", "))
                };
                let sentence = format!(
                    "expected {}, got {} ({file}:{}{row}){behaviours}",
                    failure.expected, failure.got, failure.at
                );
                one_line(&sentence)
            }
            Self::Harness { reason, at } => {
                let place = at.map_or_else(String::new, |at| format!(" ({file}:{at})"));
                one_line(&format!("{reason}{place}"))
            }
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl From<Mismatch> for Trouble {
    fn from(mismatch: Mismatch) -> Self {
        Self::failed(format!("`{}`", mismatch.expected), mismatch.got, mismatch.at)
    }
}

impl From<EvaluationError> for Trouble {
    fn from(error: EvaluationError) -> Self {
        let at = (error.at != Position::default()).then_some(error.at);
        Self::Harness { reason: format!("`{}` cannot be evaluated: {}", error.expression, error.reason), at }
    }
}

impl From<ApiError> for Trouble {
    fn from(error: ApiError) -> Self {
        Self::harness(error.to_string())
    }
}

impl From<WorldError> for Trouble {
    fn from(error: WorldError) -> Self {
        Self::harness(format!("the world does not do that: {error}"))
    }
}

impl From<TargetError> for Trouble {
    fn from(error: TargetError) -> Self {
        Self::harness(error.to_string())
    }
}

impl Trouble {
    /// A request that was not answered: the implementation's fault when it should have been.
    pub fn unanswered(error: &HttpError, expected: &str, at: Position) -> Self {
        match error {
            HttpError::Unanswered { .. } => Self::failed(expected, error.to_string(), at),
            HttpError::Invalid(_) => Self::harness(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_with_place_and_behaviours() {
        let at = Position { line: 7, column: 13 };
        let trouble =
            Trouble::failed("`a == 1`", "a is\n2", at).of_row("first", &[]).of_step(at, &["ENTRY-001".to_owned()]);
        assert_eq!(trouble.sentence("x.yaml"), "expected `a == 1`, got a is 2 (x.yaml:7:13 in row first) [ENTRY-001]");
    }
}
