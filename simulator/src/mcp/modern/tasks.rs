//! Calls that go on after their request was answered: the extension `io.modelcontextprotocol/tasks`.
//!
//! A task needs no worker. What it has come to follows from its steps and the clock, and is found out when somebody asks.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::call::{Call, Last, Turn};
use super::inputs::input_requests;
use crate::mcp::content::Asked;
use crate::mcp::jsonrpc::{INVALID_PARAMS, MethodError, Reply};
use crate::mcp::server::McpServer;
use crate::world::TaskSettings;

/// Tasks that a server keeps; beyond that the one that was begun first is forgotten.
const MOST_TASKS: usize = 1024;

/// Whether the method is the extension's.
pub(super) fn is_about_tasks(method: &str) -> bool {
    matches!(method, "tasks/get" | "tasks/update" | "tasks/cancel")
}

/// All tasks of a server.
#[derive(Default)]
pub(in crate::mcp) struct Tasks {
    all: Mutex<HashMap<String, Task>>,
    /// Moves when a client has done something to a task.
    touched: watch::Sender<()>,
}

/// What a task has come to.
pub(super) struct Seen {
    /// It as clients are told.
    pub(super) shown: Value,
    /// Nothing happens by itself before this time, if anything does.
    pub(super) until: Option<Timestamp>,
}

struct Task {
    call: Call,
    settings: TaskSettings,
    created: Timestamp,
    updated: Timestamp,
    state: State,
}

enum State {
    /// Nothing more happens before this time.
    Working {
        until: Timestamp,
    },
    /// Inputs are needed for the step after so many others.
    Asking {
        done: usize,
        missing: Vec<Asked>,
    },
    Completed(Value),
    Failed(MethodError),
    Cancelled,
}

impl Tasks {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Task>> {
        self.all.lock()
    }

    /// Tells that a client has done something to a task.
    pub(super) fn touched(&self) -> watch::Receiver<()> {
        self.touched.subscribe()
    }

    /// Those of these tasks that there are for `subject`.
    pub(super) fn known<'a>(
        &self,
        ids: impl Iterator<Item = &'a str>,
        subject: Option<&str>,
        now: Timestamp,
    ) -> BTreeSet<String> {
        let all = self.all();
        let is_known =
            |id: &&str| all.get(*id).is_some_and(|task| task.call.subject() == subject && !task.has_expired(now));
        ids.filter(is_known).map(str::to_owned).collect()
    }

    /// What a task has come to by `now`, if it is still there.
    pub(super) fn look(&self, server: &McpServer, id: &str, now: Timestamp) -> Option<Seen> {
        let mut all = self.all();
        let task = all.get_mut(id).filter(|task| !task.has_expired(now))?;
        task.advance(server, now);
        let until = if let State::Working { until } = task.state { Some(until) } else { None };
        let mut shown = task.detailed(id);
        shown.as_object_mut()?.remove("resultType");
        Some(Seen { shown, until })
    }

    /// Makes the rest of a call a task, and answers its request.
    pub(super) fn begin(&self, call: Call, settings: TaskSettings, now: Timestamp) -> Value {
        let id = Uuid::new_v4().to_string();
        let task = Task { call, settings, created: now, updated: now, state: State::Working { until: now } };
        let created = task.shown(&id, "task");
        let mut all = self.all();
        all.retain(|_, task| !task.has_expired(now));
        if all.len() >= MOST_TASKS {
            let oldest = all.iter().min_by_key(|(_, task)| task.created).map(|(id, _)| id.clone());
            oldest.and_then(|id| all.remove(&id));
            tracing::warn!("a server has {MOST_TASKS} tasks: the one that was begun first is forgotten");
        }
        all.insert(id, task);
        created
    }

    /// Answers a request about a task of `subject`.
    pub(super) fn answer(
        &self,
        server: &McpServer,
        method: &str,
        params: &Map<String, Value>,
        subject: Option<&str>,
    ) -> Reply {
        let now = server.clock.now();
        let id = params.get("taskId").and_then(Value::as_str);
        let id = id.ok_or_else(|| MethodError::new(INVALID_PARAMS, format!("`{method}` needs a `taskId`")))?;
        let mut all = self.all();
        let task = all.get_mut(id).filter(|task| task.call.subject() == subject && !task.has_expired(now));
        let task = task.ok_or_else(|| MethodError::new(INVALID_PARAMS, format!("there is no task `{id}`")))?;
        task.advance(server, now);
        match method {
            "tasks/get" => return Ok(task.detailed(id)),
            "tasks/update" => task.bring(params, now)?,
            _ => task.cancel(now),
        }
        self.touched.send_replace(());
        Ok(json!({}))
    }
}

impl Task {
    fn has_expired(&self, now: Timestamp) -> bool {
        now.duration_since(self.created).unsigned_abs() >= self.settings.ttl
    }

    /// Takes the steps whose time has come. What a stream would carry is lost.
    fn advance(&mut self, server: &McpServer, now: Timestamp) {
        while let State::Working { until } = self.state
            && until <= now
        {
            self.updated = until;
            self.state = match self.call.turn(server) {
                Turn::Wait(time) => State::Working { until: until.checked_add(time).unwrap_or(Timestamp::MAX) },
                Turn::Last(Last::Ask { done, missing }) => State::Asking { done, missing },
                Turn::Last(Last::Answer(Ok(result))) => State::Completed(result),
                Turn::Last(Last::Answer(Err(error))) => State::Failed(error),
                Turn::Send(_) | Turn::Last(Last::Task(_)) => State::Working { until },
            };
        }
    }

    /// Takes inputs; those that nobody asked for are not looked at.
    fn bring(&mut self, params: &Map<String, Value>, now: Timestamp) -> Result<(), MethodError> {
        if let State::Asking { done, .. } = self.state {
            self.call.bring(done, params)?;
            self.state = State::Working { until: now };
        }
        Ok(())
    }

    /// Ends it, unless it has ended.
    fn cancel(&mut self, now: Timestamp) {
        if matches!(self.state, State::Working { .. } | State::Asking { .. }) {
            self.state = State::Cancelled;
            self.updated = now;
        }
    }

    /// Its members without what it has come to.
    fn shown(&self, id: &str, result_type: &str) -> Value {
        let status = match self.state {
            State::Working { .. } => "working",
            State::Asking { .. } => "input_required",
            State::Completed(_) => "completed",
            State::Failed(_) => "failed",
            State::Cancelled => "cancelled",
        };
        json!({
            "resultType": result_type,
            "taskId": id,
            "status": status,
            "createdAt": written(self.created),
            "lastUpdatedAt": written(self.updated),
            "ttlMs": u64::try_from(self.settings.ttl.as_millis()).unwrap_or(u64::MAX),
            "pollIntervalMs": u64::try_from(self.settings.poll.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// It with what it has come to.
    fn detailed(&self, id: &str) -> Value {
        let mut shown = self.shown(id, "complete");
        match &self.state {
            State::Asking { missing, .. } => shown["inputRequests"] = input_requests(missing),
            State::Completed(result) => shown["result"] = result.clone(),
            State::Failed(error) => shown["error"] = error.response(&Value::Null)["error"].take(),
            State::Working { .. } | State::Cancelled => {}
        }
        shown
    }
}

/// A time as the extension writes it, in milliseconds.
fn written(time: Timestamp) -> String {
    format!("{time:.3}")
}
