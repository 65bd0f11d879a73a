//! MCPExternalAuthConfig: can it be used, and may it go?

mod status;
#[cfg(test)]
mod tests;
pub mod validate;

use crate::{
    controllers::{Context, ReconcileError, protection},
    runtime::{ObjectKey, conditions::now},
};

/// Keeps an auth config while entries refer to it.
const FINALIZER: &str = "mcpexternalauthconfig.toolhive.stacklok.dev/finalizer";

pub(super) async fn reconcile(context: &Context, key: &ObjectKey) -> Result<(), ReconcileError> {
    let (config, referrers) = {
        let observed = context.shared.read();
        let Some(config) = observed.auth_configs.get(key).cloned() else { return Ok(()) };
        let referrers = observed.entries.in_namespace(&key.namespace).filter(|object| {
            object.spec.external_auth_config_ref.as_ref().is_some_and(|reference| reference.name == key.name)
        });
        let names = referrers.filter_map(|object| object.metadata.name.as_ref());
        (config, names.map(|name| format!("MCPServerEntry/{name}")).collect())
    };
    let Some((config, blockers)) = protection::protect(context, config, FINALIZER, referrers).await? else {
        return Ok(());
    };
    let status = status::of(&config, &validate::problems(&config.spec), &blockers, now());
    if context.applier.status(config.as_ref(), &status).await? {
        let before = config.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        protection::tell(context, config.as_ref(), before, &status.conditions).await;
    }
    Ok(())
}
