//! Where sessions are kept, and how fast clients may call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where sessions are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionStorage {
    /// The kind of storage.
    pub provider: SessionProvider,
    /// `host:port` of Redis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Database of Redis.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub db: i32,
    /// Prefix of every key; ends with a colon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_prefix: Option<String>,
}

/// The kind of storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SessionProvider {
    /// The memory of one replica.
    Memory,
    /// Redis, shared by all replicas.
    Redis,
}

/// Limits on the rate of calls.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "message": "at least one of shared, perUser, or tools must be configured",
    "rule": "has(self.shared) || has(self.perUser) || (has(self.tools) && size(self.tools) > 0)"
}]))]
pub struct RateLimiting {
    /// For all users together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<RateLimit>,
    /// For each user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_user: Option<RateLimit>,
    /// For single tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub tools: Option<Vec<ToolRateLimit>>,
}

/// A token bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Size of the bucket.
    #[schemars(range(min = 1))]
    pub max_tokens: i32,
    /// Time in which an empty bucket fills.
    pub refill_period: String,
}

/// Limits of one tool.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "message": "at least one of shared or perUser must be configured",
    "rule": "has(self.shared) || has(self.perUser)"
}]))]
pub struct ToolRateLimit {
    /// Name of the tool as clients see it.
    #[schemars(length(min = 1))]
    pub name: String,
    /// For all users together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<RateLimit>,
    /// For each user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_user: Option<RateLimit>,
}
