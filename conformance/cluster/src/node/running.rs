//! The pods that run on the node, for the API server's streams to them.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};

use super::probes::Target;
use crate::streams::PodName;

/// The running pods. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct RunningPods {
    pods: Arc<Mutex<BTreeMap<PodName, RunningPod>>>,
}

struct RunningPod {
    uid: String,
    address: Ipv4Addr,
    containers: BTreeMap<String, RunningContainer>,
}

/// A container that runs.
#[derive(Clone)]
pub(crate) struct RunningContainer {
    /// How its process was started.
    pub(crate) target: Target,
    /// Cancelled when its process has ended.
    pub(crate) ended: CancellationToken,
}

/// A pod's place among the running ones, until it is dropped.
pub(crate) struct Place {
    running: RunningPods,
    name: PodName,
    uid: String,
}

impl RunningPods {
    /// Adds a pod; a former one of its name gives way.
    pub(crate) fn enter(&self, name: PodName, uid: &str, address: Ipv4Addr) -> Place {
        self.lock().insert(name.clone(), RunningPod { uid: uid.to_owned(), address, containers: BTreeMap::new() });
        Place { running: self.clone(), name, uid: uid.to_owned() }
    }

    /// The address of a pod.
    pub(crate) fn address(&self, pod: &PodName) -> Option<Ipv4Addr> {
        self.lock().get(pod).map(|pod| pod.address)
    }

    /// A container of a pod.
    pub(crate) fn container(&self, pod: &PodName, container: &str) -> Option<RunningContainer> {
        self.lock().get(pod)?.containers.get(container).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PodName, RunningPod>> {
        self.pods.lock()
    }
}

impl Place {
    /// Says that a container runs, until the answer is dropped.
    pub(crate) fn begin(&self, container: &str, target: Target) -> DropGuard {
        let ended = CancellationToken::new();
        if let Some(pod) = self.running.lock().get_mut(&self.name).filter(|pod| pod.uid == self.uid) {
            pod.containers.insert(container.to_owned(), RunningContainer { target, ended: ended.clone() });
        }
        ended.drop_guard()
    }

    /// Says that a container runs no more.
    pub(crate) fn end(&self, container: &str) {
        if let Some(pod) = self.running.lock().get_mut(&self.name).filter(|pod| pod.uid == self.uid) {
            pod.containers.remove(container);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut pods = self.running.lock();
        if pods.get(&self.name).is_some_and(|pod| pod.uid == self.uid) {
            pods.remove(&self.name);
        }
    }
}
