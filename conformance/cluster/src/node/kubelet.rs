//! Follows the pods that are bound to the node and gives each its task.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Shared, pod};

struct Handle {
    pod: watch::Sender<Arc<Pod>>,
    gone: CancellationToken,
}

/// Runs until it is told to stop, and then until every process has ended.
pub(super) async fn run(node: Arc<Shared>, stop: CancellationToken) {
    let mut kubelet = Kubelet { node, stop, handles: HashMap::new(), tasks: JoinSet::new() };
    kubelet.follow().await;
    while kubelet.tasks.join_next().await.is_some() {}
}

struct Kubelet {
    node: Arc<Shared>,
    stop: CancellationToken,
    /// By uid.
    handles: HashMap<String, Handle>,
    tasks: JoinSet<String>,
}

impl Kubelet {
    async fn follow(&mut self) {
        let pods = Api::<Pod>::all(self.node.client.clone());
        let events = watcher(pods, watcher::Config::default()).default_backoff();
        tokio::pin!(events);
        let mut listed = HashSet::new();
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(ended) = self.tasks.join_next() => {
                    if let Ok(uid) = ended {
                        self.handles.remove(&uid);
                    }
                }
                event = events.try_next() => match event {
                    Ok(Some(Event::Apply(pod))) => self.apply(pod),
                    Ok(Some(Event::Delete(pod))) => self.delete(&pod.uid().unwrap_or_default()),
                    Ok(Some(Event::Init)) => listed.clear(),
                    Ok(Some(Event::InitApply(pod))) => {
                        listed.extend(pod.uid());
                        self.apply(pod);
                    }
                    Ok(Some(Event::InitDone)) => {
                        let missing: Vec<_> = self.handles.keys().filter(|uid| !listed.contains(*uid)).cloned().collect();
                        for uid in &missing {
                            self.delete(uid);
                        }
                    }
                    Ok(None) => return,
                    Err(error) => tracing::debug!(%error, "the watch of pods is begun again"),
                }
            }
        }
    }

    fn apply(&mut self, pod: Pod) {
        let (Some(uid), Some(node)) = (pod.uid(), pod.spec.as_ref().and_then(|spec| spec.node_name.clone())) else {
            return;
        };
        if node != self.node.name {
            return;
        }
        // Its processes have ended; finalizers of others hold the object.
        let has_ended =
            pod.metadata.deletion_timestamp.is_some() && pod.metadata.deletion_grace_period_seconds == Some(0);
        let pod = Arc::new(pod);
        if let Some(handle) = self.handles.get(&uid) {
            handle.pod.send_replace(pod);
            return;
        }
        if has_ended {
            return;
        }
        let (sender, receiver) = watch::channel(pod);
        let gone = self.stop.child_token();
        let task = pod::run(Arc::clone(&self.node), receiver, gone.clone());
        self.handles.insert(uid.clone(), Handle { pod: sender, gone });
        self.tasks.spawn(async move {
            task.await;
            uid
        });
    }

    fn delete(&mut self, uid: &str) {
        if let Some(handle) = self.handles.get(uid) {
            handle.gone.cancel();
        }
    }
}
