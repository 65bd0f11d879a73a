//! A request that is answered in steps: each message goes out on the stream of its answer.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::session::Session;
use super::streams::Outlet;
use crate::faults::Edits;
use crate::mcp::content::{Action, Asked, Next, Run};
use crate::mcp::exchange::refusal;
use crate::mcp::jsonrpc::{INTERNAL_ERROR, INVALID_REQUEST, MethodError, Reply, response};
use crate::mcp::server::McpServer;

/// How long a client may think about a question: as long as a person who fills in a form.
const PATIENCE: Duration = Duration::from_mins(10);

/// A request in the midst of its steps.
pub(super) struct Call {
    id: Value,
    /// What names it in notifications of progress.
    progress_token: Option<Value>,
    run: Run,
    cancelled: CancellationToken,
}

impl Call {
    /// Begins it; the session can cancel it from now on.
    pub(super) fn begin(
        session: &Session,
        id: &Value,
        params: &Map<String, Value>,
        run: Run,
    ) -> Result<Self, MethodError> {
        let cancelled = session
            .begin_call(id)
            .ok_or_else(|| MethodError::new(INVALID_REQUEST, "the session has too many requests in progress"))?;
        let progress_token = params.get("_meta").and_then(|meta| meta.get("progressToken")).cloned();
        Ok(Self { id: id.clone(), progress_token, run, cancelled })
    }

    /// How many messages it can send at most, its answer among them.
    pub(super) fn most_messages(&self) -> usize {
        crate::world::most_messages(self.run.steps()).get()
    }
}

/// Answers the calls side by side, and ends their stream. Stops when the session ends. Returns why calls fail, as they do.
pub(super) fn conduct(
    server: &Arc<McpServer>,
    session: &Arc<Session>,
    outlet: Outlet,
    calls: Vec<Call>,
    edits: Edits,
) -> mpsc::Receiver<String> {
    let (server, session) = (Arc::clone(server), Arc::clone(session));
    let (failures, receiver) = mpsc::channel(calls.len().max(1));
    tokio::spawn(async move {
        join_all(calls.into_iter().map(|call| answer(&server, &session, outlet, call, &edits, &failures))).await;
        session.finish(outlet);
    });
    receiver
}

async fn answer(
    server: &McpServer,
    session: &Session,
    outlet: Outlet,
    mut call: Call,
    edits: &Edits,
    failures: &mpsc::Sender<String>,
) {
    let cancelled = call.cancelled.clone();
    let reply = cancelled.run_until_cancelled(walk(server, session, outlet, &mut call)).await;
    session.end_call(&call.id);
    // A cancelled request is not answered.
    let Some(reply) = reply else { return };
    if let Some(failure) = refusal(&reply) {
        // There is room for one of each call.
        let _told = failures.try_send(failure);
    }
    for message in edits.messages(response(&call.id, &reply)) {
        session.send(outlet, &message);
    }
}

async fn walk(server: &McpServer, session: &Session, outlet: Outlet, call: &mut Call) -> Reply {
    let notify = |method: &str, params: Value| {
        session.send(outlet, &json!({"jsonrpc": "2.0", "method": method, "params": params}));
    };
    loop {
        let action = match call.run.next() {
            Next::Answer(reply) => return reply,
            Next::Do(action) => action,
        };
        match action {
            Action::Log { level, params } if session.wants(level) => notify("notifications/message", params),
            // No client of these revisions knows such tasks.
            Action::Log { .. } | Action::Task(_) => {}
            Action::Progress(mut params) => {
                if let Some(token) = &call.progress_token {
                    params.insert("progressToken".to_owned(), token.clone());
                    notify("notifications/progress", Value::Object(params));
                }
            }
            Action::Wait(time) => server.clock.sleep(time).await,
            Action::Ask(questions) => call.run.answered(ask(session, outlet, questions).await?),
            Action::Announce(announcement) => server.announce(&announcement),
            Action::Disconnect { retry } => session.disconnect(outlet, retry),
        }
    }
}

/// Asks all at once and waits for all answers.
async fn ask(session: &Session, outlet: Outlet, questions: Vec<Asked>) -> Result<Map<String, Value>, MethodError> {
    let failed = |reason: String| MethodError::new(INTERNAL_ERROR, reason);
    let mut asked = Vec::new();
    for question in questions {
        if session.is_passing {
            return Err(failed(format!("the server keeps no sessions and cannot send `{}`", question.method)));
        }
        if session.has_declared(question.capability) {
            asked.push(question);
        } else if !question.optional {
            let (method, name) = (question.method, question.capability.name());
            return Err(failed(format!("the server needs `{method}`: the client has not declared `{name}`")));
        }
    }
    let answers = asked.into_iter().map(|Asked { name, method, params, .. }| {
        let response = session.ask(outlet, method, &params);
        async move {
            match response.await {
                Ok(Ok(result)) => Ok((name, result)),
                Ok(Err(error)) => Err(failed(format!("the client answered `{method}` with the error {error}"))),
                Err(_) => Err(failed(format!("the client does not read the stream of `{method}`"))),
            }
        }
    });
    tokio::time::timeout(PATIENCE, try_join_all(answers))
        .await
        .map_err(|_| failed("the client has not answered in time".to_owned()))?
        .map(Map::from_iter)
}
