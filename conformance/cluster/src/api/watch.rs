//! Watches: cursors into a collection's history.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::call::Call;
use super::convert;
use super::negotiate::Shape;
use super::object::Object;
use super::options::{parse_int, refuse};
use super::read::{Filter, match_causes, revision_parameter};
use super::registry::{Resource, Version};
use super::state::{Server, State};
use super::status::{ApiError, ApiResult, Cause};
use super::store::Change;
use super::table::{self, RowObject};

/// How often a quiet watch that asked for bookmarks gets one.
const BOOKMARK_INTERVAL: Duration = Duration::from_mins(1);

/// How long a watch lasts that names no `timeoutSeconds`.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(45);

/// An open watch.
struct Watch {
    server: Arc<Server>,
    resource: Arc<Resource>,
    version: Arc<Version>,
    filter: Filter,
    shape: Shape,
    row_object: RowObject,
    bookmarks: bool,
    position: u64,
    pending: VecDeque<Bytes>,
    changed: watch::Receiver<u64>,
    /// How often the collection's watches had been dropped when this one began.
    drops: u64,
    deadline: Instant,
    next_bookmark: Instant,
    columns_sent: bool,
    ended: bool,
}

/// Opens a watch and answers its stream of events.
pub(crate) fn open(call: &Call<'_>, state: &State) -> ApiResult<Body> {
    let initial = call.query.value("sendInitialEvents");
    check_initial(call, initial)?;
    let filter = Filter::parse(call)?;
    let timeout = call.query.value("timeoutSeconds").map(parse_int).transpose()?;
    let timeout = timeout.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
    let timeout = timeout.map_or(DEFAULT_TIMEOUT, Duration::from_secs);
    let requested = revision_parameter(call)?;
    let collection = state.store.collection(&call.resource.collection).ok_or_else(ApiError::no_such_resource)?;
    let from_snapshot = match initial {
        Some(value) => value == "true",
        None => requested.is_none_or(|revision| revision == 0),
    };
    let now = Instant::now();
    let mut watch = Watch {
        server: call.server.clone(),
        resource: call.resource.clone(),
        version: call.version.clone(),
        filter,
        shape: call.representation.shape,
        row_object: RowObject::parse(call.query.value("includeObject")),
        bookmarks: call.query.flag("allowWatchBookmarks"),
        position: requested.filter(|revision| *revision > 0).unwrap_or_else(|| state.store.revision()),
        pending: VecDeque::new(),
        changed: collection.subscribe(),
        drops: collection.drops(),
        deadline: now + timeout,
        next_bookmark: now + BOOKMARK_INTERVAL,
        columns_sent: false,
        ended: false,
    };
    if from_snapshot {
        watch.position = state.store.revision();
        for (key, stored) in collection.objects() {
            let object = call.present_object(stored);
            if watch.filter.admits(key, &object) {
                watch.push("ADDED", &object);
            }
        }
        if initial == Some("true") && watch.bookmarks {
            watch.push_bookmark(true);
        }
    } else if collection.since(watch.position).is_none() {
        let (position, floor) = (watch.position, collection.floor());
        watch.push_error(&ApiError::expired(format!("too old resource version: {position} ({floor})")));
    }
    Ok(Body::from_stream(stream::unfold(watch, |mut watch| async move {
        let chunk = watch.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), watch))
    })))
}

/// What a watch may ask for together.
fn check_initial(call: &Call<'_>, initial: Option<&str>) -> ApiResult<()> {
    let field = "resourceVersionMatch";
    let mode = call.query.value(field);
    let mut causes = Vec::new();
    if initial.is_some() && mode != Some("NotOlderThan") {
        let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        causes.push(Cause::forbidden(field, detail));
    }
    if initial.is_none() && mode.is_some() {
        let detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
        causes.push(Cause::forbidden(field, detail));
    }
    if let Some(mode) = mode {
        causes.extend(match_causes(mode, call.query.value("continue").is_some()));
    }
    refuse("ListOptions", causes)
}

impl Watch {
    /// The next chunk: waits for changes, the time for a bookmark, or the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(chunk) = self.pending.pop_front() {
                return Some(chunk);
            }
            if self.ended {
                return None;
            }
            // Marking the value as seen before reading the history means that no later change goes unnoticed.
            self.changed.borrow_and_update();
            self.read_changes();
            if !self.pending.is_empty() || self.ended {
                continue;
            }
            let bookmark = if self.bookmarks { self.next_bookmark } else { self.deadline };
            tokio::select! {
                changed = self.changed.changed() => {
                    if changed.is_err() {
                        return None;
                    }
                }
                () = sleep_until(bookmark.min(self.deadline)) => {
                    let now = Instant::now();
                    if now >= self.deadline {
                        self.ended = true;
                    }
                    if self.bookmarks {
                        self.next_bookmark = now + BOOKMARK_INTERVAL;
                        self.push_bookmark(false);
                    }
                }
            }
        }
    }

    /// Turns what has changed since the cursor into events.
    fn read_changes(&mut self) {
        let (changes, revision) = {
            let state = self.server.lock();
            let Some(collection) = state.store.collection(&self.resource.collection) else { return };
            if collection.drops() != self.drops {
                self.ended = true;
                return;
            }
            let Some(changes) = collection.unseen(self.position) else {
                let error = format!("too old resource version: {} ({})", self.position, collection.floor());
                drop(state);
                self.push_error(&ApiError::expired(error));
                return;
            };
            (changes, state.store.revision())
        };
        for change in &changes {
            self.push_change(change);
        }
        self.position = self.position.max(revision);
    }

    /// A change as this watch sees it: an object that begins or ceases to match is added or deleted.
    fn push_change(&mut self, change: &Change) {
        let present = |object: &Arc<Object>| convert::to_fields_of(&self.resource, &self.version, object);
        let old = change.old.as_ref().map(present).filter(|object| self.filter.admits(&change.key, object));
        let new = change.new.as_ref().map(present).filter(|object| self.filter.admits(&change.key, object));
        match (old, new) {
            (None, Some(new)) => self.push("ADDED", &new),
            (Some(_), Some(new)) => self.push("MODIFIED", &new),
            (Some(_), None) => {
                if let Some(gone) = change.gone().as_ref().map(present) {
                    self.push("DELETED", &gone);
                }
            }
            (None, None) => {}
        }
    }

    fn push(&mut self, kind: &str, object: &Object) {
        let shown = match self.shape {
            Shape::Table => self.row(&self.in_version(object)),
            Shape::Metadata => table::partial(&object.value()),
            Shape::Object | Shape::Discovery => {
                let resource = self.resource.clone();
                let api_version = resource.api_version(&self.version);
                return self.push_line(kind, |line| object.write_as(&api_version, &resource.kind, line));
            }
        };
        self.push_event(kind, &shown);
    }

    fn in_version(&self, object: &Object) -> Arc<Value> {
        convert::to_version(&self.resource, &self.version, &object.value())
    }

    fn row(&mut self, object: &Value) -> Value {
        let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
        let now = self.server.clock.now();
        let mut shown = table::table(&self.version.columns, std::iter::once(object), &metadata, self.row_object, now);
        if self.columns_sent {
            shown["columnDefinitions"] = Value::Null;
        }
        self.columns_sent = true;
        shown
    }

    fn push_bookmark(&mut self, initial_events_end: bool) {
        let mut object = json!({
            "apiVersion": self.resource.api_version(&self.version),
            "kind": self.resource.kind,
            "metadata": {"resourceVersion": self.position.to_string()},
        });
        if initial_events_end {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        self.push("BOOKMARK", &Object::new(Arc::new(object)));
    }

    fn push_error(&mut self, error: &ApiError) {
        self.push_event("ERROR", &error.to_status());
        self.ended = true;
    }

    fn push_event(&mut self, kind: &str, object: &Value) {
        self.push_line(kind, |line| line.push_str(&object.to_string()));
    }

    fn push_line(&mut self, kind: &str, write_object: impl FnOnce(&mut String)) {
        let mut line = format!("{{\"type\":\"{kind}\",\"object\":");
        write_object(&mut line);
        line.push_str("}\n");
        self.pending.push_back(line.into());
    }
}
