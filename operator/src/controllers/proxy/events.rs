//! What is published of a proxy: what came to fail, and that clients are served.

use operator_api::{Condition, ConditionStatus, ProxyCondition, condition_status, find_condition, is_true};

use super::Proxied;
use crate::controllers::Context;

/// The conditions that are published when they come to fail, each with what was done then.
const TOLD: [(ProxyCondition, &str); 10] = [
    (ProxyCondition::ConfigurationValid, "ValidateSpec"),
    (ProxyCondition::PodTemplateValid, "ValidatePodTemplateSpec"),
    (ProxyCondition::GroupRefValidated, "Validate"),
    (ProxyCondition::ExternalAuthConfigValidated, "Validate"),
    (ProxyCondition::AuthServerRefValidated, "Validate"),
    (ProxyCondition::OIDCConfigRefValidated, "Validate"),
    (ProxyCondition::CABundleRefValidated, "Validate"),
    (ProxyCondition::ToolConfigValidated, "Validate"),
    (ProxyCondition::AuthzConfigRefValidated, "Validate"),
    (ProxyCondition::TelemetryConfigRefValidated, "Validate"),
];

/// Publishes what changed from the conditions of `object` to those `after`.
pub(super) async fn tell<K: Proxied>(context: &Context, object: &K, after: &[Condition]) {
    let before = object.live_conditions();
    for (kind, action) in TOLD {
        let Some(found) = find_condition(after, kind.as_str()) else { continue };
        let known = find_condition(before, kind.as_str());
        let news = known.is_none_or(|known| known.status != found.status || known.reason != found.reason);
        if news && condition_status(after, kind.as_str()) == Some(ConditionStatus::False) {
            context.events.warning(object, &found.reason, action, &found.message).await;
        }
    }
    let ready = ProxyCondition::Ready.as_str();
    let Some(found) = find_condition(after, ready) else { return };
    match (is_true(before, ready), is_true(after, ready)) {
        (false, true) => context.events.normal(object, &found.reason, "Reconcile", &found.message).await,
        (true, false) => context.events.warning(object, &found.reason, "Reconcile", &found.message).await,
        _ => {}
    }
}
