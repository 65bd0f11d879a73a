//! A running container: its probes, its log and its end.

use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, ContainerStatus};
use kube::ResourceExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::scope::Scope;
use super::start::Started;
use super::termination;
use crate::controllers::events::EventType;
use crate::node::probes::{self, Kind, Report};
use crate::node::process::Signal;

/// How long the rest of the output is read after the end. A process that left its group may hold it open for ever.
const OUTPUT_AFTER_END: Duration = Duration::from_secs(1);

/// How a container ended.
#[derive(Debug)]
pub(super) struct Exit {
    pub(super) code: i32,
    pub(super) reason: &'static str,
    pub(super) message: Option<String>,
    pub(super) started: Timestamp,
    pub(super) container_id: String,
}

/// Where a container stands on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    No,
    /// Asked to end; killed at that moment.
    Asked(Instant),
    Killed,
}

/// Watches a process until it has ended; ends it when the pod is stopped, or when a probe or the `postStart` hook demands
/// it. `on_running` is called when the container counts as running: at once, or after its hook.
pub(super) async fn run(
    scope: &Scope,
    container: &Container,
    started: Started,
    status: &watch::Sender<ContainerStatus>,
    on_running: impl Fn(),
) -> Exit {
    let Started { mut process, output, log, target, container_id, timestamp } = started;
    let (reports, mut received) = mpsc::channel(8);
    let startup_done = watch::Sender::new(container.startup_probe.is_none());
    let probes = [
        (Kind::Startup, &container.startup_probe),
        (Kind::Readiness, &container.readiness_probe),
        (Kind::Liveness, &container.liveness_probe),
    ];
    let mut probing: FuturesUnordered<_> = probes
        .into_iter()
        .filter_map(|(kind, probe)| probe.clone().map(|probe| (kind, probe)))
        .map(|(kind, probe)| probes::run(kind, probe, target.clone(), startup_done.subscribe(), reports.clone()))
        .collect();

    let filled = log.fill(output);
    let lifecycle = container.lifecycle.as_ref();
    let pre_stop = lifecycle.and_then(|lifecycle| lifecycle.pre_stop.as_ref());
    let post_start = lifecycle.and_then(|lifecycle| lifecycle.post_start.as_ref());
    // Who demands the end of the container alone says how long it may take.
    let (demand, demanded) = oneshot::channel();
    let mut demand = Some(demand);
    let asked = async {
        let grace = tokio::select! {
            () = scope.stop.cancelled() => {
                let message = format!("Stopping container {}", container.name);
                scope.container_event(&container.name, EventType::Normal, "Killing", message);
                scope.grace()
            }
            Ok(grace) = demanded => grace,
        };
        let deadline = Instant::now() + grace;
        if let Some(hook) = pre_stop {
            let hook = tokio::time::timeout_at(deadline, probes::run_hook(hook, &target)).await;
            if let Ok(Err(error)) = hook {
                scope.container_event(&container.name, EventType::Warning, "FailedPreStopHook", error);
            }
        }
        deadline
    };
    let hooked = async {
        match post_start {
            Some(hook) => probes::run_hook(hook, &target).await,
            None => Ok(()),
        }
    };
    tokio::pin!(filled, asked, hooked);
    let mut is_running = post_start.is_none();
    if is_running {
        on_running();
    }
    let mut is_filled = false;
    let mut ending = Ending::No;
    let mut was_asked = false;
    let running = scope.place.begin(&container.name, target.clone());
    let pod = scope.object();
    let mut killable = scope.node.kills.enter(&pod.namespace().unwrap_or_default(), &pod.name_any(), &container.name);
    let mut out_of_memory = false;
    let code = loop {
        let deadline = match ending {
            Ending::Asked(deadline) => Some(deadline),
            Ending::No | Ending::Killed => None,
        };
        tokio::select! {
            code = process.exited() => break code,
            () = &mut filled, if !is_filled => is_filled = true,
            result = &mut hooked, if !is_running => {
                is_running = true;
                match result {
                    Ok(()) => on_running(),
                    Err(error) => {
                        let message = format!("PostStartHook failed: {error}");
                        scope.container_event(&container.name, EventType::Warning, "FailedPostStartHook", message);
                        demand_end(&mut demand, scope.grace());
                    }
                }
            }
            Some(()) = probing.next(), if is_running && demand.is_some() && ending == Ending::No => {}
            Some(report) = received.recv(), if demand.is_some() && ending == Ending::No => {
                if let Some(grace) = on_report(scope, container, report, status, &startup_done) {
                    demand_end(&mut demand, grace);
                }
            }
            deadline = &mut asked, if !was_asked => {
                was_asked = true;
                process.signal(Signal::Terminate).await;
                ending = Ending::Asked(deadline);
            }
            kill = killable.killed() => {
                process.signal(Signal::Kill).await;
                out_of_memory = kill.out_of_memory;
                ending = Ending::Killed;
            }
            () = scope.kill.cancelled(), if ending != Ending::Killed => {
                process.signal(Signal::Kill).await;
                ending = Ending::Killed;
            }
            () = sleep_until(deadline), if deadline.is_some() => {
                process.signal(Signal::Kill).await;
                ending = Ending::Killed;
            }
        }
    };
    scope.place.end(&container.name);
    // Ends what was started beside it.
    drop(running);
    if !is_filled {
        let _ = tokio::time::timeout(OUTPUT_AFTER_END, filled).await;
    }
    log.end();
    let reason = match code {
        0 => "Completed",
        _ if out_of_memory => "OOMKilled",
        _ => "Error",
    };
    let message = termination::message(&scope.folder, container, code, &log).await;
    Exit { code, reason, message, started: timestamp, container_id }
}

fn demand_end(demand: &mut Option<oneshot::Sender<Duration>>, grace: Duration) {
    if let Some(demand) = demand.take() {
        // Nobody listens when the pod is being stopped already.
        let _ = demand.send(grace);
    }
}

/// Waits for a moment; for ever when there is none.
pub(super) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Takes up what a probe told. The grace of the container when it shall end for it.
fn on_report(
    scope: &Scope,
    container: &Container,
    report: Report,
    status: &watch::Sender<ContainerStatus>,
    startup_done: &watch::Sender<bool>,
) -> Option<Duration> {
    match report {
        Report::Failed { kind, message } => {
            let message = format!("{} probe failed: {message}", kind.name());
            scope.container_event(&container.name, EventType::Warning, "Unhealthy", message);
            None
        }
        Report::Turned { kind: Kind::Startup, success: true } => {
            startup_done.send_replace(true);
            status.send_modify(|status| {
                status.started = Some(true);
                status.ready = container.readiness_probe.is_none();
            });
            scope.changed.notify_one();
            None
        }
        Report::Turned { kind: Kind::Readiness, success } => {
            status.send_modify(|status| status.ready = success);
            scope.changed.notify_one();
            None
        }
        Report::Turned { kind: Kind::Liveness, success: true } => None,
        Report::Turned { kind: kind @ (Kind::Startup | Kind::Liveness), success: false } => {
            let message = format!(
                "Container {} failed {} probe, will be restarted",
                container.name,
                kind.name().to_ascii_lowercase()
            );
            scope.container_event(&container.name, EventType::Normal, "Killing", message);
            let probe = if kind == Kind::Startup { &container.startup_probe } else { &container.liveness_probe };
            let own = probe.as_ref().and_then(|probe| probe.termination_grace_period_seconds);
            let own = own.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
            Some(own.unwrap_or_else(|| scope.grace()))
        }
    }
}
