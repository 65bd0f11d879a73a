//! What the status of an entry says.

use k8s_openapi::jiff::Timestamp;
use operator_api::{EntryCondition, EntryPhase, EntryReason, MCPServerEntry, MCPServerEntryStatus};

use super::validate::{Check, Checks};
use crate::runtime::conditions::Conditions;

/// The status of `entry` after these checks.
pub(super) fn of(entry: &MCPServerEntry, checks: &Checks, now: Timestamp) -> MCPServerEntryStatus {
    let live = entry.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let mut conditions = Conditions::new(live, entry.metadata.generation, now);
    let mut set = |kind: EntryCondition, check: &Check| {
        conditions.set(kind, check.holds, check.reason, check.message.clone());
    };
    set(EntryCondition::RemoteURLValidated, &checks.remote_url);
    set(EntryCondition::GroupRefValidated, &checks.group);
    set(EntryCondition::ExternalAuthConfigValidated, &checks.auth_config);
    set(EntryCondition::CABundleRefValidated, &checks.ca_bundle);
    if let Some(check) = &checks.header_secrets {
        set(EntryCondition::HeaderSecretRefsValidated, check);
    }
    let failures: Vec<_> = checks.failures().map(|failure| failure.message.as_str()).collect();
    let valid = failures.is_empty();
    if valid {
        conditions.set(EntryCondition::Valid, true, EntryReason::ConfigValid, "The entry can be used");
    } else {
        conditions.set(EntryCondition::Valid, false, EntryReason::ConfigInvalid, failures.join("; "));
    }
    MCPServerEntryStatus {
        observed_generation: entry.metadata.generation,
        phase: Some(if valid { EntryPhase::Valid } else { EntryPhase::Failed }),
        conditions: conditions.finish(),
    }
}
