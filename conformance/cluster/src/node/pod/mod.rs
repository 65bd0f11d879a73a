//! One pod on the node, from its binding to its removal.
//!
//! Everything of a pod happens in one task: its volumes ([`mounts`]), its containers ([`container`]) and the writing of
//! its status. When the task is dropped, its processes end.

mod container;
mod kubeconfig;
mod mounts;
mod restart;
mod run;
mod scope;
mod start;
mod termination;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodStatus};
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, ResourceExt};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::container::{Runner, waiting};
use self::mounts::Mounts;
use self::restart::RestartPolicy;
use self::run::sleep_until;
use self::scope::Scope;
use super::Shared;
use super::status::{self, Seen};
use crate::controllers::events::EventType;
use crate::streams::PodName;

/// How long the first status waits for the containers to start.
const FIRST_STATUS: Duration = Duration::from_millis(20);

/// Runs a pod until it is deleted, or until `gone` says that the object or the node is no more.
pub(super) async fn run(node: Arc<Shared>, pod: watch::Receiver<Arc<Pod>>, gone: CancellationToken) {
    let first = Arc::clone(&pod.borrow());
    let address = match node.addresses.allocate() {
        Ok(address) => address,
        Err(error) => {
            node.recorder.record(first.as_ref(), EventType::Warning, "FailedCreatePodSandBox", error.to_string());
            return;
        }
    };
    let folder = node.folder.join(first.uid().unwrap_or_default());
    match tokio::fs::create_dir_all(&folder).await {
        Ok(()) => {
            let sources = node.sources.subscribe(&first.namespace().unwrap_or_default());
            let name = PodName { namespace: first.namespace().unwrap_or_default(), name: first.name_any() };
            let scope = Scope {
                place: node.running.enter(name, &first.uid().unwrap_or_default(), address),
                node: Arc::clone(&node),
                pod,
                folder: folder.clone(),
                address,
                stop: CancellationToken::new(),
                kill: CancellationToken::new(),
                sources,
                changed: Arc::new(Notify::new()),
            };
            Worker::new(Arc::new(scope)).run(gone).await;
        }
        Err(error) => {
            let message = format!("failed to create {}: {error}", folder.display());
            node.recorder.record(first.as_ref(), EventType::Warning, "FailedCreatePodSandBox", message);
        }
    }
    node.addresses.release(address);
    // What cannot be removed goes with the folder of the node.
    let _ = tokio::fs::remove_dir_all(&folder).await;
}

struct Worker {
    scope: Arc<Scope>,
    since: Timestamp,
    init: Vec<watch::Receiver<ContainerStatus>>,
    main: Vec<watch::Receiver<ContainerStatus>>,
    written: Option<PodStatus>,
    begin: Instant,
    overdue: bool,
}

/// The containers before they run.
struct Cast {
    init: Vec<Runner>,
    main: Vec<Runner>,
}

impl Worker {
    fn new(scope: Arc<Scope>) -> Self {
        Self {
            scope,
            since: Timestamp::now(),
            init: Vec::new(),
            main: Vec::new(),
            written: None,
            begin: Instant::now(),
            overdue: false,
        }
    }

    async fn run(mut self, gone: CancellationToken) {
        let scope = Arc::clone(&self.scope);
        let mut pod = scope.pod.clone();
        let cast = self.cast();
        let (mounted, is_mounted) = watch::channel(false);
        let volumes = Mounts::new(Arc::clone(&scope)).keep(mounted);
        let life = live(&scope, cast, is_mounted);
        tokio::pin!(volumes, life);
        let mut finished = false;
        // The containers go first: most pods run before anybody could read that they will.
        let mut is_due = false;
        loop {
            if is_deleted(&pod.borrow_and_update()) {
                scope.stop.cancel();
                if finished {
                    break;
                }
            }
            if is_due {
                self.write_status().await;
            }
            let is_first = !is_due;
            is_due = true;
            let deadline = self.deadline().filter(|_| !finished && !self.overdue);
            tokio::select! {
                () = &mut volumes => {}
                () = &mut life, if !finished => finished = true,
                () = scope.changed.notified() => {}
                () = tokio::time::sleep(FIRST_STATUS), if is_first => {}
                Ok(()) = pod.changed() => {}
                () = sleep_until(deadline), if deadline.is_some() => {
                    self.overdue = true;
                    scope.pod_event(EventType::Normal, status::DEADLINE_EXCEEDED, status::DEADLINE_MESSAGE.to_owned());
                    scope.stop.cancel();
                }
                () = gone.cancelled() => {
                    scope.kill.cancel();
                    scope.stop.cancel();
                    if !finished {
                        life.await;
                    }
                    return;
                }
            }
        }
        self.delete().await;
    }

    /// When the pod has run for as long as it may; its `activeDeadlineSeconds` may be shortened at any time.
    fn deadline(&self) -> Option<Instant> {
        let seconds = self.scope.object().spec.as_ref()?.active_deadline_seconds?;
        Some(self.begin + Duration::from_secs(u64::try_from(seconds).ok()?))
    }

    /// The runner of each container, and the place where its status is seen.
    fn cast(&mut self) -> Cast {
        let pod = self.scope.object();
        let spec = pod.spec.clone().unwrap_or_default();
        let policy = RestartPolicy::parse(spec.restart_policy.as_deref());
        let init_policy = |container: &Container| match (container.restart_policy.as_deref(), policy) {
            (Some("Always"), _) => RestartPolicy::Always,
            (_, RestartPolicy::Never) => RestartPolicy::Never,
            (_, RestartPolicy::Always | RestartPolicy::OnFailure) => RestartPolicy::OnFailure,
        };
        let init_containers = spec.init_containers.unwrap_or_default();
        let reason = if init_containers.is_empty() { "ContainerCreating" } else { "PodInitializing" };
        let runner = |container: Container, policy, init| Runner {
            scope: Arc::clone(&self.scope),
            status: watch::Sender::new(waiting(&container, reason)),
            container,
            policy,
            init,
        };
        let init: Vec<_> = init_containers.into_iter().map(|c| (init_policy(&c), c)).collect();
        let init: Vec<_> = init.into_iter().map(|(policy, container)| runner(container, policy, true)).collect();
        let main: Vec<_> = spec.containers.into_iter().map(|container| runner(container, policy, false)).collect();
        self.init = init.iter().map(|runner| runner.status.subscribe()).collect();
        self.main = main.iter().map(|runner| runner.status.subscribe()).collect();
        Cast { init, main }
    }

    /// Writes the status if it differs from what was written last.
    async fn write_status(&mut self) {
        let mut pod = Pod::clone(&self.scope.object());
        let collect = |receivers: &[watch::Receiver<ContainerStatus>]| {
            receivers.iter().map(|receiver| receiver.borrow().clone()).collect()
        };
        let seen = Seen {
            init: collect(&self.init),
            containers: collect(&self.main),
            sandbox: true,
            since: Some(self.since),
            overdue: self.overdue,
        };
        if let Some(written) = &self.written {
            keep_own_conditions(&mut pod, written);
        }
        let status = status::status(&pod, &seen, &self.scope.placement(), Timestamp::now());
        if self.written.as_ref() == Some(&status) {
            return;
        }
        let patch = serde_json::json!({"metadata": {"uid": pod.uid()}, "status": status});
        let params = PatchParams { field_manager: Some("kubelet".to_owned()), ..PatchParams::default() };
        match self.api().patch_status(&pod.name_any(), &params, &Patch::Merge(patch)).await {
            Ok(_) => self.written = Some(status),
            Err(error) if is_gone(&error) => {}
            Err(error) => {
                tracing::warn!(pod = pod.name_any(), %error, "failed to write the status of a pod");
            }
        }
    }

    /// Tells the API server that nothing of the pod is left.
    async fn delete(&mut self) {
        self.write_status().await;
        let pod = self.scope.object();
        let preconditions = Preconditions { uid: pod.uid(), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }.grace_period(0);
        if let Err(error) = self.api().delete(&pod.name_any(), &params).await
            && !is_gone(&error)
        {
            tracing::warn!(pod = pod.name_any(), %error, "failed to remove a pod that has ended");
        }
    }

    fn api(&self) -> Api<Pod> {
        Api::namespaced(self.scope.node.client.clone(), &self.scope.object().namespace().unwrap_or_default())
    }
}

/// Runs the containers in their order; ends when all have ended for good.
async fn live(scope: &Scope, cast: Cast, mut mounted: watch::Receiver<bool>) {
    tokio::select! {
        () = scope.stop.cancelled() => return,
        Ok(_) = mounted.wait_for(|mounted| *mounted) => {}
    }
    // Restartable init containers run beside the others, until those have ended.
    let mut sidecars = FuturesUnordered::new();
    for runner in cast.init {
        let is_sidecar = runner.policy == RestartPolicy::Always;
        let mut status = runner.status.subscribe();
        let run = Box::pin(runner.run());
        if is_sidecar {
            sidecars.push(run);
            tokio::select! {
                () = scope.stop.cancelled() => break,
                Ok(_) = status.wait_for(|status| status.started == Some(true)) => {}
                // A sidecar that ends before it started: only when the pod is stopped.
                _ = sidecars.next() => {}
            }
        } else {
            let mut run = run;
            let code = loop {
                tokio::select! {
                    code = &mut run => break code,
                    Some(_) = sidecars.next() => {}
                }
            };
            if code != Some(0) {
                scope.stop.cancel();
            }
        }
        if scope.stop.is_cancelled() {
            break;
        }
    }
    if !scope.stop.is_cancelled() {
        let main = join_all(cast.main.into_iter().map(Runner::run));
        tokio::pin!(main);
        loop {
            tokio::select! {
                _ = &mut main => break,
                Some(_) = sidecars.next() => {}
            }
        }
        scope.stop.cancel();
    }
    while sidecars.next().await.is_some() {}
}

/// The watch may lag behind what the node wrote itself: its own conditions count, those of others come from the object.
fn keep_own_conditions(pod: &mut Pod, written: &PodStatus) {
    let status = pod.status.get_or_insert_default();
    let conditions = status.conditions.get_or_insert_default();
    for own in written.conditions.iter().flatten() {
        let is_own =
            ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"].contains(&own.type_.as_str());
        if is_own {
            conditions.retain(|condition| condition.type_ != own.type_);
            conditions.push(own.clone());
        }
    }
}

fn is_deleted(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// The object is not there any more, or another of its name is.
fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404 || status.code == 409)
}
