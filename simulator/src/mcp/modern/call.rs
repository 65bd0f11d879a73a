//! A call, a read or a prompt on its way to its answer: at once, or on a stream when something comes before it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use http::Response;
use serde_json::{Map, Value, json};

use super::inputs::{self, Rounds};
use super::metadata::RequestMetadata;
use super::refusal::Refusal;
use super::request_state::{Binding, Progress};
use super::results;
use crate::faults::Edits;
use crate::mcp::content::{Action, Asked, Caller, Capability, Next, RESOURCE_NOT_FOUND, Run};
use crate::mcp::jsonrpc::{INVALID_PARAMS, MethodError, Reply, response};
use crate::mcp::server::McpServer;
use crate::wire::{Body, live_event_stream, server_sent_event};
use crate::world::{Server, TaskSettings};

/// A request in the midst of its steps.
pub(super) struct Call {
    definition: Arc<Server>,
    subject: Option<String>,
    method: String,
    params: Map<String, Value>,
    metadata: RequestMetadata,
    rounds: Rounds,
    run: Run,
}

/// What the wire does next for a call.
pub(super) enum Turn {
    /// Send a notification.
    Send(Value),
    /// Let time pass.
    Wait(Duration),
    /// Answer the request.
    Last(Last),
}

/// With what a request ends.
pub(super) enum Last {
    Answer(Reply),
    /// Inputs are needed for the step after so many others.
    Ask {
        done: usize,
        missing: Vec<Asked>,
    },
    /// The rest is a task.
    Task(TaskSettings),
}

impl Call {
    /// Begins a request, or goes on where its `requestState` says.
    pub(super) fn begin(
        server: &McpServer,
        definition: &Arc<Server>,
        method: &str,
        params: Map<String, Value>,
        metadata: RequestMetadata,
        caller: Caller,
    ) -> Result<Self, Refusal> {
        let subject = caller.subject.clone();
        let mut run = Run::begin(definition, method, &params, caller).map_err(modern_error)?;
        let progress = match params.get("requestState") {
            None => Progress::default(),
            Some(state) => {
                let binding = Binding { principal: subject.as_deref(), method, params: &params };
                server
                    .state_key
                    .open(state.as_str().unwrap_or_default(), &binding, server.clock.now())
                    .map_err(|error| MethodError::new(INVALID_PARAMS, error.to_string()))?
            }
        };
        run.resume(progress.done, progress.answers.clone());
        let missing = inputs::undeclared(run.remaining_steps(), &metadata.capabilities);
        if !missing.is_empty() {
            return Err(Refusal::missing_capabilities(&missing));
        }
        let rounds = Rounds::read(progress, &params)?;
        let (definition, method) = (Arc::clone(definition), method.to_owned());
        Ok(Self { definition, subject, method, params, metadata, rounds, run })
    }

    /// Whose call it is.
    pub(super) fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// What comes next. Announcements are made on the way.
    pub(super) fn turn(&mut self, server: &McpServer) -> Turn {
        let notification = |method: &str, params: Value| json!({"jsonrpc": "2.0", "method": method, "params": params});
        loop {
            let done = self.run.steps_done();
            let action = match self.run.next() {
                Next::Answer(reply) => return Turn::Last(Last::Answer(self.complete(reply))),
                Next::Do(action) => action,
            };
            match action {
                Action::Log { level, params } if self.metadata.wants(level) => {
                    return Turn::Send(notification("notifications/message", params));
                }
                Action::Progress(mut params) => {
                    if let Some(token) = &self.metadata.progress_token {
                        params.insert("progressToken".to_owned(), token.clone());
                        return Turn::Send(notification("notifications/progress", Value::Object(params)));
                    }
                }
                Action::Wait(time) => return Turn::Wait(time),
                Action::Announce(announcement) => server.announce(&announcement),
                Action::Ask(questions) => match self.rounds.answers(questions, &self.metadata.capabilities) {
                    Ok(answers) => self.run.answered(answers),
                    Err(missing) => return Turn::Last(Last::Ask { done, missing }),
                },
                Action::Task(settings) if Capability::Tasks.is_declared(&self.metadata.capabilities) => {
                    return Turn::Last(Last::Task(settings));
                }
                // The client wants no logs, no stream could be resumed, or the client knows no tasks.
                Action::Log { .. } | Action::Disconnect { .. } | Action::Task(_) => {}
            }
        }
    }

    /// Brings inputs for the step after `done` others, which is taken again.
    pub(super) fn bring(&mut self, done: usize, params: &Map<String, Value>) -> Result<(), MethodError> {
        self.rounds.bring(params)?;
        self.run.resume(done, Map::new());
        Ok(())
    }

    /// The answer to the request.
    pub(super) fn finish(self, server: &McpServer, last: Last) -> Reply {
        match last {
            Last::Answer(reply) => reply,
            Last::Ask { done, missing } => Ok(self.input_required(server, done, &missing)),
            Last::Task(settings) => Ok(server.tasks.begin(self, settings, server.clock.now())),
        }
    }

    /// `reply` with all that this revision adds.
    pub(super) fn complete(&self, reply: Reply) -> Reply {
        reply.map(|result| results::complete(&self.definition, &self.method, result)).map_err(modern_error)
    }

    /// The result that asks for inputs; the client comes back with them and with what the server must know then.
    fn input_required(&self, server: &McpServer, done: usize, missing: &[Asked]) -> Value {
        let Self { subject, method, params, .. } = self;
        let binding = Binding { principal: subject.as_deref(), method, params };
        let state = server.state_key.seal(self.rounds.progress(done), &binding, server.clock.now());
        results::input_required(&self.definition, inputs::input_requests(missing), state)
    }

    /// The stream of a call whose first turn is not its answer. It works as it is read: when the client leaves, the call ends.
    pub(super) fn stream(self, server: &Arc<McpServer>, first: Turn, id: Value, edits: Edits) -> Response<Body> {
        let cut = server.subscriptions.cut_off();
        let streamed = Streamed {
            server: Arc::clone(server),
            call: Some(self),
            turn: Some(first),
            id,
            edits,
            last: VecDeque::new(),
        };
        live_event_stream(streamed.events().take_until(cut.cancelled_owned()))
    }
}

/// A call on a stream.
struct Streamed {
    server: Arc<McpServer>,
    /// `None` once there is an answer.
    call: Option<Call>,
    /// A turn that was taken but not done.
    turn: Option<Turn>,
    id: Value,
    edits: Edits,
    /// What is left to send of the answer.
    last: VecDeque<Value>,
}

impl Streamed {
    fn events(self) -> impl Stream<Item = Bytes> + Send {
        stream::unfold(self, |mut streamed| async move {
            let message = streamed.next().await?;
            Some((server_sent_event("message", &message.to_string()), streamed))
        })
    }

    async fn next(&mut self) -> Option<Value> {
        while let Some(mut call) = self.call.take() {
            match self.turn.take().unwrap_or_else(|| call.turn(&self.server)) {
                Turn::Send(message) => {
                    self.call = Some(call);
                    return Some(message);
                }
                Turn::Wait(time) => {
                    self.server.clock.sleep(time).await;
                    self.call = Some(call);
                }
                Turn::Last(last) => {
                    let reply = call.finish(&self.server, last);
                    self.last = self.edits.messages(response(&self.id, &reply)).into();
                }
            }
        }
        self.last.pop_front()
    }
}

/// The error as this revision has it: a resource that does not exist is a parameter that is not valid.
pub(super) fn modern_error(mut error: MethodError) -> MethodError {
    if error.code == RESOURCE_NOT_FOUND && !error.scripted {
        error.code = INVALID_PARAMS;
    }
    error
}
