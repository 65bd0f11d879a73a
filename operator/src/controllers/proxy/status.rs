//! What the status says of an object in front of whose server a proxy runs: from its checks and its pods.

use k8s_openapi::jiff::Timestamp;
use operator_api::{ProxyCondition, ProxyReason, ServerPhase};

use super::{
    Proxied,
    front::Front,
    validate::{Check, Verdict},
};
use crate::{
    controllers::workload::{pods, replicas::Replicas},
    runtime::{
        conditions::Conditions,
        observed::{Observed, OwnedKind},
    },
};

/// Whether clients are served, and why; of an MCPRemoteProxy no phase is Stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The phase.
    pub phase: ServerPhase,
    /// The reason of the condition Ready.
    pub reason: ProxyReason,
    /// Why, for people.
    pub message: String,
}

/// How the pods are that were made for an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pods {
    /// Those of the proxy.
    pub proxy: Replicas,
    /// Those of the server, where it runs in the cluster.
    pub server: Replicas,
}

impl Pods {
    /// The pods that were made for `front`.
    pub(super) fn of(observed: &Observed, front: &Front<'_>) -> Self {
        let (key, name) = (&front.key, front.key.name.as_str());
        let proxy = Replicas::known(observed, OwnedKind::Deployment, key, front.app, name);
        let server = Replicas::known(observed, OwnedKind::StatefulSet, key, pods::SERVER, name);
        Self { proxy: proxy.unwrap_or_default(), server: server.unwrap_or_default() }
    }
}

/// The status of `object`. `refused` is what the API server said when it refused something that was made for it.
pub fn of<K: Proxied>(
    object: &K,
    verdict: &Verdict<'_>,
    pods: &Pods,
    refused: Option<&str>,
    now: Timestamp,
) -> K::Status {
    let metadata = object.meta();
    let mut conditions = Conditions::new(object.live_conditions(), metadata.generation, now);
    for check in &verdict.checks {
        conditions.set(check.kind, check.holds, check.reason, check.message.clone());
    }
    let not_ready = |phase, message| State { phase, reason: ProxyReason::NotReady, message };
    let state = match (&verdict.proxy, refused) {
        _ if metadata.deletion_timestamp.is_some() => {
            not_ready(ServerPhase::Terminating, "The object is being deleted".to_owned())
        }
        (None, _) => {
            // AuthConfigured repeats what the references say.
            let failures = verdict.checks.iter().filter(|check| check.blocks());
            let failures = failures.filter(|check| check.kind != ProxyCondition::AuthConfigured);
            let messages: Vec<_> = failures.map(|check: &Check| check.message.as_str()).collect();
            not_ready(ServerPhase::Failed, format!("Validation failed: {}", messages.join("; ")))
        }
        (Some(_), Some(refused)) => {
            State { phase: ServerPhase::Failed, reason: K::NOT_SERVING, message: format!("failed to {refused}") }
        }
        (Some(_), None) => object.running(pods),
    };
    conditions.set(ProxyCondition::Ready, state.phase == ServerPhase::Ready, state.reason, state.message.clone());
    object.report(state, verdict, conditions.finish(), pods)
}
