//! MCPServerEntry: may gateways use it? Nothing is created for an entry.

pub mod resolve;
mod status;
#[cfg(test)]
mod tests;
pub mod validate;

use operator_api::{EntryPhase, MCPServerEntry};

use crate::{
    controllers::{Context, ReconcileError},
    runtime::{ObjectKey, conditions::now},
};

pub(super) async fn reconcile(context: &Context, key: &ObjectKey) -> Result<(), ReconcileError> {
    let Some(entry) = context.shared.read().entries.get(key).cloned() else {
        return Ok(());
    };
    let references = resolve::references(context, &entry).await?;
    let checks = validate::checks(&entry.spec, &references);
    let status = status::of(&entry, &checks, now());
    if context.applier.status(entry.as_ref(), &status).await? {
        tell(context, &entry, status.phase, &checks).await;
    }
    Ok(())
}

/// Publishes an event when the phase changed.
async fn tell(context: &Context, entry: &MCPServerEntry, phase: Option<EntryPhase>, checks: &validate::Checks) {
    let before = entry.status.as_ref().and_then(|status| status.phase);
    if before == phase {
        return;
    }
    match phase {
        Some(EntryPhase::Failed) => {
            for failure in checks.failures() {
                context.events.warning(entry, failure.reason.as_str(), "Validate", &failure.message).await;
            }
        }
        Some(EntryPhase::Valid) if before == Some(EntryPhase::Failed) => {
            let reason = operator_api::EntryReason::ConfigValid.as_str();
            context.events.normal(entry, reason, "Validate", "The entry can be used again").await;
        }
        _ => {}
    }
}
