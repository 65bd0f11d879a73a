//! What the status of an OpenID provider says.

use k8s_openapi::jiff::Timestamp;
use operator_api::{MCPOIDCConfig, MCPOIDCConfigStatus, OidcConfigCondition, OidcConfigReason};

use crate::{controllers::protection, runtime::conditions::Conditions};

/// The status of `config` with these problems, while `blockers` keep it from being deleted.
pub(super) fn of(
    config: &MCPOIDCConfig,
    problems: &[String],
    blockers: &[String],
    now: Timestamp,
) -> MCPOIDCConfigStatus {
    let live = config.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let mut conditions = Conditions::new(live, config.metadata.generation, now);
    if problems.is_empty() {
        let reason = OidcConfigReason::ConfigValid;
        conditions.set(OidcConfigCondition::Valid, true, reason, "The configuration can be used");
    } else {
        let reason = OidcConfigReason::ConfigInvalid;
        conditions.set(OidcConfigCondition::Valid, false, reason, problems.join("; "));
    }
    if !blockers.is_empty() {
        protection::blocked(&mut conditions, OidcConfigCondition::DeletionBlocked, blockers);
    }
    MCPOIDCConfigStatus {
        observed_generation: config.metadata.generation,
        config_hash: Some(protection::config_hash(&config.spec)),
        conditions: conditions.finish(),
    }
}
