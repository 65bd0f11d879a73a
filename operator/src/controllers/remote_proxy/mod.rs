//! MCPRemoteProxy: a pod in front of a remote MCP server, with its objects.

pub mod build;
pub mod configuration;
pub mod resolve;
pub mod status;
#[cfg(test)]
mod tests;
pub mod validate;

use operator_api::{
    ConditionStatus, MCPRemoteProxy, MCPRemoteProxyStatus, ProxyCondition, ProxyPhase, ProxyReason, condition_status,
    find_condition,
};

use crate::{
    controllers::{Context, ReconcileError, Settings, workload::deployment::Deployment},
    runtime::{ObjectKey, apply::ApplyError, conditions::now, observed::OwnedKind},
};

pub(super) async fn reconcile(context: &Context, key: &ObjectKey) -> Result<(), ReconcileError> {
    let Some(proxy) = context.shared.read().remote_proxies.get(key).cloned() else {
        return Ok(());
    };
    if proxy.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let references = resolve::references(context, &proxy).await?;
    let verdict = validate::judge(&proxy, &references);
    let written = match &verdict.proxy {
        Some(plan) => write(context, plan, &context.settings).await,
        None => Ok(()),
    };
    let refused = match &written {
        Err(ApplyError::Refused { .. }) => written.as_ref().err().map(ToString::to_string),
        _ => None,
    };
    let deployment = {
        let observed = context.shared.read();
        observed.owned.of(OwnedKind::Deployment).get(key).map(|deployment| Deployment::of(deployment))
    };
    let status = status::of(&proxy, &verdict, deployment.as_ref(), refused.as_deref(), now());
    if context.applier.status(proxy.as_ref(), &status).await? {
        tell(context, &proxy, &status).await;
    }
    Ok(written?)
}

/// Writes what is missing or differs, and deletes what an earlier spec wanted.
async fn write(context: &Context, proxy: &validate::Proxy, settings: &Settings) -> Result<(), ApplyError> {
    let objects = build::objects(proxy, settings);
    for (kind, object) in &objects {
        context.applier.object(*kind, object).await?;
    }
    for (kind, name) in build::optional(&proxy.key.name) {
        let wanted = objects.iter().any(|(other, object)| *other == kind && object["metadata"]["name"] == name);
        if !wanted {
            context.applier.delete(kind, &proxy.key.sibling(name), &proxy.uid).await?;
        }
    }
    Ok(())
}

/// Publishes what came to fail, and that clients are served.
async fn tell(context: &Context, proxy: &MCPRemoteProxy, status: &MCPRemoteProxyStatus) {
    let before = proxy.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    for (kind, action) in [
        (ProxyCondition::ConfigurationValid, "ValidateSpec"),
        (ProxyCondition::PodTemplateValid, "ValidatePodTemplateSpec"),
        (ProxyCondition::GroupRefValidated, "Validate"),
        (ProxyCondition::ExternalAuthConfigValidated, "Validate"),
        (ProxyCondition::AuthServerRefValidated, "Validate"),
        (ProxyCondition::OIDCConfigRefValidated, "Validate"),
        (ProxyCondition::CABundleRefValidated, "Validate"),
        (ProxyCondition::ToolConfigValidated, "Validate"),
    ] {
        let Some(after) = find_condition(&status.conditions, kind.as_str()) else { continue };
        let known = find_condition(before, kind.as_str());
        let news = known.is_none_or(|known| known.status != after.status || known.reason != after.reason);
        if news && condition_status(&status.conditions, kind.as_str()) == Some(ConditionStatus::False) {
            context.events.warning(proxy, &after.reason, action, &after.message).await;
        }
    }
    let phase = proxy.status.as_ref().and_then(|status| status.phase);
    let message = status.message.as_deref().unwrap_or_default();
    match status.phase {
        after if after == phase => {}
        Some(ProxyPhase::Ready) => {
            context.events.normal(proxy, ProxyReason::DeploymentReady.as_str(), "Reconcile", message).await;
        }
        _ if phase == Some(ProxyPhase::Ready) => {
            let ready = find_condition(&status.conditions, ProxyCondition::Ready.as_str());
            let reason = ready.map_or("", |ready| ready.reason.as_str());
            context.events.warning(proxy, reason, "Reconcile", message).await;
        }
        _ => {}
    }
}
