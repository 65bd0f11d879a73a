//! VirtualMCPServer: a gateway's objects, and what they and the gateway itself say about it.

pub mod build;
pub mod configuration;
pub mod resolve;
pub mod status;
#[cfg(test)]
mod tests;
pub mod validate;

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use operator_api::{
    VirtualMCPServer, VirtualMCPServerStatus, VirtualServerCondition, VirtualServerPhase, find_condition,
};

use crate::{
    controllers::{
        Context, ReconcileError,
        workload::{deployment::Deployment, pods},
    },
    runtime::{
        ObjectKey,
        apply::ApplyError,
        conditions::now,
        observed::{Observed, OwnedKind},
    },
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
    let refused = match &written {
        Err(ApplyError::Refused { .. }) => written.as_ref().err().map(ToString::to_string),
        _ => None,
    };
    let deployment = deployment(&context.shared.read(), key);
    let status = status::of(&server, &verdict, deployment.as_ref(), refused.as_deref(), now());
    if context.applier.status(server.as_ref(), &status).await? {
        tell(context, &server, &status).await;
    }
    Ok(written?)
}

/// Writes what is missing or differs, in the order in which the objects need each other.
async fn write(context: &Context, gateway: &validate::Gateway) -> Result<(), ApplyError> {
    for (kind, object) in build::objects(gateway, &context.settings) {
        context.applier.object(kind, &object).await?;
    }
    for (kind, key) in build::obsolete(gateway) {
        context.applier.delete(kind, &key, &gateway.uid).await?;
    }
    Ok(())
}

/// How the pods of the gateway `key` are.
fn deployment(observed: &Observed, key: &ObjectKey) -> Option<Deployment> {
    let object = observed.owned.of(OwnedKind::Deployment).get(&key.sibling(build::name(&key.name)))?;
    let of_gateway = |pod: &&Arc<Pod>| build::gateway_of(pod.as_ref()).as_deref() == Some(key.name.as_str());
    let pods = observed.pods.in_namespace(&key.namespace).filter(of_gateway);
    let mut deployment = Deployment::of(object);
    // What the pods say is more, and sooner, than what the Deployment does.
    deployment.failure = pods::failure(pods.map(AsRef::as_ref)).or(deployment.failure);
    Some(deployment)
}

/// Publishes an event when the phase changed.
async fn tell(context: &Context, server: &VirtualMCPServer, status: &VirtualMCPServerStatus) {
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
