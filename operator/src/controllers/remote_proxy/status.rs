//! What the status of an MCPRemoteProxy says: from its checks and its Deployment.

use k8s_openapi::jiff::Timestamp;
use operator_api::{MCPRemoteProxy, MCPRemoteProxyStatus, ProxyCondition, ProxyPhase, ProxyReason};

use super::{
    build,
    validate::{Check, Verdict},
};
use crate::{
    controllers::workload::deployment::Deployment,
    runtime::{ObjectKey, conditions::Conditions},
};

/// The status of `proxy`. `refused` is what the API server said when it refused an object.
pub fn of(
    proxy: &MCPRemoteProxy,
    verdict: &Verdict,
    deployment: Option<&Deployment>,
    refused: Option<&str>,
    now: Timestamp,
) -> MCPRemoteProxyStatus {
    let live = proxy.status.clone().unwrap_or_default();
    let mut conditions = Conditions::new(&live.conditions, proxy.metadata.generation, now);
    for check in &verdict.checks {
        conditions.set(check.kind, check.holds, check.reason, check.message.clone());
    }
    let (phase, reason, message) = match (&verdict.proxy, refused) {
        (None, _) => {
            // AuthConfigured repeats what the references say.
            let failures = verdict.checks.iter().filter(|check| check.blocks());
            let failures = failures.filter(|check| check.kind != ProxyCondition::AuthConfigured);
            let messages: Vec<_> = failures.map(|check: &Check| check.message.as_str()).collect();
            let message = format!("Validation failed: {}", messages.join("; "));
            (ProxyPhase::Failed, ProxyReason::NotReady, message)
        }
        (Some(_), Some(refused)) => {
            (ProxyPhase::Failed, ProxyReason::DeploymentNotReady, format!("failed to {refused}"))
        }
        (Some(_), None) => running(deployment.cloned().unwrap_or_default(), proxy.spec.replicas),
    };
    conditions.set(ProxyCondition::Ready, phase == ProxyPhase::Ready, reason, message.clone());
    let url = || build::url(&ObjectKey::of(proxy), proxy.spec.proxy_port);
    MCPRemoteProxyStatus {
        observed_generation: proxy.metadata.generation,
        phase: Some(phase),
        message: Some(message),
        url: if verdict.proxy.is_some() { Some(url()) } else { live.url },
        oidc_config_hash: verdict.oidc_hash.clone(),
        tool_config_hash: verdict.tools_hash.clone(),
        external_auth_config_hash: verdict.auth_hash.clone(),
        auth_server_config_hash: verdict.auth_server_hash.clone(),
        conditions: conditions.finish(),
        ..MCPRemoteProxyStatus::default()
    }
}

/// The state of a proxy whose objects are written.
fn running(deployment: Deployment, replicas: Option<i32>) -> (ProxyPhase, ProxyReason, String) {
    if deployment.ready > 0 {
        return (ProxyPhase::Ready, ProxyReason::DeploymentReady, "The proxy serves clients".to_owned());
    }
    let (phase, message) = match (deployment.failure, replicas) {
        (Some(failure), _) => (ProxyPhase::Failed, format!("No pod of the proxy serves: {failure}")),
        (None, Some(0)) => (ProxyPhase::Pending, "No pod of the proxy is wanted: replicas is 0".to_owned()),
        (None, _) => (ProxyPhase::Pending, "No pod of the proxy is ready yet".to_owned()),
    };
    (phase, ProxyReason::DeploymentNotReady, message)
}
