//! What the status of an auth config says.

use k8s_openapi::jiff::Timestamp;
use operator_api::{AuthConfigCondition, AuthConfigReason, MCPExternalAuthConfig, MCPExternalAuthConfigStatus};

use crate::{controllers::protection, runtime::conditions::Conditions};

/// The status of `config` with these problems, while `blockers` keep it from being deleted.
pub(super) fn of(
    config: &MCPExternalAuthConfig,
    problems: &[String],
    blockers: &[String],
    now: Timestamp,
) -> MCPExternalAuthConfigStatus {
    let live = config.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let mut conditions = Conditions::new(live, config.metadata.generation, now);
    if problems.is_empty() {
        let reason = AuthConfigReason::ValidationSucceeded;
        conditions.set(AuthConfigCondition::Valid, true, reason, "The configuration can be used");
    } else {
        let reason = AuthConfigReason::ValidationFailed;
        conditions.set(AuthConfigCondition::Valid, false, reason, problems.join("; "));
    }
    if !blockers.is_empty() {
        protection::blocked(&mut conditions, AuthConfigCondition::DeletionBlocked, blockers);
    }
    MCPExternalAuthConfigStatus {
        observed_generation: config.metadata.generation,
        config_hash: Some(protection::config_hash(&config.spec)),
        conditions: conditions.finish(),
    }
}
