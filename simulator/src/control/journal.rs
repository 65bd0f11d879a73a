//! Journals over HTTP: what there is, or what comes.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header::CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::Deserialize;

use super::JournalPage;
use super::answers::Refusal;
use super::worlds::{Running, Worlds};
use crate::journal::JournalEntry;

/// Which entries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// From this number on.
    #[serde(default)]
    since: u64,
    /// Those that come, too, without an end.
    #[serde(default)]
    follow: bool,
}

pub(super) async fn read(
    State(worlds): State<Arc<Worlds>>,
    Path(name): Path<String>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted.map_err(|error| Refusal::unreadable(error.body_text()))?;
    let running = worlds.named(&name)?;
    if wanted.follow {
        return Ok(follow(running, wanted.since));
    }
    let mut subscription = running.world.journal().subscribe_from(wanted.since);
    let position = running.world.journal().position();
    let mut entries = Vec::new();
    while let Some(entry) = subscription.ready()
        && entry.sequence < position
    {
        entries.push(Arc::unwrap_or_clone(entry));
    }
    Ok(Json(JournalPage { position, entries }).into_response())
}

/// A line for each entry as it comes, until the world ends.
fn follow(running: Running, since: u64) -> Response {
    let entries = running.world.journal().subscribe_from(since).into_stream();
    let lines = entries.map(|entry| Ok::<_, Infallible>(line(&entry)));
    let lines = lines.take_until(running.ended.cancelled_owned());
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

fn line(entry: &JournalEntry) -> Bytes {
    // Every part of an entry has a JSON form.
    let mut line = serde_json::to_vec(entry).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

pub(super) async fn clear(State(worlds): State<Arc<Worlds>>, Path(name): Path<String>) -> Result<StatusCode, Refusal> {
    worlds.named(&name)?.world.journal().clear();
    Ok(StatusCode::NO_CONTENT)
}
