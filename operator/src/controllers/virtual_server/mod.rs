//! VirtualMCPServer: a gateway's objects, and what they and the gateway itself say about it.

pub mod build;
pub mod configuration;
pub mod resolve;
pub mod status;
#[cfg(test)]
mod tests;
pub mod validate;
pub mod workloads;

use operator_api::{
    Condition, VirtualMCPServer, VirtualMCPServerStatus, VirtualServerCondition, VirtualServerPhase,
    VirtualServerReason, find_condition,
};

use crate::{
    controllers::{
        Context, ReconcileError,
        workload::{pods, replicas::Replicas, shared_sessions::SharedSessions},
    },
    runtime::{ObjectKey, apply::ApplyError, conditions::now, observed::OwnedKind},
};

pub(super) async fn reconcile(context: &Context, key: &ObjectKey) -> Result<(), ReconcileError> {
    let Some(server) = context.shared.read().virtual_servers.get(key).cloned() else {
        return Ok(());
    };
    if server.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let references = resolve::references(context, &server).await?;
    let verdict = validate::judge(&server, &references);
    let written = match &verdict.gateway {
        Some(gateway) => write(context, gateway).await,
        None => Ok(()),
    };
    let refused = written.as_ref().err().and_then(ApplyError::refusal);
    let deployment = {
        let observed = context.shared.read();
        let made = key.sibling(build::name(&key.name));
        Replicas::known(&observed, OwnedKind::Deployment, &made, pods::GATEWAY, &key.name)
    };
    let status = status::of(&server, &verdict, deployment.as_ref(), refused.as_deref(), now());
    if context.applier.status(server.as_ref(), &status).await? {
        tell(context, &server, &status).await;
    }
    Ok(written?)
}

/// Writes what is missing or differs, in the order in which the objects need each other.
async fn write(context: &Context, gateway: &validate::Gateway) -> Result<(), ApplyError> {
    let shared = gateway.shared_sessions.as_ref();
    let shared_sessions = SharedSessions::with_seal_key(shared, context, &build::owner(gateway)).await?;
    let gateway = &validate::Gateway { shared_sessions, ..gateway.clone() };
    for (kind, object) in build::objects(gateway, &context.settings) {
        context.applier.object(kind, &object).await?;
    }
    for (kind, key) in build::obsolete(gateway) {
        context.applier.delete(kind, &key, &gateway.uid).await?;
    }
    Ok(())
}

/// The condition that the policies of a ConfigMap cannot be used, when that was not so before.
fn news_of_policies<'a>(before: &[Condition], after: &'a [Condition]) -> Option<&'a Condition> {
    let kind = VirtualServerCondition::AuthConfigured.as_str();
    let found = find_condition(after, kind)?;
    let reasons = [VirtualServerReason::AuthzConfigMapNotFound, VirtualServerReason::AuthzConfigMapInvalid];
    let is_about_policies = reasons.iter().any(|reason| reason.as_str() == found.reason);
    let is_known = find_condition(before, kind).is_some_and(|known| known.reason == found.reason);
    (is_about_policies && !is_known).then_some(found)
}

/// Publishes what is unused or deprecated in a new generation, policies that cannot be used, and a changed phase.
async fn tell(context: &Context, server: &VirtualMCPServer, status: &VirtualMCPServerStatus) {
    if server.status.as_ref().and_then(|status| status.observed_generation) != status.observed_generation {
        for note in validate::unused_selections(server) {
            context.events.warning(server, "ToolSelectionUnused", "Reconcile", &note).await;
        }
        if let Some(note) = validate::deprecated_upstream(server) {
            context.events.warning(server, "AuthzPrimaryUpstreamProviderDeprecated", "Validate", note).await;
        }
    }
    let live = server.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    if let Some(condition) = news_of_policies(live, &status.conditions) {
        context.events.warning(server, &condition.reason, "ValidateAuthzConfigMap", &condition.message).await;
    }
    let before = server.status.as_ref().and_then(|status| status.phase);
    if before == status.phase {
        return;
    }
    let ready = find_condition(&status.conditions, VirtualServerCondition::Ready.as_str());
    let reason = ready.map_or("", |condition| condition.reason.as_str());
    let message = status.message.as_deref().unwrap_or_default();
    match status.phase {
        Some(VirtualServerPhase::Failed | VirtualServerPhase::Degraded) => {
            context.events.warning(server, reason, "Reconcile", message).await;
        }
        _ => context.events.normal(server, reason, "Reconcile", message).await,
    }
}
