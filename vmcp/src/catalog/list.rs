//! `tools/list`: every backend is asked at the same time, each within its own deadline.

use super::cache::{Key, Slot};
use super::tools::Page;
use super::{Catalog, ClientView, Lists, ToolList, error, merge};
use crate::backend::{Backend, Caller};
use crate::egress::{BackendSession, Cause, EgressError, Reply};
use crate::health::is_available;
use crate::jsonrpc::{ErrorObject, raw};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use vmcp_config::PartialFailureMode;

/// Pages that one backend may have.
const MAX_PAGES: usize = 1_000;

/// A result of `tools/list`.
#[derive(Serialize)]
struct Listed<'a> {
    tools: Vec<&'a RawValue>,
}

impl Catalog {
    /// The result of `tools/list` for one client.
    pub async fn list_tools(&self, view: &ClientView, caller: &Caller) -> Result<Box<RawValue>, ErrorObject> {
        let backends = self.backends();
        let loads = backends.values().map(|backend| async move {
            let loaded = self.tools_of(view, backend, caller).await;
            (backend.name.clone(), loaded)
        });
        let mut lists = Lists::new();
        let mut failed = Vec::new();
        for (backend, loaded) in futures::future::join_all(loads).await {
            match loaded {
                Ok(list) => drop(lists.insert(backend, list)),
                Err(error) => failed.push((backend, error)),
            }
        }
        if !failed.is_empty() && self.options.partial_failure == PartialFailureMode::Fail {
            return Err(error::incomplete(&failed));
        }
        let (tools, collisions) = merge(&lists, &self.options.naming);
        if self.options.naming.is_manual() && !collisions.is_empty() {
            return Err(error::unresolved(&collisions));
        }
        for collision in collisions {
            let super::Collision { name, owner, loser } = collision;
            tracing::warn!(tool = name, owner, backend = loser, "a tool is hidden: its name is taken");
        }
        let tools = tools.into_iter().map(|tool| &*tool.item).collect();
        Ok(raw(&Listed { tools }))
    }

    /// The tools of one backend as the caller may see them: fresh, or the last good ones while a backend that is not
    /// known to be down fails.
    async fn tools_of(
        &self,
        view: &ClientView,
        backend: &Arc<Backend>,
        caller: &Caller,
    ) -> Result<Arc<ToolList>, EgressError> {
        let slot = self.lists.slot(Key::new(backend, caller));
        let error = match self.load(&slot, view, backend, caller).await {
            Ok(list) => return Ok(list),
            Err(error) => error,
        };
        tracing::warn!(backend = backend.name, cause = error.cause().as_str(), %error, "failed to list tools");
        let passing = matches!(error.cause(), Cause::Timeout | Cause::Refused)
            || error.status().is_some_and(|status| status >= 500);
        if passing && self.health.state(&backend.name).is_some_and(is_available) && self.is_best_effort() {
            return slot.last_good().ok_or(error);
        }
        Err(error)
    }

    fn is_best_effort(&self) -> bool {
        self.options.partial_failure == PartialFailureMode::BestEffort
    }

    /// Loads a list into its slot, within the backend's deadline.
    pub(super) async fn load(
        &self,
        slot: &Slot,
        view: &ClientView,
        backend: &Arc<Backend>,
        caller: &Caller,
    ) -> Result<Arc<ToolList>, EgressError> {
        let timeout = self.options.timeouts.of(&backend.name).as_std();
        let loaded = slot.load(async {
            let session = view.session(&self.egress, backend, caller);
            let fetched = fetch(&session, backend, caller, self, timeout).await;
            self.health.record_list(backend, fetched.as_ref().map(drop));
            if let Some(revision) = session.revision() {
                self.health.record_revision(backend, revision);
            }
            if fetched.as_ref().is_err_and(|error| matches!(error.cause(), Cause::Unauthorized | Cause::Blocked)) {
                slot.forget();
            }
            fetched
        });
        let loaded = loaded.await?;
        if loaded.changed {
            self.changes.announce();
        }
        Ok(loaded.list)
    }
}

/// Asks a backend for all pages of its list.
async fn fetch(
    session: &BackendSession,
    backend: &Backend,
    caller: &Caller,
    catalog: &Catalog,
    timeout: Duration,
) -> Result<ToolList, EgressError> {
    let deadline = Instant::now() + timeout;
    let mut list = ToolList::default();
    let mut cursor: Option<String> = None;
    let mut cursors = HashSet::new();
    for _ in 0..MAX_PAGES {
        let params = cursor.as_ref().map(|cursor| raw(&json!({ "cursor": cursor })));
        let left = deadline.saturating_duration_since(Instant::now());
        let reply = session.request(caller, "tools/list", params.as_deref(), left).await?;
        let result = match reply {
            Reply::Result(result) => result,
            Reply::Error(error) => {
                tracing::warn!(backend = backend.name, error = error.get(), "a backend refused to list its tools");
                return Err(protocol("it answered tools/list with an error"));
            }
        };
        let page =
            Page::parse(&result).map_err(|error| protocol(&format!("its list of tools is malformed: {error}")))?;
        list.add(&page, &backend.name, &catalog.options.naming, |error| {
            tracing::warn!(backend = backend.name, %error, "a tool was left out");
        });
        match page.next {
            None => return Ok(list),
            Some(next) if !cursors.insert(next.clone()) => return Err(protocol("its list of tools does not end")),
            next => cursor = next,
        }
    }
    Err(protocol("its list of tools has too many pages"))
}

fn protocol(message: &str) -> EgressError {
    EgressError::new(Cause::Protocol, message)
}
