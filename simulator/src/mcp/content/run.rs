//! One request on its way through the steps that its item describes.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::answer::{Item, find};
use super::fill::Values;
use super::{Capability, invalid};
use crate::mcp::jsonrpc::{MethodError, Reply};
use crate::world::{Announcement, Inquiry, LogLevel, Server, Step, TaskSettings};

/// Who calls, as far as placeholders speak of it.
pub(in crate::mcp) struct Caller {
    pub(in crate::mcp) subject: Option<String>,
    pub(in crate::mcp) headers: Arc<HeaderMap>,
}

/// A `tools/call`, `prompts/get` or `resources/read` on its way to its answer.
pub(in crate::mcp) struct Run {
    server: Arc<Server>,
    item: Item,
    values: Values,
    at: usize,
}

/// What comes next.
pub(in crate::mcp) enum Next {
    Do(Action),
    Answer(Reply),
}

/// What a wire does for a run. All placeholders are filled in.
pub(in crate::mcp) enum Action {
    /// `notifications/message`, for clients that want its level.
    Log { level: LogLevel, params: Value },
    /// `notifications/progress`, without the token.
    Progress(Map<String, Value>),
    /// Let time pass.
    Wait(Duration),
    /// Ask all of this at once, and give the answers to [`Run::answered`].
    Ask(Vec<Asked>),
    /// Tell whoever is concerned.
    Announce(Announcement),
    /// End the stream; the client comes back for the rest.
    Disconnect { retry: Option<Duration> },
    /// Go on as a task, if the client knows tasks.
    Task(TaskSettings),
}

/// One question to the client.
#[derive(Debug)]
pub(in crate::mcp) struct Asked {
    /// The name of its answer.
    pub(in crate::mcp) name: String,
    pub(in crate::mcp) method: &'static str,
    pub(in crate::mcp) params: Map<String, Value>,
    /// What the client must have declared.
    pub(in crate::mcp) capability: Capability,
    /// Whether a client that has not is left alone.
    pub(in crate::mcp) optional: bool,
}

impl Run {
    /// Whether requests of this method are answered by a run.
    pub(in crate::mcp) fn concerns(method: &str) -> bool {
        matches!(method, "tools/call" | "prompts/get" | "resources/read")
    }

    /// Begins to answer a request, or says what is wrong with its parameters.
    pub(in crate::mcp) fn begin(
        server: &Arc<Server>,
        method: &str,
        params: &Map<String, Value>,
        caller: Caller,
    ) -> Result<Self, MethodError> {
        let (item, named) = find(server, method, params)?;
        let arguments = match params.get("arguments") {
            None => Map::new(),
            Some(Value::Object(arguments)) => arguments.clone(),
            Some(_) => return Err(invalid("`arguments` is not an object")),
        };
        item.check_arguments(server, &arguments)?;
        let values = Values { arguments, headers: caller.headers, subject: caller.subject, named };
        Ok(Self { server: Arc::clone(server), item, values, at: 0 })
    }

    /// Whether something happens before the answer.
    pub(in crate::mcp) fn has_steps(&self) -> bool {
        !self.steps().is_empty()
    }

    pub(in crate::mcp) fn steps(&self) -> &[Step] {
        self.item.steps(&self.server)
    }

    /// How many steps are done.
    pub(in crate::mcp) fn steps_done(&self) -> usize {
        self.at
    }

    /// The steps to come.
    pub(in crate::mcp) fn remaining_steps(&self) -> &[Step] {
        self.steps().get(self.at..).unwrap_or_default()
    }

    /// Goes on, or back, to where so many steps are done, with the client's answers so far.
    pub(in crate::mcp) fn resume(&mut self, done: usize, answers: Map<String, Value>) {
        self.at = done;
        self.answered(answers);
    }

    /// What comes next. After the answer: the answer again.
    pub(in crate::mcp) fn next(&mut self) -> Next {
        let Some(action) = self.steps().get(self.at).map(|step| self.action(step)) else {
            return Next::Answer(self.item.answer(&self.server, &self.values));
        };
        self.at += 1;
        Next::Do(action)
    }

    /// Takes the client's answers to questions, by their names.
    pub(in crate::mcp) fn answered(&mut self, answers: Map<String, Value>) {
        self.values.named.extend(answers);
    }

    fn action(&self, step: &Step) -> Action {
        match step {
            Step::Log(message) => {
                let mut params = json!({"level": message.level, "data": self.values.value(&message.data)});
                if let Some(logger) = &message.logger {
                    params["logger"] = logger.clone().into();
                }
                Action::Log { level: message.level, params }
            }
            Step::Progress(progress) => {
                let mut params = Map::from_iter([("progress".to_owned(), progress.progress.clone().into())]);
                if let Some(total) = &progress.total {
                    params.insert("total".to_owned(), total.clone().into());
                }
                if let Some(message) = &progress.message {
                    params.insert("message".to_owned(), self.values.text(message).into());
                }
                Action::Progress(params)
            }
            Step::Wait(time) => Action::Wait(*time),
            Step::Ask(questions) => Action::Ask(
                questions
                    .iter()
                    .map(|(name, question)| {
                        let (method, params) = match &question.inquiry {
                            Inquiry::Elicit(params) => ("elicitation/create", params),
                            Inquiry::Sample(params) => ("sampling/createMessage", params),
                            Inquiry::Roots(params) => ("roots/list", params),
                        };
                        Asked {
                            name: name.clone(),
                            method,
                            params: self.values.object(params),
                            capability: Capability::of(&question.inquiry),
                            optional: question.optional,
                        }
                    })
                    .collect(),
            ),
            Step::Announce(announcement) => Action::Announce(announcement.clone()),
            Step::Disconnect(disconnect) => Action::Disconnect { retry: disconnect.retry },
            Step::Task(settings) => Action::Task(*settings),
        }
    }
}
