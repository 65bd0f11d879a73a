//! `subscriptions/listen`: which changes a client wants to hear of, and the stream on which it does.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use serde_json::{Map, Value, json};

use crate::faults::Edits;
use crate::mcp::content::{Kind, is_resource, offered};
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
}

impl Filter {
    /// What of the asked the server can give; the error says what is wrong with the question.
    fn read(server: &Server, params: &Map<String, Value>) -> Result<Self, MethodError> {
        let invalid = |reason: &str| MethodError::new(INVALID_PARAMS, format!("`subscriptions/listen`: {reason}"));
        let asked = params
            .get("notifications")
            .and_then(Value::as_object)
            .ok_or_else(|| invalid("expected an object `notifications`"))?;
        let flag = |name: &str| match asked.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(invalid(&format!("`{name}` is neither true nor false"))),
        };
        let uris = match asked.get("resourceSubscriptions") {
            None => Vec::new(),
            Some(uris) => uris
                .as_array()
                .and_then(|uris| uris.iter().map(Value::as_str).collect::<Option<Vec<_>>>())
                .ok_or_else(|| invalid("`resourceSubscriptions` is not a list of URIs"))?,
        };
        Ok(Self {
            tools: flag("toolsListChanged")? && offered(server, Kind::Tools),
            prompts: flag("promptsListChanged")? && offered(server, Kind::Prompts),
            resources: flag("resourcesListChanged")? && offered(server, Kind::Resources),
            watched: uris.into_iter().filter(|uri| is_resource(server, uri)).map(str::to_owned).collect(),
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
        if !self.watched.is_empty() {
            shown.insert("resourceSubscriptions".to_owned(), json!(self.watched));
        }
        Value::Object(shown)
    }
}

/// Opens the stream of the request `id`. It ends when the client leaves, or when the server ends it.
pub(super) fn listen(
    server: &McpServer,
    definition: &Server,
    id: &Value,
    params: &Map<String, Value>,
    edits: Edits,
) -> Result<Outcome, MethodError> {
    let filter = Filter::read(definition, params)?;
    let events = server.subscriptions.open(id.clone(), filter, edits);
    let events = stream::unfold(events, |mut events| async move {
        let event = tokio::time::timeout(KEEP_ALIVE, events.recv()).await.unwrap_or(Some(COMMENT))?;
        Some((event, events))
    });
    let cut = server.subscriptions.cut_off();
    Ok(Outcome::answered(live_event_stream(events.take_until(cut.cancelled_owned()))))
}
