//! Configurations: they stay while something refers to them, and events tell when they come to fail or to hold.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use operator_api::{AuthConfigReason, ConditionStatus, condition_status, find_condition, is_true};
use sha2::{Digest, Sha256};

use super::{Context, ReconcileError};
use crate::runtime::{ObjectKey, apply::Writable, conditions::Conditions};

/// The condition that says whether a configuration can be used.
const VALID: &str = "Valid";
/// The condition of a configuration whose deletion is blocked, and the reason of the event.
const BLOCKED: &str = "DeletionBlocked";

/// Keeps `object` while `referrers`, such as `MCPServerEntry/partner`, refer to it.
///
/// Returns the object as it now is, and the referrers that block its deletion; `None` when it is let go.
pub(super) async fn protect<K: Writable>(
    context: &Context,
    object: Arc<K>,
    finalizer: &str,
    referrers: Vec<String>,
) -> Result<Option<(Arc<K>, Vec<String>)>, ReconcileError> {
    let metadata = object.meta();
    let deleting = metadata.deletion_timestamp.is_some();
    let keep = !deleting || !referrers.is_empty();
    let wanted = finalizers(metadata.finalizers.as_deref(), finalizer, keep);
    context.applier.finalizers(object.as_ref(), &wanted).await?;
    if !keep {
        return Ok(None);
    }
    // The write may have made a new version.
    let current = K::cache(&context.shared.read()).get(&ObjectKey::of(object.as_ref())).cloned();
    Ok(Some((current.unwrap_or(object), if deleting { referrers } else { Vec::new() })))
}

/// The finalizers of an object, with `finalizer` there or not.
pub(super) fn finalizers(current: Option<&[String]>, finalizer: &str, wanted: bool) -> Vec<String> {
    let current = current.unwrap_or_default();
    if wanted && current.iter().any(|name| name == finalizer) {
        return current.to_vec();
    }
    let ours = wanted.then(|| finalizer.to_owned());
    current.iter().filter(|name| *name != finalizer).cloned().chain(ours).collect()
}

/// Says in `conditions` that the object cannot go while `referrers` refer to it.
pub(super) fn blocked(conditions: &mut Conditions<'_>, kind: impl Into<&'static str>, referrers: &[String]) {
    let message = format!(
        "still referred to by {}: remove the references, or those objects, and the deletion goes on",
        referrers.join(", ")
    );
    conditions.set(kind, true, AuthConfigReason::ReferencedByWorkloads, message);
}

/// Publishes what changed from the conditions `before` to those `after`. Holding from the first is no news.
pub(super) async fn tell<K: Writable>(context: &Context, object: &K, before: &[Condition], after: &[Condition]) {
    if let Some(valid) = find_condition(after, VALID) {
        let (reason, note) = (valid.reason.as_str(), valid.message.as_str());
        match (condition_status(before, VALID), condition_status(after, VALID)) {
            (Some(ConditionStatus::False), Some(ConditionStatus::True)) => {
                context.events.normal(object, reason, "Validate", note).await;
            }
            (before, Some(ConditionStatus::False)) if before != Some(ConditionStatus::False) => {
                context.events.warning(object, reason, "Validate", note).await;
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

/// A hash of a spec: the same for the same spec, another when it changes.
pub(super) fn config_hash(spec: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(spec).unwrap_or_default();
    let digest = Sha256::digest(value.to_string());
    digest.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
