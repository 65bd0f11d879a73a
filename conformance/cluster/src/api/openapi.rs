//! `OpenAPI` v3: the index and one document per group and version.

use super::respond::Answer;
use super::state::State;

/// Answers a path below `/openapi/v3`.
pub(crate) fn answer(state: &mut State, path: &str) -> Answer {
    let _ = (state, path);
    Answer::page_not_found()
}
