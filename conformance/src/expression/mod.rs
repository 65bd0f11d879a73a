//! CEL in scenarios: compiled when a file is loaded, evaluated against what a step saw.
//!
//! An expression is kept as the clauses that `&&` joins, so that a failure can say which of them did not hold,
//! where it stands, and what the values were.

mod functions;
mod paths;
mod syntax;
mod value;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use kube_cel::cel::{Context, ExecutionError, Program};
use kube_cel::{KubeCelExt, cel};
use serde_json::Value;

use crate::diagnostic::Position;
use crate::yaml::{Located, Placed};

pub use value::Variables;

/// A compiled expression.
#[derive(Clone)]
pub struct Expression {
    /// The text as it stands in the file.
    pub text: String,
    /// Where it starts.
    pub at: Position,
    clauses: Arc<[Clause]>,
    names: Arc<BTreeSet<String>>,
}

struct Clause {
    text: String,
    at: Position,
    program: Program,
}

/// Why a text is not an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    /// Where in the file.
    pub at: Position,
    /// What is wrong.
    pub message: String,
}

/// An expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The clause that does not hold.
    pub expected: String,
    /// What the values in it are.
    pub got: String,
    /// Where the clause stands.
    pub at: Position,
}

/// An expression that cannot be evaluated whatever the values are, for example for an unknown function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the expression `{expression}` at {at} cannot be evaluated: {reason}")]
pub struct EvaluationError {
    /// The expression.
    pub expression: String,
    /// Where it stands.
    pub at: Position,
    /// What the evaluator says.
    pub reason: String,
}

impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} at {}", self.text, self.at)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.at == other.at
    }
}

impl<'de> serde::Deserialize<'de> for Expression {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Located { value, at } = Located::<String>::deserialize(deserializer)?;
        Self::compile(&value, at)
            .map_err(|CompileError { at, message }| serde::de::Error::custom(Placed { at, message }))
    }
}

impl Expression {
    /// Compiles a text that starts at `at`.
    pub fn compile(text: &str, at: Position) -> Result<Self, CompileError> {
        compile(text, at)?;
        let clauses = syntax::conjuncts(text)
            .into_iter()
            .map(|range| {
                let at = syntax::advance(at, &text[..range.start]);
                let text = text[range].to_owned();
                let program = compile(&text, at)?;
                Ok(Clause { text, at, program })
            })
            .collect::<Result<Vec<_>, CompileError>>()?;
        let names = clauses
            .iter()
            .flat_map(|clause: &Clause| syntax::free_variables(clause.program.expression()))
            .collect::<BTreeSet<_>>();
        Ok(Self { text: text.to_owned(), at, clauses: clauses.into(), names: names.into() })
    }

    /// The variables that the expression needs, each with the place of the clause that names it.
    pub fn variables(&self) -> Vec<(String, Position)> {
        self.clauses
            .iter()
            .flat_map(|clause| {
                syntax::free_variables(clause.program.expression()).into_iter().map(|name| (name, clause.at))
            })
            .collect()
    }

    /// Whether the expression holds; a missing key or a value of another type makes it false.
    pub fn holds(&self, variables: &Variables) -> Result<bool, EvaluationError> {
        let context = self.context(variables);
        for clause in self.clauses.iter() {
            match clause.program.execute(&context) {
                Ok(cel::Value::Bool(true)) => {}
                Err(error) if is_authors_fault(&error) => {
                    return Err(clause.evaluation_error(&error));
                }
                Ok(_) | Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The first clause that does not hold; a missing key is one too.
    pub fn check(&self, variables: &Variables) -> Result<Result<(), Mismatch>, EvaluationError> {
        let context = self.context(variables);
        for clause in self.clauses.iter() {
            let reason = match clause.program.execute(&context) {
                Ok(cel::Value::Bool(true)) => continue,
                Err(error) if is_authors_fault(&error) => {
                    return Err(clause.evaluation_error(&error));
                }
                Ok(_) | Err(ExecutionError::NoSuchKey(_)) => None,
                Err(error) => Some(error.to_string()),
            };
            let mut got = paths::describe(clause.program.expression(), &context);
            if got.is_empty() {
                got = reason.unwrap_or_else(|| "false".to_owned());
            }
            return Ok(Err(Mismatch { expected: clause.text.clone(), got, at: clause.at }));
        }
        Ok(Ok(()))
    }

    /// The functions, and those of the variables that the expression needs.
    fn context(&self, variables: &Variables) -> Context<'static> {
        let mut context = FUNCTIONS.new_inner_scope();
        variables.enter(&self.names, &mut context);
        context
    }

    /// The value of an expression that is not a condition (for `${...}`).
    pub fn evaluate(&self, variables: &Variables) -> Result<Value, EvaluationError> {
        let error = |reason| EvaluationError { expression: self.text.clone(), at: self.at, reason };
        let program = compile(&self.text, self.at).map_err(|failure| error(failure.message))?;
        let result = program.execute(&self.context(variables)).map_err(|failure| error(failure.to_string()))?;
        value::to_json(&result).ok_or_else(|| error("its value is not JSON".to_owned()))
    }
}

impl Clause {
    fn evaluation_error(&self, error: &ExecutionError) -> EvaluationError {
        EvaluationError { expression: self.text.clone(), at: self.at, reason: error.to_string() }
    }
}

fn compile(text: &str, at: Position) -> Result<Program, CompileError> {
    if text.trim().is_empty() {
        let message = "an expression is expected, and nothing stands here".to_owned();
        return Err(CompileError { at, message });
    }
    Program::compile(text).map_err(|errors| syntax::compile_error(text, at, &errors))
}

/// The functions that expressions may call. They are many, so they are registered once.
static FUNCTIONS: LazyLock<Context<'static>> = LazyLock::new(|| {
    let mut context = Context::default().with_all();
    functions::register(&mut context);
    context
});

/// Faults that no value could make right.
fn is_authors_fault(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::UndeclaredReference(_)
            | ExecutionError::InvalidArgumentCount { .. }
            | ExecutionError::UnsupportedFunctionCallIdentifierType(_)
    )
}

#[cfg(test)]
mod tests;
