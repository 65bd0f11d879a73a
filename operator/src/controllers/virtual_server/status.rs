//! What the status of a VirtualMCPServer says: from its checks, its Deployment, and what its gateway wrote.

use k8s_openapi::jiff::Timestamp;
use operator_api::{
    BackendStatus, VirtualMCPServer, VirtualMCPServerStatus, VirtualServerCondition, VirtualServerPhase,
    VirtualServerReason,
};

use super::{build, validate::Verdict};
use crate::{
    controllers::workload::replicas::Replicas,
    runtime::{ObjectKey, conditions::Conditions},
};

/// Phase, reason and message of a gateway.
type State = (VirtualServerPhase, VirtualServerReason, String);

/// The operator's part of the status of `server`. `refused` is what the API server said when it refused an object.
pub fn of(
    server: &VirtualMCPServer,
    verdict: &Verdict,
    deployment: Option<&Replicas>,
    refused: Option<&str>,
    now: Timestamp,
) -> VirtualMCPServerStatus {
    let live = server.status.clone().unwrap_or_default();
    let mut conditions = Conditions::new(&live.conditions, server.metadata.generation, now);
    for check in &verdict.checks {
        conditions.set(check.kind, check.holds, check.reason, check.message.clone());
    }
    for notice in &verdict.notices {
        conditions.set(notice.kind.clone(), notice.holds, notice.reason, notice.message.clone());
    }
    let (phase, reason, message) = match (&verdict.gateway, refused) {
        (None, _) => {
            let failures: Vec<_> = verdict.checks.iter().filter(|check| !check.holds).collect();
            let reason = failures.first().map_or(VirtualServerReason::DeploymentNotReady, |check| check.reason);
            let messages: Vec<_> = failures.iter().map(|check| check.message.as_str()).collect();
            (verdict.phase(), reason, messages.join("; "))
        }
        (Some(_), Some(refused)) => {
            (VirtualServerPhase::Failed, VirtualServerReason::DeploymentFailed, format!("failed to {refused}"))
        }
        (Some(gateway), None) if gateway.replicas == Some(0) => (
            VirtualServerPhase::Pending,
            VirtualServerReason::DeploymentNotReady,
            "There is no pod, as spec.replicas says".to_owned(),
        ),
        (Some(_), None) => running(&live, deployment),
    };
    let ready = phase == VirtualServerPhase::Ready;
    conditions.set(VirtualServerCondition::Ready, ready, reason, message.clone());
    VirtualMCPServerStatus {
        observed_generation: server.metadata.generation,
        phase: Some(phase),
        message: Some(message),
        url: if verdict.gateway.is_some() { Some(build::url(&ObjectKey::of(server))) } else { live.url },
        oidc_config_hash: verdict.oidc_hash.clone(),
        authz_config_hash: verdict.authz_hash.clone(),
        telemetry_config_hash: verdict.telemetry_hash.clone(),
        conditions: conditions.finish(),
        ..VirtualMCPServerStatus::default()
    }
}

/// The state of a gateway whose objects are written. What it says of its backends counts only while it serves.
fn running(live: &VirtualMCPServerStatus, deployment: Option<&Replicas>) -> State {
    let deployment = deployment.cloned().unwrap_or_default();
    if deployment.ready == 0 {
        return match deployment.failure {
            Some(failure) => (
                VirtualServerPhase::Failed,
                VirtualServerReason::DeploymentFailed,
                format!("No pod of the gateway serves: {failure}"),
            ),
            None => (
                VirtualServerPhase::Pending,
                VirtualServerReason::DeploymentNotReady,
                "No pod of the gateway is ready yet".to_owned(),
            ),
        };
    }
    let served = live.phase == Some(VirtualServerPhase::Ready);
    let Some(backends) = &live.discovered_backends else {
        return if served { serving(0) } else { unchecked("The gateway has not named its backends yet".to_owned()) };
    };
    let named = |statuses: &[BackendStatus]| -> Vec<&str> {
        let found = backends.iter().filter(|backend| statuses.contains(&BackendStatus::of(backend)));
        found.map(|backend| backend.name.as_str()).collect()
    };
    let unknown = named(&[BackendStatus::Unknown]);
    if !served && !unknown.is_empty() && unknown.len() == backends.len() {
        return unchecked(format!("No backend was checked yet: {}", unknown.join(", ")));
    }
    let failing = named(&[BackendStatus::Unavailable]);
    let weak = named(&[BackendStatus::Unavailable, BackendStatus::Degraded]);
    if !failing.is_empty() && failing.len() == backends.len() {
        return (
            VirtualServerPhase::Failed,
            VirtualServerReason::BackendsUnavailable,
            format!("No backend answers: {}", failing.join(", ")),
        );
    }
    if !weak.is_empty() {
        return (
            VirtualServerPhase::Degraded,
            VirtualServerReason::BackendsDegraded,
            format!("{} of {} backends do not answer as they should: {}", weak.len(), backends.len(), weak.join(", ")),
        );
    }
    serving(backends.len())
}

/// The state of a gateway that serves while nothing is known of its backends. One that was Ready does not come here:
/// its first backend, or a new pod that has checked none, is no reason to turn clients away.
fn unchecked(message: String) -> State {
    (VirtualServerPhase::Pending, VirtualServerReason::BackendsPending, message)
}

fn serving(backends: usize) -> State {
    let message = match backends {
        1 => "Serving 1 backend".to_owned(),
        count => format!("Serving {count} backends"),
    };
    (VirtualServerPhase::Ready, VirtualServerReason::DeploymentReady, message)
}
