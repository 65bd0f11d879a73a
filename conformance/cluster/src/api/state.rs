//! The server's state: one lock around the store, the registry and what hangs on them.

use parking_lot::{Mutex, MutexGuard, RwLock};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use tokio::task::JoinSet;

use super::builtin;
use super::builtin::services::{NodePorts, ServiceAddresses};
use super::clock::Clock;
use super::custom;
use super::metadata;
use super::registry::{Registry, Resource};
use super::store::{self, Store};
use crate::access::token::TokenAuthority;
use crate::faults::FaultState;
use crate::logs::LogSource;
use crate::streams::PodStreams;
use crate::surroundings::Surroundings;

/// Everything the server is made of.
pub(crate) struct Server {
    state: Mutex<State>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tokens: TokenAuthority,
    pub(crate) faults: FaultState,
    pub(crate) service_addresses: Arc<dyn ServiceAddresses>,
    pub(crate) logs: RwLock<Option<Arc<dyn LogSource>>>,
    pub(crate) streams: RwLock<Option<Arc<dyn PodStreams>>>,
    /// Set once, by a cluster that has a node.
    pub(crate) surroundings: OnceLock<Surroundings>,
    /// The streams that are open. They end with the server.
    open_streams: Mutex<JoinSet<()>>,
}

/// What changes: always behind the lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) node_ports: NodePorts,
    /// The newest revision that each page token's time saw; see [`super::read`].
    pub(crate) openapi: HashMap<String, Arc<Value>>,
}

impl Server {
    pub(crate) fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        tokens: TokenAuthority,
        service_addresses: Arc<dyn ServiceAddresses>,
    ) -> Self {
        let mut registry = Registry::default();
        builtin::register(&mut registry);
        let mut state = State { store, registry, node_ports: NodePorts::default(), openapi: HashMap::new() };
        let collections: Vec<_> = state.registry.resources().map(|resource| resource.collection.clone()).collect();
        for collection in collections {
            state.store.open(&collection);
        }
        Self {
            state: Mutex::new(state),
            clock,
            tokens,
            faults: FaultState::default(),
            service_addresses,
            logs: RwLock::new(None),
            streams: RwLock::new(None),
            surroundings: OnceLock::new(),
            open_streams: Mutex::default(),
        }
    }

    /// Runs a stream beside the requests until it ends, at the latest with the server.
    pub(crate) fn spawn(&self, stream: impl Future<Output = ()> + Send + 'static) {
        let mut open = self.open_streams.lock();
        while open.try_join_next().is_some() {}
        open.spawn(stream);
    }

    /// Locks the state; a request holds the lock from its first look at the store to its last write.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// The stored object.
    pub(crate) fn stored(&self, resource: &Resource, namespace: Option<&str>, name: &str) -> Option<Arc<Value>> {
        self.store.object(&resource.collection, &store::key(namespace, name))
    }

    /// Stores an object and does what must follow at once.
    pub(crate) fn commit(&mut self, server: &Server, resource: &Arc<Resource>, object: Value) -> Arc<Value> {
        let key = store::key(metadata::namespace(&object), metadata::name(&object));
        let stored = self.store.put(&resource.collection, &key, object);
        if resource.plural == "customresourcedefinitions" {
            custom::lifecycle::stored(self, server, resource, &stored);
        }
        stored
    }

    /// Removes an object and does what must follow at once.
    pub(crate) fn remove(&mut self, server: &Server, resource: &Arc<Resource>, object: &Value) -> Option<Arc<Value>> {
        let key = store::key(metadata::namespace(object), metadata::name(object));
        let removed = self.store.remove(&resource.collection, &key)?;
        if resource.is_custom() {
            custom::lifecycle::instance_removed(self, server, resource);
        }
        match (resource.group.as_str(), resource.plural.as_str()) {
            ("", "services") => {
                builtin::services::release(&removed, server.service_addresses.as_ref(), &mut self.node_ports);
            }
            ("apiextensions.k8s.io", "customresourcedefinitions") => custom::lifecycle::removed(self, &removed),
            _ => {}
        }
        Some(removed)
    }
}
