//! Deletion protection: a configuration stays while something refers to it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use operator_api::{AuthConfigReason, ConditionStatus, condition_status};

use crate::runtime::conditions::Conditions;

/// The finalizers of an object, with `finalizer` there or not.
pub(super) fn finalizers(current: Option<&[String]>, finalizer: &str, wanted: bool) -> Vec<String> {
    let others = current.unwrap_or_default().iter().filter(|name| *name != finalizer).cloned();
    let present = current.unwrap_or_default().iter().any(|name| name == finalizer);
    match (wanted, present) {
        (true, true) => current.unwrap_or_default().to_vec(),
        (true, false) => others.chain([finalizer.to_owned()]).collect(),
        (false, _) => others.collect(),
    }
}

/// Says in `conditions` that the object cannot go while `referrers`, such as `MCPServerEntry/partner`, refer to it.
pub(super) fn blocked(conditions: &mut Conditions<'_>, kind: impl Into<&'static str>, referrers: &[String]) {
    let message = format!(
        "still referred to by {}: remove the references, or those objects, and the deletion goes on",
        referrers.join(", ")
    );
    conditions.set(kind, true, AuthConfigReason::ReferencedByWorkloads, message);
}

/// How the condition `kind` changed from one status to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    /// It came to hold.
    Holds,
    /// It came not to hold.
    Fails,
    /// It says what it said.
    None,
}

/// How the condition `kind` changes from `before` to `after`. Holding from the first is no news.
pub(super) fn transition(before: &[Condition], after: &[Condition], kind: &str) -> Transition {
    match (condition_status(before, kind), condition_status(after, kind)) {
        (Some(ConditionStatus::False), Some(ConditionStatus::True)) => Transition::Holds,
        (before, Some(ConditionStatus::False)) if before != Some(ConditionStatus::False) => Transition::Fails,
        _ => Transition::None,
    }
}

/// The reason of the event that tells of a blocked deletion.
pub(super) const EVENT: &str = "DeletionBlocked";

/// A hash of a spec: the same for the same spec, another when it changes.
pub(super) fn config_hash(spec: &impl serde::Serialize) -> String {
    use sha2::{Digest, Sha256};
    // A value of JSON has its keys in order, so that the text depends on nothing but the spec.
    let value = serde_json::to_value(spec).unwrap_or_default();
    let digest = Sha256::digest(value.to_string());
    digest.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
