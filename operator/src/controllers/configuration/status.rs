//! What the status of a configuration says.

use k8s_openapi::jiff::Timestamp;
use operator_api::{ConfigCondition, ConfigReason, ConfigStatus};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Configuration, protection};
use crate::runtime::{Target, conditions::Conditions};

/// How a kind calls a spec that can be used, and one that cannot.
#[derive(Debug, Clone, Copy)]
pub(in crate::controllers) struct Reasons {
    /// Nothing is wrong.
    pub(in crate::controllers) valid: ConfigReason,
    /// Something is.
    pub(in crate::controllers) invalid: ConfigReason,
}

impl Reasons {
    /// What most kinds say.
    pub(in crate::controllers) const VALIDATION: Self =
        Self { valid: ConfigReason::ValidationSucceeded, invalid: ConfigReason::ValidationFailed };
    /// What an MCPOIDCConfig says.
    pub(in crate::controllers) const CONFIG: Self =
        Self { valid: ConfigReason::ConfigValid, invalid: ConfigReason::ConfigInvalid };
}

/// The status of `config` with these problems, while `referrers` refer to it.
pub(in crate::controllers) fn of<K: Configuration>(
    config: &K,
    problems: &[String],
    reasons: Reasons,
    referrers: &[Target],
    now: Timestamp,
) -> ConfigStatus {
    let generation = config.meta().generation;
    let mut conditions = Conditions::new(config.live_conditions(), generation, now);
    if problems.is_empty() {
        conditions.set(ConfigCondition::Valid, true, reasons.valid, "The configuration can be used");
    } else {
        conditions.set(ConfigCondition::Valid, false, reasons.invalid, problems.join("; "));
    }
    protection::say(config, referrers, &mut conditions);
    ConfigStatus {
        observed_generation: generation,
        config_hash: Some(config_hash(config.spec())),
        conditions: conditions.finish(),
    }
}

/// A hash of a spec: the same for the same spec, another when it changes.
fn config_hash(spec: &impl Serialize) -> String {
    let value = serde_json::to_value(spec).unwrap_or_default();
    let digest = Sha256::digest(value.to_string());
    digest.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_hash_changes_with_the_spec_alone() {
        let hash = config_hash(&json!({"audience": "a"}));
        assert_eq!(hash, config_hash(&json!({"audience": "a"})));
        assert_ne!(hash, config_hash(&json!({"audience": "b"})));
        assert_eq!(hash.len(), 16);
    }
}
