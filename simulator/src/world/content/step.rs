//! What happens between a request and its answer.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::duration;

/// One thing that happens before an answer. In YAML: a mapping with the one key that names it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Sends a log message, if the client wants messages of its level.
    Log(LogMessage),
    /// Sends a notification of progress, if the request has a progress token.
    Progress(Progress),
    /// Waits.
    Wait(
        #[serde(deserialize_with = "duration::deserialize")]
        #[schemars(with = "duration::Written")]
        Duration,
    ),
    /// Asks the client for all of this at once, and waits for the answers. The keys name them in placeholders.
    Ask(BTreeMap<String, Question>),
    /// Tells clients about a change.
    Announce(Announcement),
    /// Ends the answer's stream; what follows is sent when the client resumes it.
    Disconnect(Disconnect),
    /// Makes what follows a task that clients ask about, for those that know tasks (2026-07-28, extension
    /// `io.modelcontextprotocol/tasks`).
    Task(TaskSettings),
}

/// `notifications/message`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogMessage {
    /// How bad it is.
    #[serde(default)]
    pub level: LogLevel,
    /// Who says it.
    #[serde(default)]
    pub logger: Option<String>,
    /// What is said, in any form.
    pub data: Value,
}

/// The levels of RFC 5424, from the least to the most severe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the levels of syslog, whose names say what they mean")]
pub enum LogLevel {
    Debug,
    #[default]
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

/// `notifications/progress`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Progress {
    /// How far.
    pub progress: Number,
    /// Of how much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Number>,
    /// What is being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a server asks of a client in the midst of a request.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenQuestion")]
#[schemars(with = "WrittenQuestion")]
pub struct Question {
    /// What is asked.
    pub inquiry: Inquiry,
    /// Whether a client that cannot answer is not asked. Otherwise the request fails for it.
    pub optional: bool,
}

/// The requests that a server may make, with their parameters as they are sent.
#[derive(Clone, Debug)]
pub enum Inquiry {
    /// `elicitation/create`: of a form, or of a visit to a URL with `mode: url`.
    Elicit(Map<String, Value>),
    /// `sampling/createMessage`.
    Sample(Map<String, Value>),
    /// `roots/list`.
    Roots(Map<String, Value>),
}

/// A question as it is written: exactly one of `elicit`, `sample` and `roots`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenQuestion {
    /// `elicitation/create`: of a form, or of a visit to a URL with `mode: url`.
    #[serde(default)]
    elicit: Option<Map<String, Value>>,
    /// `sampling/createMessage`.
    #[serde(default)]
    sample: Option<Map<String, Value>>,
    /// `roots/list`.
    #[serde(default)]
    roots: Option<Map<String, Value>>,
    /// Whether a client that cannot answer is not asked.
    #[serde(default)]
    optional: bool,
}

impl TryFrom<WrittenQuestion> for Question {
    type Error = &'static str;

    fn try_from(written: WrittenQuestion) -> Result<Self, Self::Error> {
        let WrittenQuestion { elicit, sample, roots, optional } = written;
        let inquiry = match (elicit, sample, roots) {
            (Some(params), None, None) => Inquiry::Elicit(params),
            (None, Some(params), None) => Inquiry::Sample(params),
            (None, None, Some(params)) => Inquiry::Roots(params),
            _ => return Err("a question has exactly one of `elicit`, `sample` and `roots`"),
        };
        Ok(Self { inquiry, optional })
    }
}

/// A change that clients are told about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Announcement {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The lists of resources and of templates.
    Resources,
    /// The resource of this URI, to whoever has subscribed to it.
    Resource(String),
}

/// The end of a stream before its answer.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Disconnect {
    /// After what time the client is asked to come back.
    #[serde(default, deserialize_with = "duration::optional")]
    #[schemars(with = "Option<duration::Written>")]
    pub retry: Option<Duration>,
}

/// How a task is kept.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskSettings {
    /// How long it is known from its beginning on.
    #[serde(default = "TaskSettings::ttl", deserialize_with = "duration::deserialize")]
    #[schemars(with = "duration::Written")]
    pub ttl: Duration,
    /// How long clients should wait between two questions about it.
    #[serde(default = "TaskSettings::poll", deserialize_with = "duration::deserialize")]
    #[schemars(with = "duration::Written")]
    pub poll: Duration,
    /// Whether clients that know no tasks are refused. Otherwise they wait for the answer.
    #[serde(default)]
    pub required: bool,
}

impl TaskSettings {
    fn ttl() -> Duration {
        Duration::from_mins(5)
    }

    fn poll() -> Duration {
        Duration::from_millis(500)
    }
}

/// The number of messages that `steps` can send at most.
pub(crate) fn most_messages(steps: &[Step]) -> NonZeroUsize {
    let asked: usize = steps
        .iter()
        .map(|step| match step {
            Step::Ask(questions) => questions.len(),
            _ => 1,
        })
        .sum();
    NonZeroUsize::MIN.saturating_add(asked)
}
