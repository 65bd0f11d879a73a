//! Configurations: kinds that others refer to, and of which nothing is made. Can an object be used, and may it go?
//!
//! One controller serves them all; a kind says what is wrong with its spec.

pub(super) mod protection;
mod status;

use k8s_openapi::jiff::Timestamp;
use kube::core::object::{HasSpec, HasStatus};
use operator_api::{Condition, ConfigCondition, ConfigStatus, find_condition, is_true};
use serde::Serialize;

use super::{Context, ReconcileError};
use crate::runtime::{ObjectKey, Target, apply::Writable, conditions::now, index::Referent, observed::Reconciled};

pub(super) use status::{Reasons, of};

/// A kind that others refer to, and of which nothing is made.
pub(super) trait Configuration:
    Writable + Reconciled + HasSpec<Spec: Serialize> + HasStatus<Status: Serialize>
{
    /// Keeps an object while others refer to it.
    const FINALIZER: &'static str;

    /// The condition that says whether an object can be used.
    const USABLE: &'static str;

    /// What the status says, while `referrers` refer to the object.
    fn judge(&self, referrers: &[Target], now: Timestamp) -> Self::Status;

    /// The conditions of `status`.
    fn conditions(status: &Self::Status) -> &[Condition];

    /// The conditions that the object has.
    fn live_conditions(&self) -> &[Condition] {
        self.status().map(Self::conditions).unwrap_or_default()
    }
}

/// Why an object with this status is not Valid, if so.
pub(super) fn problem(status: Option<&ConfigStatus>) -> Option<String> {
    let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
    denied(conditions, ConfigCondition::Valid.as_str())
}

/// Why the object cannot be used, if so.
pub(super) fn unusable<K: Configuration>(config: &K) -> Option<String> {
    denied(config.live_conditions(), K::USABLE)
}

/// Why `conditions` do not say that `usable` holds, if so.
fn denied(conditions: &[Condition], usable: &str) -> Option<String> {
    match find_condition(conditions, usable) {
        _ if is_true(conditions, usable) => None,
        Some(condition) => Some(condition.message.clone()),
        None => Some("it has not been checked yet".to_owned()),
    }
}

/// Says in the status of the object `key` whether it can be used, and keeps it while others refer to it.
pub(super) async fn reconcile<K: Configuration>(context: &Context, key: &ObjectKey) -> Result<(), ReconcileError> {
    let (config, referrers) = {
        let observed = context.shared.read();
        let Some(config) = K::cache(&observed).get(key).cloned() else { return Ok(()) };
        (config, observed.referrers(Referent::Ours(K::KIND), key))
    };
    let Some(config) = protection::protect(context, config, !referrers.is_empty()).await? else {
        return Ok(());
    };
    let status = config.judge(&referrers, now());
    if context.applier.status(config.as_ref(), &status).await? {
        protection::tell(context, config.as_ref(), K::conditions(&status)).await;
    }
    Ok(())
}
