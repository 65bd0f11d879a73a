//! `subscriptions/listen`: which changes a client wants to hear of, and the stream on which it does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use serde_json::{Map, Value, json};

use super::post::Request;
use super::refusal::Refusal;
use super::task_news::TaskNews;
use crate::faults::Edits;
use crate::mcp::content::{Capability, Kind, is_resource, offered};
use crate::mcp::jsonrpc::{INVALID_PARAMS, MethodError};
use crate::mcp::server::McpServer;
use crate::wire::{Outcome, live_event_stream};
use crate::world::{Announcement, Server};

/// After how much silence a comment shows that the stream still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// The notifications that a subscription gets.
#[derive(Debug, PartialEq)]
pub(super) struct Filter {
    tools: bool,
    prompts: bool,
    resources: bool,
    /// URIs of the resources whose changes are told.
    watched: BTreeSet<String>,
    /// Ids of the tasks whose states are told.
    tasks: BTreeSet<String>,
}

impl Filter {
    /// What of the asked the server can give; the error says what is wrong with the question.
    fn read(server: &McpServer, definition: &Server, request: &Request<'_>) -> Result<Self, Refusal> {
        let invalid = |reason: &str| MethodError::new(INVALID_PARAMS, format!("`subscriptions/listen`: {reason}"));
        let asked = request
            .params
            .get("notifications")
            .and_then(Value::as_object)
            .ok_or_else(|| invalid("expected an object `notifications`"))?;
        let flag = |name: &str| match asked.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(invalid(&format!("`{name}` is neither true nor false"))),
        };
        let texts = |name: &str| match asked.get(name) {
            None => Ok(Vec::new()),
            Some(texts) => texts
                .as_array()
                .and_then(|texts| texts.iter().map(Value::as_str).collect::<Option<Vec<_>>>())
                .ok_or_else(|| invalid(&format!("`{name}` is not a list of texts"))),
        };
        let (uris, ids) = (texts("resourceSubscriptions")?, texts("taskIds")?);
        if !ids.is_empty() && !Capability::Tasks.is_declared(&request.metadata.capabilities) {
            return Err(Refusal::missing_capabilities(&[Capability::Tasks]));
        }
        let subject = request.caller.subject.as_deref();
        Ok(Self {
            tools: flag("toolsListChanged")? && offered(definition, Kind::Tools),
            prompts: flag("promptsListChanged")? && offered(definition, Kind::Prompts),
            resources: flag("resourcesListChanged")? && offered(definition, Kind::Resources),
            watched: uris.into_iter().filter(|uri| is_resource(definition, uri)).map(str::to_owned).collect(),
            tasks: server.tasks.known(ids.into_iter(), subject, server.clock.now()),
        })
    }

    /// Whether it lets the announcement through.
    pub(super) fn covers(&self, announcement: &Announcement) -> bool {
        match announcement {
            Announcement::Tools => self.tools,
            Announcement::Prompts => self.prompts,
            Announcement::Resources => self.resources,
            Announcement::Resource(uri) => self.watched.contains(uri),
        }
    }

    /// It as the acknowledgement shows it.
    pub(super) fn shown(&self) -> Value {
        let mut shown = Map::new();
        let flags = [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ];
        for (name, _) in flags.iter().filter(|(_, is_set)| *is_set) {
            shown.insert((*name).to_owned(), true.into());
        }
        for (name, texts) in [("resourceSubscriptions", &self.watched), ("taskIds", &self.tasks)] {
            if !texts.is_empty() {
                shown.insert(name.to_owned(), json!(texts));
            }
        }
        Value::Object(shown)
    }
}

/// Opens the stream of a request. It ends when the client leaves, or when the server ends it.
pub(super) fn listen(
    server: &Arc<McpServer>,
    definition: &Server,
    request: &Request<'_>,
    edits: Edits,
) -> Result<Outcome, Refusal> {
    let filter = Filter::read(server, definition, request)?;
    let news = TaskNews::of(server, request.id.clone(), &filter.tasks);
    let events = server.subscriptions.open(request.id.clone(), filter, edits);
    let events = stream::unfold((events, news), |(mut events, mut news)| async move {
        let event = tokio::select! {
            biased;
            event = tokio::time::timeout(KEEP_ALIVE, events.recv()) => event.unwrap_or(Some(COMMENT))?,
            event = news.next() => event,
        };
        Some((event, (events, news)))
    });
    let cut = server.subscriptions.cut_off();
    Ok(Outcome::answered(live_event_stream(events.take_until(cut.cancelled_owned()))))
}
