//! MCPOIDCConfig: can it be used, and may it go?

mod status;
#[cfg(test)]
mod tests;
pub mod validate;

use operator_api::{OidcConfigCondition, OidcConfigReason, is_true};

use super::protection::{self, Transition, finalizers, transition};
use crate::{
    controllers::{Context, ReconcileError},
    runtime::{ObjectKey, conditions::now},
};

/// Keeps a provider while VirtualMCPServers refer to it.
const FINALIZER: &str = "mcpoidcconfig.toolhive.stacklok.dev/finalizer";

pub(super) async fn reconcile(context: &Context, key: &ObjectKey) -> Result<(), ReconcileError> {
    let (config, referrers) = {
        let observed = context.shared.read();
        let Some(config) = observed.oidc_configs.get(key).cloned() else {
            return Ok(());
        };
        let refers = observed.virtual_servers.in_namespace(&key.namespace).filter(|server| {
            server.spec.incoming_auth.oidc_config_ref.as_ref().is_some_and(|reference| reference.name == key.name)
        });
        let names = refers.filter_map(|server| server.metadata.name.as_ref());
        (config, names.map(|name| format!("VirtualMCPServer/{name}")).collect::<Vec<_>>())
    };
    let deleting = config.metadata.deletion_timestamp.is_some();
    let protect = !deleting || !referrers.is_empty();
    let wanted = finalizers(config.metadata.finalizers.as_deref(), FINALIZER, protect);
    context.applier.finalizers(config.as_ref(), &wanted).await?;
    if deleting && !protect {
        return Ok(());
    }
    // The write above may have made a new version.
    let config = context.shared.read().oidc_configs.get(key).cloned().unwrap_or(config);
    let blockers = if deleting { referrers } else { Vec::new() };
    let status = status::of(&config, validate::problems(&config.spec), &blockers, now());
    if context.applier.status(config.as_ref(), &status).await? {
        let before = config.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let (valid, blocked) = (OidcConfigCondition::Valid.as_str(), OidcConfigCondition::DeletionBlocked.as_str());
        let note = |kind| operator_api::find_condition(&status.conditions, kind).map_or("", |c| c.message.as_str());
        match transition(before, &status.conditions, valid) {
            Transition::Fails => {
                let reason = OidcConfigReason::ConfigInvalid.as_str();
                context.events.warning(config.as_ref(), reason, "Validate", note(valid)).await;
            }
            Transition::Holds => {
                let reason = OidcConfigReason::ConfigValid.as_str();
                context.events.normal(config.as_ref(), reason, "Validate", note(valid)).await;
            }
            Transition::None => {}
        }
        if is_true(&status.conditions, blocked) && !is_true(before, blocked) {
            context.events.warning(config.as_ref(), protection::EVENT, "Delete", note(blocked)).await;
        }
    }
    Ok(())
}
