//! Sessions with backends that have some, on behalf of clients that have none.
//!
//! A known user has one session with each backend for each set of headers that are passed on and of capabilities that
//! are declared; the outgoing credential is a function of the backend and the user. Those who are not known have a session
//! for the one request, so that no two of them ever share the state of one. Lists are asked for in one session for them all
//! as long as nothing of the client's is sent.

use super::client::Client;
use crate::backend::{Caller, Principal};
use crate::capabilities::Capabilities;
use crate::catalog::{Catalog, ClientView};
use crate::ingress::SessionLimits;
use crate::jsonrpc::{ErrorObject, Object, code, raw};
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// How many idle views are ended at once.
const ENDING: usize = 64;

/// Whose sessions they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    user: Option<Principal>,
    /// What else makes sessions different: the headers that are passed on, and the declared capabilities.
    rest: [u8; 32],
}

impl Key {
    fn new(caller: &Caller, capabilities: &RawValue) -> Self {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update(bytes.len().to_be_bytes());
            hash.update(bytes);
        };
        part(capabilities.get().as_bytes());
        for (name, value) in caller.passed.iter() {
            part(name.as_str().as_bytes());
            part(value.as_bytes());
        }
        Self { user: caller.principal.clone(), rest: hash.finalize().into() }
    }
}

/// A client and its sessions.
#[derive(Debug)]
struct Kept {
    client: Arc<Client>,
    view: ClientView,
    used_at: Mutex<Instant>,
}

impl Kept {
    fn new(catalog: &Arc<Catalog>, caller: &Caller, capabilities: Arc<RawValue>) -> Self {
        let client = Arc::new(Client::new(Arc::clone(catalog), caller, capabilities, None));
        let view = ClientView::new(Arc::<Client>::clone(&client), Arc::clone(&client.interests));
        Self { client, view, used_at: Mutex::new(Instant::now()) }
    }

    fn idle(&self) -> Duration {
        self.used_at.lock().elapsed()
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Views {
    catalog: Arc<Catalog>,
    limits: SessionLimits,
    live: Mutex<HashMap<Key, Arc<Kept>>>,
    /// Sessions that are being ended.
    ending: TaskTracker,
}

/// Sessions that are in use until this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    kept: Arc<Kept>,
    /// What ends them then; nothing for those that stay.
    ending: Option<TaskTracker>,
}

impl Lease {
    /// The client as backends see it.
    pub(super) fn client(&self) -> &Arc<Client> {
        &self.kept.client
    }

    /// The sessions.
    pub(super) fn view(&self) -> &ClientView {
        &self.kept.view
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        *self.kept.used_at.lock() = Instant::now();
        let Some(ending) = self.ending.take() else { return };
        let kept = Arc::clone(&self.kept);
        ending.spawn(async move { kept.view.close().await });
    }
}

impl Views {
    pub(super) fn new(catalog: Arc<Catalog>, limits: SessionLimits) -> Self {
        Self { catalog, limits, live: Mutex::default(), ending: TaskTracker::new() }
    }

    /// The sessions in which lists are asked for: with params of the gateway's own.
    pub(super) fn for_lists(&self, caller: &Caller) -> Result<Lease, ErrorObject> {
        let none = Arc::from(raw(&Object::empty("capabilities")));
        if caller.principal.is_none() && !caller.passed.is_empty() {
            return Ok(self.for_once(caller, none));
        }
        self.kept(caller, none)
    }

    /// The sessions in which requests are passed on.
    pub(super) fn for_calls(&self, caller: &Caller, capabilities: &Capabilities) -> Result<Lease, ErrorObject> {
        let capabilities = capabilities.passed_on();
        if caller.principal.is_none() {
            Ok(self.for_once(caller, capabilities))
        } else {
            self.kept(caller, capabilities)
        }
    }

    fn for_once(&self, caller: &Caller, capabilities: Arc<RawValue>) -> Lease {
        let kept = Arc::new(Kept::new(&self.catalog, caller, capabilities));
        Lease { kept, ending: Some(self.ending.clone()) }
    }

    fn kept(&self, caller: &Caller, capabilities: Arc<RawValue>) -> Result<Lease, ErrorObject> {
        let key = Key::new(caller, &capabilities);
        let mut live = self.live.lock();
        if let Some(kept) = live.get(&key) {
            kept.client.stand_for(caller);
            return Ok(Lease { kept: Arc::clone(kept), ending: None });
        }
        if live.len() >= self.limits.cap {
            // Whoever is in use is held by its lease, too.
            let idle = live.iter().filter(|(_, kept)| Arc::strong_count(kept) == 1);
            let longest = idle.max_by_key(|(_, kept)| kept.idle()).map(|(key, _)| key.clone());
            let message = "the gateway has no room for further sessions with backends, try again later";
            let longest = longest.ok_or_else(|| ErrorObject::new(code::OVERLOADED, message))?;
            if let Some(kept) = live.remove(&longest) {
                self.ending.spawn(async move { kept.view.close().await });
            }
        }
        let kept = Arc::new(Kept::new(&self.catalog, caller, capabilities));
        live.insert(key, Arc::clone(&kept));
        Ok(Lease { kept, ending: None })
    }

    /// Ends sessions that were idle for too long, for ever.
    pub(super) async fn reap(&self) {
        let ttl = self.limits.ttl;
        let mut ticks = tokio::time::interval(self.limits.reaping());
        loop {
            ticks.tick().await;
            let mut idle = Vec::new();
            self.live.lock().retain(|_, kept| {
                let stays = Arc::strong_count(kept) > 1 || kept.idle() < ttl;
                if !stays {
                    idle.push(Arc::clone(kept));
                }
                stays
            });
            stream::iter(idle).for_each_concurrent(ENDING, |kept| async move { kept.view.close().await }).await;
        }
    }

    /// Ends all sessions.
    pub(super) async fn close(&self) {
        let all: Vec<_> = self.live.lock().drain().map(|(_, kept)| kept).collect();
        futures::future::join_all(all.iter().map(|kept| kept.view.close())).await;
        self.ending.close();
        self.ending.wait().await;
    }
}
