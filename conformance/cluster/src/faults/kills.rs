//! Killing the processes of pods.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

/// How the processes of a pod are killed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kill {
    /// The one container to kill; without, all that run.
    pub container: Option<String>,
    /// Whether the end is told as the out-of-memory killer's: the reason is `OOMKilled` then, else `Error`.
    pub out_of_memory: bool,
}

/// Nothing of the pod runs that could be killed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no process of {pod} runs; {}", known(running))]
pub struct NotRunning {
    /// The pod, and the container if one was named: `namespace/pod` or `namespace/pod/container`.
    pub pod: String,
    /// The containers that run, in the same form and sorted.
    pub running: Vec<String>,
}

fn known(running: &[String]) -> String {
    if running.is_empty() {
        "no container runs in this cluster".to_owned()
    } else {
        format!("the containers that run are {}", running.join(", "))
    }
}

/// Namespace, pod and container.
type Key = (String, String, String);

/// The containers that run and can be killed; clones are the same list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kills {
    running: Arc<Mutex<BTreeMap<Key, mpsc::Sender<Kill>>>>,
}

/// A running container, which is in the list until this is dropped.
pub(crate) struct Killable {
    kills: Kills,
    key: Key,
    received: mpsc::Receiver<Kill>,
}

impl Kills {
    /// Enters a container that begins to run.
    pub(crate) fn enter(&self, namespace: &str, pod: &str, container: &str) -> Killable {
        let (sender, received) = mpsc::channel(1);
        let key = (namespace.to_owned(), pod.to_owned(), container.to_owned());
        self.lock().insert(key.clone(), sender);
        Killable { kills: self.clone(), key, received }
    }

    pub(super) fn kill(&self, namespace: &str, pod: &str, kill: &Kill) -> Result<Vec<String>, NotRunning> {
        let running = self.lock();
        let mut killed = Vec::new();
        for ((in_namespace, of_pod, container), sender) in running.iter() {
            let is_meant = in_namespace == namespace
                && of_pod == pod
                && kill.container.as_ref().is_none_or(|wanted| wanted == container);
            // A full queue means that it is being killed already.
            if is_meant && !matches!(sender.try_send(kill.clone()), Err(mpsc::error::TrySendError::Closed(_))) {
                killed.push(container.clone());
            }
        }
        if killed.is_empty() {
            let pod = match &kill.container {
                Some(container) => format!("{namespace}/{pod}/{container}"),
                None => format!("{namespace}/{pod}"),
            };
            let running = running.keys().map(|(namespace, pod, container)| format!("{namespace}/{pod}/{container}"));
            return Err(NotRunning { pod, running: running.collect() });
        }
        Ok(killed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, mpsc::Sender<Kill>>> {
        self.running.lock()
    }
}

impl Killable {
    /// Waits until the container is to be killed. Cancel safe.
    pub(crate) async fn killed(&mut self) -> Kill {
        match self.received.recv().await {
            Some(kill) => kill,
            // Another container of the same name has taken the place: this one is on its way out.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        let mut running = self.kills.lock();
        self.received.close();
        if running.get(&self.key).is_some_and(mpsc::Sender::is_closed) {
            running.remove(&self.key);
        }
    }
}
