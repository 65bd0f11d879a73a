//! The steps in their order, and what each proves.

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use serde_json::Value;

use super::trouble::Trouble;
use super::{Stage, admission, http, journal, look, session, subscription, surroundings};
use crate::diagnostic::Position;
use crate::language::{Action, Row, Step};

/// A step that says which behaviours it verifies, and whether it passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The behaviours.
    pub behaviours: Vec<String>,
    /// Whether the step passed.
    pub passed: bool,
    /// Where the step stands.
    pub at: Position,
}

/// Plays all steps.
pub(super) async fn walk(stage: &Stage<'_>) -> Result<(), Trouble> {
    list(stage, &stage.scenario.steps, None).await
}

fn list<'a>(stage: &'a Stage<'_>, steps: &'a [Step], row: Option<&'a Value>) -> BoxFuture<'a, Result<(), Trouble>> {
    async move {
        for step in steps {
            one(stage, step, row).await?;
        }
        Ok(())
    }
    .boxed()
}

async fn one(stage: &Stage<'_>, step: &Step, row: Option<&Value>) -> Result<(), Trouble> {
    let before = match &step.keep {
        Some(_) => stage.journal_position().await?,
        None => 0,
    };
    let outcome = act(stage, step, row).await;
    let proof = |passed| Proof { behaviours: step.verifies.clone(), passed, at: step.at };
    match outcome {
        Ok(value) => {
            if let Some(name) = &step.keep {
                stage.keep(name, value);
                // Requests that a step caused itself belong to it; of a change only what follows counts.
                let position = if causes_requests(&step.action) { before } else { stage.journal_position().await? };
                stage.mark(name, position);
            }
            if !step.verifies.is_empty() {
                stage.state().proofs.push(proof(true));
            }
            Ok(())
        }
        Err(trouble) => {
            let trouble = trouble.of_step(step.at, &step.verifies);
            if !step.verifies.is_empty() && matches!(trouble, Trouble::Failed(_)) {
                stage.state().proofs.push(proof(false));
            }
            Err(trouble)
        }
    }
}

fn causes_requests(action: &Action) -> bool {
    matches!(
        action,
        Action::Connect(_)
            | Action::List(_)
            | Action::Call(_)
            | Action::Message(_)
            | Action::Listen(_)
            | Action::Request(_)
    )
}

async fn act(stage: &Stage<'_>, step: &Step, row: Option<&Value>) -> Result<Value, Trouble> {
    match &step.action {
        Action::Apply(spec) => admission::apply(stage, step, spec, row).await,
        Action::Patch(spec) => admission::patch(stage, step, spec, row).await,
        Action::Delete(spec) => admission::delete(stage, step, spec, row).await,
        Action::Wait(spec) => look::wait(stage, step, spec, row).await,
        Action::Expect(spec) => look::expect(stage, step, spec, row).await,
        Action::Connect(spec) => session::connect(stage, step, spec, row).await,
        Action::List(spec) => session::list(stage, step, spec, row).await,
        Action::Call(spec) => session::call(stage, step, spec, row).await,
        Action::Message(spec) => session::message(stage, step, spec, row).await,
        Action::Listen(spec) => subscription::listen(stage, step, spec, row).await,
        Action::Heard(spec) => subscription::heard(stage, step, spec, row).await,
        Action::Disconnect(spec) => session::disconnect(stage, step, spec, row).await,
        Action::Request(spec) => http::request(stage, step, spec, row).await,
        Action::Journal(spec) => journal::journal(stage, step, spec, row).await,
        Action::Never(spec) => journal::never(stage, step, spec, row).await,
        Action::Change(spec) => surroundings::change(stage, spec).await,
        Action::Logs(spec) => surroundings::logs(stage, step, spec, row).await,
        Action::Operator(spec) => surroundings::operator(stage, step, spec).await,
        Action::Each(rows) => each(stage, rows).await,
        Action::Parallel(lists) => {
            let played = join_all(lists.iter().map(|steps| list(stage, steps, row))).await;
            played.into_iter().collect::<Result<(), _>>()?;
            Ok(Value::Null)
        }
    }
}

/// Plays every row, also after one that failed; the first trouble is the step's.
async fn each(stage: &Stage<'_>, rows: &[Row]) -> Result<Value, Trouble> {
    let mut troubles = Vec::new();
    for row in rows {
        let outcome = list(stage, &row.steps, Some(&row.value)).await;
        let failed = matches!(outcome, Err(Trouble::Failed(_)));
        if !row.verifies.is_empty() && (outcome.is_ok() || failed) {
            stage.state().proofs.push(Proof { behaviours: row.verifies.clone(), passed: outcome.is_ok(), at: row.at });
        }
        if let Err(trouble) = outcome {
            troubles.push(trouble.of_row(&row.label, &row.verifies));
        }
    }
    if troubles.is_empty() {
        return Ok(Value::Null);
    }
    let others = troubles.len() - 1;
    let mut first = troubles.swap_remove(0);
    if others > 0
        && let Trouble::Failed(failure) = &mut first
    {
        let label = failure.row.take().unwrap_or_default();
        failure.row = Some(format!("{label}, and {others} more of {} failed", rows.len()));
    }
    Err(first)
}
