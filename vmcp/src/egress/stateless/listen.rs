//! `subscriptions/listen`: the stream on which a backend tells that its lists or single resources have changed (2026-07-28,
//! subscriptions), and how tasks fare. There is one per session; when somebody wants to hear of something else too, a new one takes its
//! place.

use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::message::{Message, Sender};
use crate::backend::Caller;
use crate::egress::era::Endpoint;
use crate::egress::error::EgressError;
use crate::egress::events::EventStream;
use crate::egress::exchange::Exchange;
use crate::egress::news::News;
use crate::egress::pauses;
use crate::egress::response::{failure_body, is_refusal, media_type, protocol};
use crate::jsonrpc::{self, Notification, Object, Outcome, raw};
use crate::offers::Kind;
use crate::stateless::meta;

/// The first message of a stream: what the backend agreed to tell.
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
/// How long to wait before a stream is opened again; each attempt in vain doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The stream of one session, if somebody wants to hear something.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    /// Held while another stream takes the place of the current one.
    changing: tokio::sync::Mutex<()>,
    current: Mutex<Option<Open>>,
}

/// Whose stream it is.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) exchange: Arc<Exchange>,
    pub(super) news: Arc<News>,
    pub(super) caller: Caller,
    pub(super) endpoint: Arc<Endpoint>,
}

/// What a stream is asked to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Filter {
    /// Changes of lists of all kinds.
    lists: bool,
    /// Single things.
    single: Singles,
}

/// Single things of which a stream tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Singles {
    /// Resources, by URI.
    resources: BTreeSet<String>,
    /// Tasks, by id.
    tasks: BTreeSet<String>,
}

/// A stream, kept open by a task.
#[derive(Debug)]
struct Open {
    filter: Filter,
    standing: watch::Receiver<Standing>,
    task: AbortHandle,
}

/// How a stream stands.
#[derive(Debug, Clone)]
enum Standing {
    /// The backend has not said yet what it will tell.
    Opening,
    /// It has; absent where it did not say which single things.
    Acknowledged(Option<Singles>),
    /// It does not offer the stream.
    Refused(EgressError),
}

impl Subscription {
    /// Listens for changes of lists from now on, unless there is a stream. One that the backend refused is not asked for again.
    pub(super) fn follow(&self, source: &Source) {
        let mut current = self.lock();
        if current.is_none() {
            *current = Some(Open::start(source.clone(), Filter { lists: true, ..Filter::default() }));
        }
    }

    /// Waits until the backend has agreed to the stream, or refused it.
    pub(super) async fn stands(&self) {
        let standing = self.lock().as_ref().map(|open| open.standing.clone());
        if let Some(standing) = standing {
            stands(standing).await;
        }
    }

    /// Listens for changes of these resources too. Returns those of which the backend has agreed to tell.
    pub(super) async fn add_resources(
        &self,
        source: &Source,
        resources: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, EgressError> {
        Ok(self.add(source, Singles { resources, ..Singles::default() }).await?.resources)
    }

    /// Listens for how these tasks fare too. Returns those of which the backend has agreed to tell.
    pub(super) async fn add_tasks(
        &self,
        source: &Source,
        tasks: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, EgressError> {
        Ok(self.add(source, Singles { tasks, ..Singles::default() }).await?.tasks)
    }

    /// Listens for these things too. Returns those of them of which the backend has agreed to tell.
    async fn add(&self, source: &Source, wanted: Singles) -> Result<Singles, EgressError> {
        let _changing = self.changing.lock().await;
        let mut filter = self.filter();
        filter.lists |= source.news.is_stream_wanted();
        if filter.single.and(&wanted) == wanted {
            return Ok(wanted);
        }
        filter.single.extend(&wanted);
        let mut opened = Open::start(source.clone(), filter);
        match stands(opened.standing.clone()).await {
            Standing::Acknowledged(honoured) => {
                let agreed = honoured.map_or_else(|| wanted.clone(), |honoured| honoured.and(&wanted));
                if agreed != Singles::default() {
                    // What it refused is asked for once more when it is wanted once more.
                    opened.filter.single = opened.filter.single.except(&wanted.except(&agreed));
                    *self.lock() = Some(opened);
                }
                Ok(agreed)
            }
            Standing::Refused(error) => Err(error),
            Standing::Opening => Ok(Singles::default()),
        }
    }

    /// Listens for changes of this resource no longer.
    pub(super) async fn remove(&self, source: &Source, uri: &str) {
        let _changing = self.changing.lock().await;
        let mut filter = self.filter();
        if !filter.single.resources.remove(uri) {
            return;
        }
        let opened = (filter != Filter::default()).then(|| Open::start(source.clone(), filter));
        if let Some(opened) = &opened {
            // The old stream goes on until the new one tells the rest.
            stands(opened.standing.clone()).await;
        }
        *self.lock() = opened;
    }

    /// Ends the stream.
    pub(super) fn close(&self) {
        self.lock().take();
    }

    fn filter(&self) -> Filter {
        self.lock().as_ref().map(|open| open.filter.clone()).unwrap_or_default()
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Option<Open>> {
        self.current.lock()
    }
}

impl Open {
    fn start(source: Source, filter: Filter) -> Self {
        let (told, standing) = watch::channel(Standing::Opening);
        let task = tokio::spawn(Stream { source, filter: filter.clone(), standing: told }.run()).abort_handle();
        Self { filter, standing, task }
    }
}

/// Waits until the backend has agreed to a stream or refused it.
async fn stands(mut standing: watch::Receiver<Standing>) -> Standing {
    match standing.wait_for(|standing| !matches!(standing, Standing::Opening)).await {
        Ok(standing) => standing.clone(),
        Err(_) => Standing::Opening,
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Stream {
    source: Source,
    filter: Filter,
    standing: watch::Sender<Standing>,
}

/// Why a stream has no more to tell.
enum End {
    /// The backend does not offer it.
    Refused(EgressError),
    /// It ended, or could not be opened at this moment.
    Over(EgressError),
}

impl Stream {
    /// Reads the stream, and opens it again when it ends, until the backend refuses it.
    async fn run(self) {
        let mut failures = 0;
        loop {
            let stood = self.has_stood();
            if !self.source.exchange.is_shut() {
                match self.open().await {
                    End::Refused(error) => {
                        let backend = self.source.exchange.backend.name.as_str();
                        tracing::debug!(backend, %error, "the backend tells no changes");
                        self.standing.send_replace(Standing::Refused(error));
                        return;
                    }
                    End::Over(error) => {
                        tracing::debug!(backend = self.source.exchange.backend.name, %error, "a stream of changes ended");
                    }
                }
            }
            if self.has_stood() && !stood {
                failures = 0;
            }
            tokio::time::sleep(pauses::after(failures, FIRST_PAUSE)).await;
            failures += 1;
        }
    }

    fn has_stood(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Acknowledged(_))
    }

    async fn open(&self) -> End {
        let id = self.source.endpoint.next_id();
        match self.requested(id).await {
            Ok(Ok(mut events)) => match self.read(&mut events).await {
                Ok(end) => end,
                Err(error) => End::Over(error),
            },
            Ok(Err(end)) => end,
            Err(error) => End::Over(error),
        }
    }

    /// Asks for the stream.
    async fn requested(&self, id: u64) -> Result<Result<EventStream, End>, EgressError> {
        let Source { exchange, caller, .. } = &self.source;
        let params = raw(&json!({ "notifications": self.filter.asked() }));
        // Whoever follows a task has declared the extension: without it the task would not be there.
        let sender = if self.filter.single.tasks.is_empty() { Sender::Gateway } else { Sender::Follower };
        let message = Message::new(id, "subscriptions/listen", Some(&params), &[], sender);
        let message = message.map_err(|error| protocol(&error.to_string()))?;
        let response = message.post(exchange, caller).await?;
        let status = response.status();
        if status.is_success() && media_type(&response) == "text/event-stream" {
            return Ok(Ok(EventStream::new(response.into_body())));
        }
        let error = protocol(&format!("the backend answered {status} where it should have opened a stream"));
        let text = failure_body(response).await;
        let is_error = matches!(
            jsonrpc::Message::parse(&text),
            Ok(jsonrpc::Message::Response(jsonrpc::Response { outcome: Outcome::Error(_), .. }))
        );
        Ok(Err(if is_error || is_refusal(status) {
            End::Refused(error.with_status(status))
        } else {
            End::Over(error.with_status(status))
        }))
    }

    async fn read(&self, events: &mut EventStream) -> Result<End, EgressError> {
        loop {
            for event in events.next().await? {
                if event.event != "message" || event.data.is_empty() {
                    continue;
                }
                let message = jsonrpc::Message::parse(event.data.as_bytes());
                match message.map_err(|error| protocol(&error.to_string()))? {
                    jsonrpc::Message::Notification(notification) if notification.method == ACKNOWLEDGED => {
                        self.standing.send_replace(Standing::Acknowledged(honoured(&notification)));
                    }
                    jsonrpc::Message::Notification(notification) => self.tell(&notification).await,
                    jsonrpc::Message::Response(jsonrpc::Response { outcome: Outcome::Error(_), .. }) => {
                        return Ok(End::Refused(protocol("the backend refused to tell changes")));
                    }
                    // The backend ends the stream in order.
                    jsonrpc::Message::Response(_) => return Ok(End::Over(protocol("the backend has ended it"))),
                    jsonrpc::Message::Request(_) => {}
                }
            }
        }
    }

    /// Passes a change on.
    async fn tell(&self, notification: &Notification<'_>) {
        match self.source.exchange.peer() {
            Some(peer) => {
                let params = notification.params.map(unmarked);
                let message = jsonrpc::notification(&notification.method, params.as_deref());
                peer.notified(&notification.method, message).await;
            }
            None if Kind::changed_by(&notification.method).next().is_some() => {
                self.source.news.list_changed(&notification.method);
            }
            None => {}
        }
    }
}

impl Filter {
    /// It as the request has it.
    fn asked(&self) -> Box<RawValue> {
        let mut asked = serde_json::Map::new();
        if self.lists {
            for key in ["toolsListChanged", "promptsListChanged", "resourcesListChanged"] {
                asked.insert(key.to_owned(), true.into());
            }
        }
        let Singles { resources, tasks } = &self.single;
        for (key, single) in [("resourceSubscriptions", resources), ("taskIds", tasks)] {
            if !single.is_empty() {
                asked.insert(key.to_owned(), json!(single));
            }
        }
        raw(&asked)
    }
}

impl Singles {
    /// These and `others`.
    fn extend(&mut self, others: &Self) {
        self.resources.extend(others.resources.iter().cloned());
        self.tasks.extend(others.tasks.iter().cloned());
    }

    /// Those of these that are not among `others`.
    fn except(&self, others: &Self) -> Self {
        Self { resources: &self.resources - &others.resources, tasks: &self.tasks - &others.tasks }
    }

    /// Those of these that are among `others`.
    fn and(&self, others: &Self) -> Self {
        Self { resources: &self.resources & &others.resources, tasks: &self.tasks & &others.tasks }
    }
}

/// The single things that a backend agreed to tell of. One that does not say tells of all.
fn honoured(acknowledgement: &Notification<'_>) -> Option<Singles> {
    #[derive(serde::Deserialize)]
    struct Params {
        notifications: Agreed,
    }
    #[derive(serde::Deserialize)]
    struct Agreed {
        #[serde(rename = "resourceSubscriptions", default)]
        resources: BTreeSet<String>,
        #[serde(rename = "taskIds", default)]
        tasks: BTreeSet<String>,
    }
    let params: Params = serde_json::from_str(acknowledgement.params?.get()).ok()?;
    let Agreed { resources, tasks } = params.notifications;
    Some(Singles { resources, tasks })
}

/// The params without the name of the gateway's own stream, which means nothing to clients.
fn unmarked(params: &RawValue) -> Box<RawValue> {
    let without = || {
        let object = Object::parse(params, "params", &["_meta"]).ok()?;
        let meta = Object::parse(object.borrowed("_meta")?, "params._meta", &[meta::SUBSCRIPTION_ID]).ok()?;
        let meta = meta.without(meta::SUBSCRIPTION_ID);
        let is_empty = meta.keys().next().is_none();
        Some(if is_empty { object.without("_meta") } else { object.with("_meta", meta.to_raw()) }.to_raw())
    };
    without().unwrap_or_else(|| params.to_owned())
}
