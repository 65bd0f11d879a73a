//! Configurations stay while something refers to them, and events tell when they come to fail or to hold.

use std::sync::Arc;

use operator_api::{
    Condition, ConditionStatus, ConfigCondition, ConfigReason, condition_status, find_condition, is_true,
};

use super::Configuration;
use crate::{
    controllers::{Context, ReconcileError},
    runtime::{ObjectKey, Target, conditions::Conditions},
};

/// The condition of a configuration whose deletion is blocked, and the reason of the event.
const BLOCKED: &str = ConfigCondition::DeletionBlocked.as_str();

/// Keeps `object` while it is `referred` to. Returns the object as it now is; `None` when it is let go.
pub(super) async fn protect<K: Configuration>(
    context: &Context,
    object: Arc<K>,
    referred: bool,
) -> Result<Option<Arc<K>>, ReconcileError> {
    let metadata = object.meta();
    let keep = metadata.deletion_timestamp.is_none() || referred;
    let wanted = finalizers(metadata.finalizers.as_deref(), K::FINALIZER, keep);
    context.applier.finalizers(object.as_ref(), &wanted).await?;
    if !keep {
        return Ok(None);
    }
    // The write may have made a new version.
    let current = K::cache(&context.shared.read()).get(&ObjectKey::of(object.as_ref())).cloned();
    Ok(Some(current.unwrap_or(object)))
}

/// The finalizers of an object, with `finalizer` there or not.
fn finalizers(current: Option<&[String]>, finalizer: &str, wanted: bool) -> Vec<String> {
    let current = current.unwrap_or_default();
    if wanted && current.iter().any(|name| name == finalizer) {
        return current.to_vec();
    }
    let ours = wanted.then(|| finalizer.to_owned());
    current.iter().filter(|name| *name != finalizer).cloned().chain(ours).collect()
}

/// Says in `conditions` that `object`, when it is being deleted, cannot go while `referrers` refer to it.
pub(in crate::controllers) fn say<K: Configuration>(object: &K, referrers: &[Target], conditions: &mut Conditions<'_>) {
    if object.meta().deletion_timestamp.is_none() || referrers.is_empty() {
        return;
    }
    let names: Vec<_> = referrers.iter().map(|target| format!("{}/{}", target.kind, target.key.name)).collect();
    let message = format!(
        "still referred to by {}: remove the references, or those objects, and the deletion goes on",
        names.join(", ")
    );
    conditions.set(ConfigCondition::DeletionBlocked, true, ConfigReason::ReferencedByWorkloads, message);
}

/// Publishes what changed from the conditions of `object` to those `after`. Holding from the first is no news.
pub(super) async fn tell<K: Configuration>(context: &Context, object: &K, after: &[Condition]) {
    let before = object.live_conditions();
    if let Some(usable) = find_condition(after, K::USABLE) {
        let note = usable.message.as_str();
        match (condition_status(before, K::USABLE), condition_status(after, K::USABLE)) {
            (Some(ConditionStatus::False), Some(ConditionStatus::True)) => {
                context.events.normal(object, ConfigReason::ConfigValid.as_str(), "Validate", note).await;
            }
            (before, Some(ConditionStatus::False)) if before != Some(ConditionStatus::False) => {
                context.events.warning(object, ConfigReason::ConfigInvalid.as_str(), "Validate", note).await;
            }
            _ => {}
        }
    }
    if let Some(blocked) = find_condition(after, BLOCKED)
        && !is_true(before, BLOCKED)
    {
        context.events.warning(object, BLOCKED, "Delete", &blocked.message).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn other_finalizers_are_left_alone() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(finalizers(None, "ours", true), names(&["ours"]));
        assert_eq!(finalizers(Some(&names(&["a"])), "ours", true), names(&["a", "ours"]));
        assert_eq!(finalizers(Some(&names(&["ours", "a"])), "ours", true), names(&["ours", "a"]));
        assert_eq!(finalizers(Some(&names(&["ours", "a"])), "ours", false), names(&["a"]));
    }
}
