//! Lists: every backend is asked at the same time, each within its own deadline. Nobody waits that long for one that is known to be down.

use super::cache::{FRESH, Key, Loaded, Slot};
use super::items::Page;
use super::page::page;
use super::{Catalog, ClientView, Exposed, ExposedList, ItemList, Lists, Now, error, merge};
use crate::backend::{Backend, Caller};
use crate::egress::{BackendSession, Cause, EgressError, Reply, timed_out};
use crate::health::is_available;
use crate::jsonrpc::{ErrorObject, code, raw};
use crate::offers::Kind;
use crate::stateless;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use vmcp_config::PartialFailureMode;

/// Pages that one backend may have.
const MAX_PAGES: usize = 1_000;

/// How long a list waits for a backend that is known to be down. One that is back answers sooner, and need not wait for its next probe.
const FOR_THE_DOWN: Duration = Duration::from_secs(1);

/// One page of what there is of a kind.
#[derive(Debug)]
pub struct Listing {
    /// The result of the list method.
    pub result: Box<RawValue>,
    /// How long backends need not be asked again; not at all where one is missing.
    pub fresh_for: Duration,
    /// Whether all clients are served the same.
    pub is_everyones: bool,
}

/// The result of a list method.
struct Listed<'a> {
    kind: Kind,
    items: &'a [&'a Exposed],
    next: Option<String>,
}

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let items: Vec<_> = self.items.iter().map(|item| &*item.item).collect();
        map.serialize_entry(self.kind.member(), &items)?;
        if let Some(next) = &self.next {
            map.serialize_entry("nextCursor", next)?;
        }
        map.end()
    }
}

impl Catalog {
    /// What there is of `kind`, for one client: the page at `cursor`, or the first one.
    pub async fn list(
        &self,
        kind: Kind,
        view: &ClientView,
        caller: &Caller,
        cursor: Option<&str>,
    ) -> Result<Listing, ErrorObject> {
        let Now { backends, settings } = self.now();
        let loads = backends.values().map(|backend| async move {
            let loaded = self.list_of(kind, view, backend, caller).await;
            (backend, loaded)
        });
        let mut lists = Lists::new();
        let mut served = Vec::new();
        let mut failed = Vec::new();
        let mut is_private = false;
        for (backend, loaded) in futures::future::join_all(loads).await {
            match loaded {
                Ok(list) => {
                    is_private |= list.is_private();
                    let key = Key::new(kind, backend, caller);
                    let exposed = self.lists.slot(key.clone()).exposed(&list, &backend.name, &settings.naming);
                    served.push((key, Arc::clone(&exposed)));
                    lists.insert(backend.name.clone(), exposed);
                }
                Err(error) => failed.push((backend.name.clone(), error)),
            }
        }
        let left = served.iter().map(|(key, _)| self.lists.slot(key.clone()).fresh_for());
        let fresh_for = if failed.is_empty() { left.min().unwrap_or(FRESH) } else { Duration::ZERO };
        view.interests.serve(kind, served);
        if !failed.is_empty() && settings.partial_failure == PartialFailureMode::Fail {
            return Err(error::incomplete(&failed));
        }
        let (items, collisions) = merge(kind, &lists, &settings.naming);
        if settings.naming.is_manual(kind) && !collisions.is_empty() {
            return Err(error::unresolved(&collisions));
        }
        for collision in collisions {
            let super::Collision { name, owner, loser } = collision;
            tracing::warn!(kind = kind.noun(), name, owner, backend = loser, "hidden: the name is taken");
        }
        let is_everyones = backends.values().all(|backend| Key::new(kind, backend, caller).is_shared());
        self.note_count(kind, is_everyones.then_some(items.len()));
        let (items, next) = page(&items, cursor)?;
        let is_everyones = is_everyones && !is_private;
        Ok(Listing { result: raw(&Listed { kind, items, next }), fresh_for, is_everyones })
    }

    /// Sees to it that changes of the lists of `kind` will be known: a list that nobody has asked for cannot change, and a
    /// backend that treats the caller in its own way tells it alone.
    pub async fn follow_lists(&self, kind: Kind, view: &ClientView, caller: &Caller) {
        let backends = self.backends();
        let loads = backends.values().map(|backend| async move {
            if self.known(kind, backend, caller).is_none()
                && let Err(error) = self.loaded(kind, view, backend, caller).await
            {
                tracing::debug!(backend = backend.name, %error, "a list of which changes are to be told is not known");
            }
            if !self.probed || !Key::new(kind, backend, caller).is_shared() {
                view.session(&self.egress, backend, caller).listen(caller).await;
            }
        });
        futures::future::join_all(loads).await;
    }

    /// The list of one backend as the caller may see it: fresh, or the last good one while a backend that is not known to
    /// be down fails.
    async fn list_of(
        &self,
        kind: Kind,
        view: &ClientView,
        backend: &Arc<Backend>,
        caller: &Caller,
    ) -> Result<Arc<ItemList>, EgressError> {
        let loading = self.loaded(kind, view, backend, caller);
        let loaded = if self.health.is_down(backend) {
            tokio::time::timeout(FOR_THE_DOWN, loading).await.unwrap_or_else(|_| Err(timed_out(FOR_THE_DOWN)))
        } else {
            loading.await
        };
        let error = match loaded {
            Ok(list) => return Ok(list),
            Err(error) => error,
        };
        tracing::warn!(
            backend = backend.name,
            method = kind.method(),
            cause = error.cause().as_str(),
            %error,
            "failed to list"
        );
        let passing = matches!(error.cause(), Cause::Timeout | Cause::Refused | Cause::Overloaded)
            || error.status().is_some_and(|status| status >= 500);
        if passing && self.health.state(&backend.name).is_some_and(is_available) && self.is_best_effort() {
            return self.lists.slot(Key::new(kind, backend, caller)).last_good(caller).ok_or(error);
        }
        Err(error)
    }

    fn is_best_effort(&self) -> bool {
        self.now().settings.partial_failure == PartialFailureMode::BestEffort
    }

    /// The last known list of `backend`, however old. One that is known to offer nothing of the kind has an empty list.
    pub(super) fn known(&self, kind: Kind, backend: &Backend, caller: &Caller) -> Option<Arc<ItemList>> {
        if self.offers_none(kind, backend) {
            return Some(Arc::new(ItemList::new(kind)));
        }
        self.lists.slot(Key::new(kind, backend, caller)).known()
    }

    /// A fresh list of `backend`. Of one that is known to offer nothing of the kind, nothing is asked.
    pub(super) async fn loaded(
        &self,
        kind: Kind,
        view: &ClientView,
        backend: &Arc<Backend>,
        caller: &Caller,
    ) -> Result<Arc<ItemList>, EgressError> {
        if self.offers_none(kind, backend) {
            return Ok(Arc::new(ItemList::new(kind)));
        }
        let slot = self.lists.slot(Key::new(kind, backend, caller));
        // Rare, and large: it would be a part of each call's future.
        Box::pin(self.load(kind, &slot, view, backend, caller)).await
    }

    fn offers_none(&self, kind: Kind, backend: &Backend) -> bool {
        self.offered.of(backend).is_some_and(|offers| !offers.has(kind))
    }

    /// Loads a list into its slot, within the backend's deadline.
    async fn load(
        &self,
        kind: Kind,
        slot: &Slot,
        view: &ClientView,
        backend: &Arc<Backend>,
        caller: &Caller,
    ) -> Result<Arc<ItemList>, EgressError> {
        let timeout = self.timeout(backend);
        let loaded = slot.load(caller, async {
            let session = view.session(&self.egress, backend, caller);
            let fetched = fetch(kind, &session, backend, caller, timeout).await;
            self.health.record_list(backend, fetched.as_ref().map(drop));
            if let Some(agreed) = session.agreed() {
                self.health.record_revision(backend, agreed.revision);
                self.offered.note(backend, agreed.offers);
            }
            if fetched.as_ref().is_err_and(|error| matches!(error.cause(), Cause::Unauthorized | Cause::Blocked)) {
                slot.forget();
            }
            fetched
        });
        let Loaded { list, replaced } = loaded.await?;
        if let Some(before) = replaced {
            let naming = &self.now().settings.naming;
            let seen = ExposedList::of(&before, &backend.name, naming);
            if !slot.exposed(&list, &backend.name, naming).same_as(&seen) {
                self.changes.list_differs(Key::new(kind, backend, caller));
            }
        }
        Ok(list)
    }
}

/// Asks a backend for all pages of its list.
async fn fetch(
    kind: Kind,
    session: &BackendSession,
    backend: &Backend,
    caller: &Caller,
    timeout: Duration,
) -> Result<ItemList, EgressError> {
    let deadline = Instant::now() + timeout;
    let mut list = ItemList::new(kind);
    if !session.offers(caller, timeout).await?.has(kind) {
        return Ok(list);
    }
    if session.revision() == Some(stateless::VERSION) {
        list = list.with_mirrored();
    }
    let mut cursor: Option<String> = None;
    let mut cursors = HashSet::new();
    for _ in 0..MAX_PAGES {
        let params = cursor.as_ref().map(|cursor| raw(&json!({ "cursor": cursor })));
        let left = deadline.saturating_duration_since(Instant::now());
        let reply = session.request(caller, kind.method(), params.as_deref(), left).await?;
        let result = match reply {
            Reply::Result(result) => result,
            // What a server offers may be less than it seems: resources without templates, for one.
            Reply::Error(error) if is_unknown_method(&error) => return Ok(list),
            Reply::Error(error) => {
                let (backend, method) = (backend.name.as_str(), kind.method());
                tracing::warn!(backend, method, error = error.get(), "a backend refused to list");
                return Err(protocol(&format!("it answered {method} with an error")));
            }
        };
        let page = Page::parse(kind, &result)
            .map_err(|error| protocol(&format!("its list of {}s is malformed: {error}", kind.noun())))?;
        list.add(&page, |error| {
            tracing::warn!(backend = backend.name, kind = kind.noun(), %error, "an item was left out");
        });
        match page.next {
            None => return Ok(list),
            Some(next) if !cursors.insert(next.clone()) => {
                return Err(protocol(&format!("its list of {}s does not end", kind.noun())));
            }
            next => cursor = next,
        }
    }
    Err(protocol(&format!("its list of {}s has too many pages", kind.noun())))
}

fn is_unknown_method(error: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Told {
        code: i64,
    }
    serde_json::from_str::<Told>(error.get()).is_ok_and(|told| told.code == code::METHOD_NOT_FOUND)
}

fn protocol(message: &str) -> EgressError {
    EgressError::new(Cause::Protocol, message)
}
