//! One container of a pod: started, watched, restarted and stopped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use tokio::sync::watch;
use tokio::time::Instant;

use super::restart::{BackOff, RestartPolicy};
use super::run::{self, Exit};
use super::scope::Scope;
use super::start::{self, StartError};
use crate::controllers::events::EventType;

/// Keeps one container running as its policy says, until the pod is stopped or the policy is fulfilled.
pub(super) struct Runner {
    pub(super) scope: Arc<Scope>,
    pub(super) container: Container,
    pub(super) policy: RestartPolicy,
    /// An init container, which is ready when it has succeeded.
    pub(super) init: bool,
    /// What the world sees.
    pub(super) status: watch::Sender<ContainerStatus>,
}

/// The status of a container that has not started.
pub(super) fn waiting(container: &Container, reason: &str) -> ContainerStatus {
    ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        ready: false,
        started: Some(false),
        state: Some(waiting_state(reason, None)),
        ..ContainerStatus::default()
    }
}

fn waiting_state(reason: &str, message: Option<String>) -> ContainerState {
    let waiting = ContainerStateWaiting { reason: Some(reason.to_owned()), message };
    ContainerState { waiting: Some(waiting), ..ContainerState::default() }
}

/// What comes after an end.
enum Next {
    Restart { after: Duration },
    Done,
}

impl Runner {
    /// Runs until nothing is left to do; the last exit code, if there was a process.
    pub(super) async fn run(mut self) -> Option<i32> {
        let mut back_off = BackOff::new(self.scope.node.restart_back_off);
        let mut code = None;
        while !self.scope.stop.is_cancelled() {
            let begin = Instant::now();
            match start::start(&self.scope, &self.container).await {
                Ok(started) => {
                    let (id, at) = (started.container_id.clone(), started.timestamp);
                    let on_running = || self.report_running(&id, at);
                    let exit = run::run(&self.scope, &self.container, started, &self.status, on_running).await;
                    code = Some(exit.code);
                    match self.report_exit(exit, &mut back_off, begin) {
                        Next::Done => break,
                        Next::Restart { after } => self.pause(after).await,
                    }
                }
                Err(StartError::Image { image }) => {
                    self.report_missing_image(&image);
                    self.until_changed(true).await;
                }
                Err(StartError::Configuration(error)) => {
                    self.report_waiting("CreateContainerConfigError", Some(error.to_string()));
                    self.event(EventType::Warning, "Failed", format!("Error: {error}"));
                    self.until_changed(false).await;
                }
                Err(StartError::Start(message)) => {
                    self.event(EventType::Warning, "Failed", format!("Error: {message}"));
                    let exit = Exit {
                        code: 128,
                        reason: "StartError",
                        message: Some(message),
                        started: Timestamp::UNIX_EPOCH,
                        container_id: String::new(),
                    };
                    code = Some(exit.code);
                    match self.report_exit(exit, &mut back_off, begin) {
                        Next::Done => break,
                        Next::Restart { after } => self.pause(after).await,
                    }
                }
            }
        }
        code
    }

    fn event(&self, kind: EventType, reason: &'static str, message: String) {
        self.scope.container_event(&self.container.name, kind, reason, message);
    }

    fn publish(&self, change: impl FnOnce(&mut ContainerStatus)) {
        self.status.send_modify(change);
        self.scope.changed.notify_one();
    }

    fn report_waiting(&self, reason: &str, message: Option<String>) {
        self.publish(|status| status.state = Some(waiting_state(reason, message)));
    }

    fn report_running(&self, container_id: &str, at: Timestamp) {
        let image = self.container.image.clone().unwrap_or_default();
        let allocated = self.container.resources.as_ref().and_then(|resources| resources.requests.clone());
        let has_startup_probe = self.container.startup_probe.is_some();
        let has_readiness_probe = self.container.readiness_probe.is_some();
        self.publish(|status| {
            let running = ContainerStateRunning { started_at: Some(Time(at)) };
            status.state = Some(ContainerState { running: Some(running), ..ContainerState::default() });
            status.container_id = Some(container_id.to_owned());
            status.image_id.clone_from(&image);
            status.image = image;
            // Recorded, not enforced.
            status.allocated_resources.clone_from(&allocated);
            status.resources.clone_from(&self.container.resources);
            status.started = Some(!has_startup_probe);
            status.ready = !has_startup_probe && !has_readiness_probe;
        });
    }

    /// Writes the end of a process and decides what comes next.
    fn report_exit(&self, exit: Exit, back_off: &mut BackOff, begin: Instant) -> Next {
        let code = exit.code;
        let state = ContainerState {
            terminated: Some(ContainerStateTerminated {
                exit_code: code,
                reason: Some(exit.reason.to_owned()),
                message: exit.message,
                started_at: Some(Time(exit.started)),
                finished_at: Some(Time(Timestamp::now())),
                container_id: Some(exit.container_id),
                ..ContainerStateTerminated::default()
            }),
            ..ContainerState::default()
        };
        let done = self.scope.stop.is_cancelled() || !self.policy.restarts(code);
        if done {
            let completed_init = self.init && code == 0;
            self.publish(|status| {
                status.state = Some(state);
                status.ready = completed_init;
                status.started = Some(false);
            });
            return Next::Done;
        }
        let after = back_off.delay(begin);
        let pod = self.scope.object();
        let name = &self.container.name;
        let place =
            format!("{}_{}({})", pod.name_any(), pod.namespace().unwrap_or_default(), pod.uid().unwrap_or_default());
        self.publish(|status| {
            status.ready = false;
            status.started = Some(false);
            status.restart_count += 1;
            status.last_state = Some(state.clone());
            status.state = Some(if after.is_zero() {
                state
            } else {
                let message = format!("back-off {after:?} restarting failed container={name} pod={place}");
                waiting_state("CrashLoopBackOff", Some(message))
            });
        });
        if !after.is_zero() {
            let message = format!("Back-off restarting failed container {name} in pod {place}");
            self.event(EventType::Warning, "BackOff", message);
        }
        Next::Restart { after }
    }

    fn report_missing_image(&self, image: &str) {
        let known: Vec<&str> = self.scope.node.images.keys().map(String::as_str).collect();
        let message = format!(
            "failed to pull image {image:?}: this node has programs only for the images [{}]: name a program for it \
             (`cluster serve --image NAME=PROGRAM`, ClusterOptions::images)",
            known.join(", ")
        );
        if self.container.image_pull_policy.as_deref() == Some("Never") {
            let message = format!("Container image {image:?} is not present with pull policy of Never: {message}");
            self.event(EventType::Warning, "ErrImageNeverPull", message.clone());
            self.report_waiting("ErrImageNeverPull", Some(message));
            return;
        }
        self.event(EventType::Normal, "Pulling", format!("Pulling image {image:?}"));
        self.event(EventType::Warning, "Failed", message.clone());
        self.event(EventType::Warning, "Failed", "Error: ErrImagePull".to_owned());
        self.report_waiting("ErrImagePull", Some(message.clone()));
        self.event(EventType::Normal, "BackOff", format!("Back-off pulling image {image:?}"));
        self.event(EventType::Warning, "Failed", "Error: ImagePullBackOff".to_owned());
        let message = format!("Back-off pulling image {image:?}: ErrImagePull: {message}");
        self.report_waiting("ImagePullBackOff", Some(message));
    }

    async fn pause(&self, delay: Duration) {
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = self.scope.stop.cancelled() => {}
        }
    }

    /// Waits for a change after which the container may start: its image, or the objects that it refers to.
    async fn until_changed(&mut self, image: bool) {
        let scope = Arc::clone(&self.scope);
        let mut sources = scope.sources.clone();
        let mut pod = scope.pod.clone();
        let other_image = async {
            loop {
                if let Some(container) = find(&pod.borrow_and_update(), &self.container.name)
                    && container.image != self.container.image
                {
                    return container;
                }
                if pod.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = scope.stop.cancelled() => {}
            Ok(()) = sources.changed(), if !image => {}
            container = other_image => self.container = container,
        }
    }
}

/// A container of a pod, by name.
pub(super) fn find(pod: &k8s_openapi::api::core::v1::Pod, name: &str) -> Option<Container> {
    let spec = pod.spec.as_ref()?;
    let init = spec.init_containers.iter().flatten();
    spec.containers.iter().chain(init).find(|container| container.name == name).cloned()
}

/// The ports of a container by name.
pub(super) fn named_ports(container: &Container) -> BTreeMap<String, u16> {
    let ports = container.ports.iter().flatten();
    ports.filter_map(|port| Some((port.name.clone()?, u16::try_from(port.container_port).ok()?))).collect()
}
