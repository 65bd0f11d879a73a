//! `subscriptions/listen`: streams of what changes. A stream has sessions of its own with backends that have some, as
//! long as it stands.

use super::client::Client;
use super::tasks::{self, Followed};
use crate::backend::Caller;
use crate::catalog::{Catalog, Changed, ClientView};
use crate::clients::Clients;
use crate::ingress::{Asked, Outbox, Subscription, owned_keys};
use crate::jsonrpc::{ErrorObject, Id, Message, Object, code, notification, raw};
use crate::offers::{Kind, Offers};
use crate::seal::Sealer;
use crate::stateless::meta::{SUBSCRIPTION_ID, of_subscription};
use crate::stateless::tasks::{TASK_ID, TASK_KEYS, is_declared};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many resources, and how many tasks, one stream may tell of.
const MOST: usize = 1_000;
/// How long at most a stream waits for the lists of whose changes it is to tell.
const FIRST_LISTS: Duration = Duration::from_secs(2);

/// How long at most a stream waits for backends to agree to tell of resources and tasks.
const FIRST_AGREEMENT: Duration = Duration::from_secs(5);

/// Where the messages of one stream go.
#[derive(Debug, Clone)]
pub(super) struct News {
    id: Id,
    outbox: Arc<Outbox>,
    tasks: Arc<Followed>,
}

impl News {
    /// Tells it of a change.
    fn tell(&self, method: &str) {
        let params = json!({ "_meta": { SUBSCRIPTION_ID: self.id.raw() } });
        self.outbox.push(notification(method, Some(&raw(&params))));
    }

    /// Passes a notification of a backend on.
    pub(super) fn pass_on(&self, message: &[u8]) {
        if let Some(message) = self.tagged(message, Some) {
            self.outbox.push(message);
        }
    }

    /// Passes on how a task of `backend` fares, if the client follows it.
    pub(super) fn pass_on_of_task(&self, backend: &str, message: &[u8]) {
        let message = self.tagged(message, |params| {
            let name = self.tasks.name(backend, &params.string(TASK_ID).ok()??)?;
            Some(params.with(TASK_ID, raw(&name)))
        });
        if let Some(message) = message {
            self.outbox.push(message);
        }
    }

    /// A notification as this stream has it, with its params as `change` makes them.
    fn tagged<'m>(&self, message: &'m [u8], change: impl FnOnce(Object<'m>) -> Option<Object<'m>>) -> Option<Bytes> {
        let Ok(Message::Notification(told)) = Message::parse(message) else { return None };
        let params = change(Object::parse(told.params?, "params", &TASK_KEYS).ok()?)?;
        let params = of_subscription(params, &self.id).ok()?;
        Some(notification(&told.method, Some(&params.to_raw())))
    }
}

/// A stream that stands.
#[derive(Debug)]
struct Listener {
    caller: Caller,
    /// The kinds of whose lists it tells.
    kinds: BTreeSet<Kind>,
    news: News,
    view: Arc<ClientView>,
    ending: TaskTracker,
}

impl Drop for Listener {
    fn drop(&mut self) {
        let view = Arc::clone(&self.view);
        self.ending.spawn(async move { view.close().await });
    }
}

/// All streams that stand.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    all: Clients<Listener>,
    ending: TaskTracker,
}

impl Listeners {
    /// Tells every stream whose client sees something else now.
    pub(super) fn announce(&self, catalog: &Catalog, changed: &Changed) {
        for listener in self.all.all() {
            let kinds = catalog.affected_for(&listener.caller, changed);
            let told = kinds.into_iter().filter(|kind| listener.kinds.contains(kind)).map(Kind::changed);
            for method in told.collect::<BTreeSet<_>>() {
                listener.news.tell(method);
            }
        }
    }

    /// Waits until the sessions of streams that are gone have ended.
    pub(super) async fn close(&self) {
        self.ending.close();
        self.ending.wait().await;
    }
}

/// What a client wants to hear of.
struct Filter {
    /// The keys of the lists, as the client named them, and their kinds.
    lists: Vec<(&'static str, &'static [Kind])>,
    resources: Vec<String>,
    /// The client's names of tasks.
    tasks: Vec<String>,
}

impl Filter {
    const LISTS: [(&'static str, &'static [Kind]); 3] = [
        ("toolsListChanged", &[Kind::Tools]),
        ("promptsListChanged", &[Kind::Prompts]),
        ("resourcesListChanged", &[Kind::Resources, Kind::Templates]),
    ];

    /// What of the wish can be had, of backends that offer this.
    fn read(params: &Object<'_>, offers: Offers) -> Result<Self, ErrorObject> {
        const KEYS: [&str; 5] =
            ["toolsListChanged", "promptsListChanged", "resourcesListChanged", "resourceSubscriptions", "taskIds"];
        let malformed = |error| ErrorObject::from(&error);
        let missing = || ErrorObject::new(code::INVALID_PARAMS, "params.notifications must say what is listened for");
        let wish = params.field("notifications").ok_or_else(missing)?;
        let wish = Object::parse(wish, "params.notifications", &KEYS).map_err(malformed)?;
        let mut lists = Vec::new();
        for (key, kinds) in Self::LISTS {
            let wanted = wish.typed::<bool>(key, "true or false").map_err(malformed)?.unwrap_or_default();
            if wanted && kinds.iter().any(|kind| offers.has(*kind)) {
                lists.push((key, kinds));
            }
        }
        let single = |key: &str, expected| {
            let single = wish.typed::<Vec<String>>(key, expected).map_err(malformed)?.unwrap_or_default();
            if single.len() > MOST {
                let message = format!("params.notifications.{key} has more than {MOST} entries");
                return Err(ErrorObject::new(code::INVALID_PARAMS, message));
            }
            Ok(single)
        };
        Ok(Self { lists, resources: single(KEYS[3], "a list of URIs")?, tasks: single(KEYS[4], "a list of ids")? })
    }

    fn kinds(&self) -> BTreeSet<Kind> {
        self.lists.iter().flat_map(|(_, kinds)| kinds.iter().copied()).collect()
    }

    /// It as the client is told that it is honoured.
    fn honoured(&self, resources: &[String], tasks: &[String]) -> Value {
        let mut honoured: Map<_, _> = self.lists.iter().map(|(key, _)| ((*key).to_owned(), true.into())).collect();
        for (key, single) in [("resourceSubscriptions", resources), ("taskIds", tasks)] {
            if !single.is_empty() {
                honoured.insert(key.to_owned(), json!(single));
            }
        }
        Value::Object(honoured)
    }
}

/// Opens a stream for `caller`, which ends with the answer `end`.
pub(super) async fn open(
    catalog: &Arc<Catalog>,
    listeners: &Listeners,
    sealer: &Sealer,
    caller: &Caller,
    asked: &Asked,
    end: Bytes,
) -> Result<Subscription, ErrorObject> {
    let params = Object::parse(&asked.params, "params", owned_keys(&asked.method));
    let params = params.map_err(|error| ErrorObject::from(&error))?;
    let filter = Filter::read(&params, catalog.offers())?;
    if !filter.tasks.is_empty() && !is_declared(&asked.meta.capabilities) {
        return Err(tasks::undeclared());
    }
    let followed = Arc::new(Followed::of(sealer, caller, filter.tasks.clone()));
    let news = News { id: asked.id.clone(), outbox: Arc::default(), tasks: Arc::clone(&followed) };
    let none = Arc::from(raw(&Object::empty("capabilities")));
    let client = Arc::new(Client::new(Arc::clone(catalog), caller, none, Some(news.clone())));
    let view = Arc::new(ClientView::new(Arc::<Client>::clone(&client), Arc::clone(&client.interests)));
    let listener = Arc::new(Listener {
        caller: caller.clone(),
        kinds: filter.kinds(),
        news: news.clone(),
        view: Arc::clone(&view),
        ending: listeners.ending.clone(),
    });
    // Before anything is asked: what changes from now on is told.
    listeners.all.add(&listener);
    let lists =
        futures::future::join_all(filter.kinds().into_iter().map(|kind| catalog.follow_lists(kind, &view, caller)));
    let lists = tokio::time::timeout(FIRST_LISTS, lists);
    let resources = catalog.follow_resources(&view, caller, &filter.resources, FIRST_AGREEMENT);
    let tasks = tokio::time::timeout(FIRST_AGREEMENT, catalog.follow_tasks(&view, caller, followed.tasks()));
    let (_, agreed, tasks) = tokio::join!(lists, resources, tasks);
    let resources: Vec<_> = filter.resources.iter().filter(|uri| agreed.contains(*uri)).cloned().collect();
    let tasks = followed.keep(&tasks.unwrap_or_default());
    let honoured = filter.honoured(&resources, &tasks);
    let params = json!({ "_meta": { SUBSCRIPTION_ID: asked.id.raw() }, "notifications": honoured });
    Ok(Subscription {
        acknowledgement: notification("notifications/subscriptions/acknowledged", Some(&raw(&params))),
        messages: news.outbox,
        end,
        over: CancellationToken::new(),
        kept: Box::new(listener),
    })
}
