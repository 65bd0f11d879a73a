//! Faults on demand: what goes wrong in real clusters, at the moment that a test chooses.
//!
//! [`Faults`] is the handle, from [`ApiServer::faults`](crate::ApiServer::faults) or
//! [`Cluster::faults`](crate::cluster::Cluster::faults):
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use embedded_cluster::ApiServer;
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use kube::api::{Api, ListParams};
//!
//! let server = ApiServer::default();
//! let maps: Api<ConfigMap> = Api::default_namespaced(server.client("default"));
//! let fault = server.faults().add("status=503,verb=list,resource=configmaps".parse().expect("a fault"));
//! assert!(maps.list(&ListParams::default()).await.is_err());
//! drop(fault);
//! assert!(maps.list(&ListParams::default()).await.is_ok());
//! # }
//! ```
//!
//! A fault concerns every client whose requests it selects, the cluster's own controllers and node too: select by user
//! or user agent to spare them.

mod active;
mod grammar;
mod kills;
mod request;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

pub use active::{ActiveFault, FaultGuard};
pub use grammar::{GRAMMAR, GrammarError};
pub(crate) use kills::Kills;
pub use kills::{Kill, NotRunning};
pub use request::{Effect, RequestFault, Requests};

pub(crate) use active::ActiveFaults;
pub(crate) use request::Seen;

use crate::api::state::Server;
use crate::controllers::{Pauses, UnknownController};

/// What the API server keeps for its faults.
#[derive(Debug, Default)]
pub(crate) struct FaultState {
    pub(crate) requests: Arc<ActiveFaults>,
    pub(crate) controllers: OnceLock<Pauses>,
    pub(crate) kills: OnceLock<Kills>,
}

/// The server serves no such resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server serves no resource {0:?}; expected a plural such as \"pods\", or \"deployments.apps\"")]
pub struct UnknownResource(pub String);

/// The control handle of everything that can be made to fail; clones concern the same cluster.
#[derive(Clone)]
pub struct Faults {
    server: Arc<Server>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Faults").field("active", &self.list()).finish_non_exhaustive()
    }
}

impl Faults {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        Self { server }
    }

    /// Makes requests fail from now on. The fault ends when the guard is dropped; [`FaultGuard::keep`] lets it stand.
    pub fn add(&self, fault: RequestFault) -> FaultGuard {
        self.server.faults.requests.add(fault)
    }

    /// The faults of requests that have not ended, oldest first. One that has had its times stays until it is cleared.
    pub fn list(&self) -> Vec<ActiveFault> {
        self.server.faults.requests.list()
    }

    /// Ends a fault: the requests that it holds go on. Whether there was one with this id.
    pub fn clear(&self, id: u64) -> bool {
        self.server.faults.requests.clear(id)
    }

    /// Ends all faults of requests, also those whose guards live. How many there were.
    pub fn clear_all(&self) -> usize {
        self.server.faults.requests.clear_all()
    }

    /// Ends every open watch, as a restart of the API server does. How many there were. Clients resume from the last
    /// revision that they saw.
    pub fn drop_watches(&self) -> usize {
        self.server.lock().store.drop_watches(|_| true)
    }

    /// Ends the open watches of one resource, which is named as in RBAC with an optional group: `pods`,
    /// `deployments.apps`. How many there were.
    pub fn drop_watches_of(&self, resource: &str) -> Result<usize, UnknownResource> {
        let (plural, group) = match resource.split_once('.') {
            Some((plural, group)) => (plural, Some(group)),
            None => (resource, None),
        };
        let mut state = self.server.lock();
        let is_meant = |other: &&Arc<crate::api::registry::Resource>| {
            other.plural == plural && group.is_none_or(|group| other.group == group)
        };
        let collections: BTreeSet<Arc<str>> =
            state.registry.resources().filter(is_meant).map(|resource| resource.collection.clone()).collect();
        if collections.is_empty() {
            return Err(UnknownResource(resource.to_owned()));
        }
        Ok(state.store.drop_watches(|collection| collections.contains(collection)))
    }

    /// Forgets all history, as etcd's compaction does: a watch that resumes from an earlier revision gets 410, and so
    /// does a page token. Open watches that have seen everything go on; drop them too to see them fail.
    pub fn compact(&self) {
        self.server.lock().store.compact();
    }

    /// Pauses a controller of the cluster by its name: when this returns it does nothing until it is resumed.
    pub fn pause(&self, controller: &str) -> Result<(), UnknownController> {
        self.pauses().pause(controller)
    }

    /// Resumes a paused controller, which then catches up from its watches.
    pub fn resume(&self, controller: &str) -> Result<(), UnknownController> {
        self.pauses().resume(controller)
    }

    /// The controllers that run, sorted by name, and whether each is paused.
    pub fn controllers(&self) -> Vec<(&'static str, bool)> {
        self.pauses().controllers()
    }

    /// Kills the processes of a pod's containers with SIGKILL, as a crash or the out-of-memory killer does: exit code
    /// 137, and a restart as the pod's policy says. The names of the containers, sorted.
    pub fn kill(&self, namespace: &str, pod: &str, kill: &Kill) -> Result<Vec<String>, NotRunning> {
        let kills = self.server.faults.kills.get().cloned().unwrap_or_default();
        kills.kill(namespace, pod, kill)
    }

    /// The cluster's; an API server alone has no controllers.
    fn pauses(&self) -> Pauses {
        self.server.faults.controllers.get().cloned().unwrap_or_default()
    }
}
