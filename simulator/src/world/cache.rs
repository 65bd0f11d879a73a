//! How long, and for whom, clients may keep what a server lists and reads.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration;

/// Caching hints of the results that have them (2026-07-28, caching).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cache {
    /// How long a result is fresh. Absent: not at all.
    #[serde(default, deserialize_with = "duration::deserialize")]
    #[schemars(with = "duration::Written")]
    pub ttl: Duration,
    /// Who may share it.
    #[serde(default)]
    pub scope: CacheScope,
}

/// Who may share a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CacheScope {
    /// Whoever has the same access token.
    #[default]
    Private,
    /// Everybody.
    Public,
}
