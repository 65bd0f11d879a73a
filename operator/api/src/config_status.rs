//! The status that the configuration kinds share, and its conditions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Condition, conditions::names};

/// Whether a configuration can be used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Hash of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_hash: Option<String>,
    /// What was observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

names! {
    /// Condition types of configurations.
    ConfigCondition {
        /// The spec can be used.
        Valid,
        /// The object is being deleted, and something still refers to it.
        DeletionBlocked,
    }
}

names! {
    /// Condition reasons of configurations. An MCPOIDCConfig says ConfigValid and ConfigInvalid where the others say
    /// ValidationSucceeded and ValidationFailed.
    ConfigReason {
        /// Valid is True.
        ValidationSucceeded,
        /// Valid is False.
        ValidationFailed,
        /// Valid is True.
        ConfigValid,
        /// Valid is False.
        ConfigInvalid,
        /// DeletionBlocked is True.
        ReferencedByWorkloads,
    }
}
