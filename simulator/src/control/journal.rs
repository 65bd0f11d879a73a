//! Journals over HTTP: what there is, what comes, or what is waited for.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header::CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tokio::time::timeout;
use url::form_urlencoded;

use super::JournalPage;
use super::answers::Refusal;
use super::worlds::{Running, Worlds};
use crate::duration;
use crate::journal::{Condition, JournalEntry};

/// So long a request can wait.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// Which entries.
#[derive(Debug, Default)]
struct Wanted {
    /// From this number on.
    since: u64,
    /// Those of which all this holds.
    conditions: Vec<Condition>,
    /// Those that come, too, without an end.
    follow: bool,
    /// How long to wait for so many.
    wait: Option<Duration>,
    count: Option<usize>,
}

impl Wanted {
    fn read(query: &str) -> Result<Self, String> {
        let mut wanted = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let wrong = |expected: &str| format!("`{name}` is `{value}`: expected {expected}");
            match name.as_ref() {
                "since" => wanted.since = value.parse().map_err(|_| wrong("the number of an entry"))?,
                "where" => wanted.conditions.push(value.parse().map_err(|error| format!("`where`: {error}"))?),
                "follow" => wanted.follow = value.parse().map_err(|_| wrong("true or false"))?,
                "wait" => {
                    let wait = duration::parse(&value)?;
                    wanted.wait = (wait <= LONGEST_WAIT).then_some(wait);
                    if wanted.wait.is_none() {
                        return Err(wrong("ten minutes at most"));
                    }
                }
                "count" => {
                    let count = value.parse().ok().filter(|count| *count > 0);
                    wanted.count = Some(count.ok_or_else(|| wrong("how many entries to wait for"))?);
                }
                _ => return Err(format!("unknown field `{name}`: expected since, where, follow, wait or count")),
            }
        }
        match (wanted.follow, wanted.wait, wanted.count) {
            (true, Some(_), _) => Err("`follow` has no end to wait for: give `wait` or `follow`".to_owned()),
            (_, None, Some(_)) => Err("`count` is for `wait`: say how long".to_owned()),
            _ => Ok(wanted),
        }
    }
}

pub(super) async fn read(
    State(worlds): State<Arc<Worlds>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let wanted = Wanted::read(&query.unwrap_or_default()).map_err(Refusal::unreadable)?;
    let running = worlds.named(&name)?;
    if wanted.follow {
        return Ok(follow(running, wanted));
    }
    let page = match wanted.wait {
        Some(time) => wait(&running, &wanted, time).await?,
        None => present(&running, &wanted),
    };
    Ok(Json(page).into_response())
}

/// The entries that are there.
fn present(running: &Running, wanted: &Wanted) -> JournalPage {
    let mut subscription = running.world.journal().subscribe_from(wanted.since);
    let position = running.world.journal().position();
    let mut entries = Vec::new();
    while let Some(entry) = subscription.ready()
        && entry.sequence < position
    {
        if entry.holds(&wanted.conditions) {
            entries.push(Arc::unwrap_or_clone(entry));
        }
    }
    JournalPage { position, entries }
}

/// As many entries as are waited for, those that are there among them.
async fn wait(running: &Running, wanted: &Wanted, time: Duration) -> Result<JournalPage, Refusal> {
    let count = wanted.count.unwrap_or(1);
    let mut subscription = running.world.journal().subscribe_from(wanted.since);
    let mut entries: Vec<JournalEntry> = Vec::new();
    let collect = async {
        while entries.len() < count {
            let entry = subscription.next().await;
            if entry.holds(&wanted.conditions) {
                entries.push(Arc::unwrap_or_clone(entry));
            }
        }
    };
    let ended = running.ended.clone();
    tokio::select! {
        done = timeout(time, collect) => {
            if done.is_err() {
                return Err(Refusal::too_few(entries.len(), count, time));
            }
        }
        () = ended.cancelled() => return Err(Refusal::too_few(entries.len(), count, time)),
    }
    let position = entries.last().map_or(wanted.since, |entry| entry.sequence + 1);
    Ok(JournalPage { position, entries })
}

/// A line for each entry as it comes, until the world ends.
fn follow(running: Running, wanted: Wanted) -> Response {
    let entries = running.world.journal().subscribe_from(wanted.since).into_stream();
    let lines = entries.filter_map(move |entry| {
        let line = entry.holds(&wanted.conditions).then(|| Ok::<_, Infallible>(line(&entry)));
        std::future::ready(line)
    });
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
