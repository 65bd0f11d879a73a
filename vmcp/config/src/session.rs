//! Where sessions are kept, and how fast clients may call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use url::{Host, Url};

/// What the names of all keys in Redis start with, unless the configuration says otherwise.
pub const DEFAULT_KEY_PREFIX: &str = "thv:vmcp:session:";
/// The port of Redis, unless the configuration says otherwise.
const REDIS_PORT: u16 = 6379;

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

impl SessionStorage {
    /// Where Redis is: `host:port`, `host`, or a URL of scheme `redis` or, for TLS, `rediss`. Or what is wrong.
    pub fn redis_address(&self) -> Result<RedisAddress, String> {
        let text = self.address.as_deref().unwrap_or_default().trim();
        if text.is_empty() {
            return Err("required when provider is redis: host:port".to_owned());
        }
        let wrong =
            || format!("{text:?} is not an address of Redis: write it as host:port, or rediss://host:port for TLS");
        let url = if text.contains("://") { text.to_owned() } else { format!("redis://{text}") };
        let url = Url::parse(&url).map_err(|_| wrong())?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        let is_bare = matches!(url.path(), "" | "/") && url.fragment().is_none();
        let host = url.host().map(|host| match host {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        });
        match (url.scheme(), host) {
            (scheme @ ("redis" | "rediss"), Some(host)) if is_plain && is_bare && !host.is_empty() => {
                Ok(RedisAddress { tls: scheme == "rediss", host, port: url.port().unwrap_or(REDIS_PORT) })
            }
            _ => Err(wrong()),
        }
    }
}

/// Where Redis is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisAddress {
    /// Whether the connection is encrypted, and the server's certificate checked against the authorities of the system.
    pub tls: bool,
    /// Name or address of the host.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss://" } else { "" };
        if self.host.contains(':') {
            return write!(formatter, "{scheme}[{}]:{}", self.host, self.port);
        }
        write!(formatter, "{scheme}{}:{}", self.host, self.port)
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn address(text: &str) -> Result<String, String> {
        let storage = SessionStorage {
            provider: SessionProvider::Redis,
            address: Some(text.to_owned()),
            db: 0,
            key_prefix: None,
        };
        storage.redis_address().map(|address| address.to_string())
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, expected) in [
            ("redis:6379", "redis:6379"),
            ("redis.tools.svc.cluster.local:6380", "redis.tools.svc.cluster.local:6380"),
            ("redis", "redis:6379"),
            ("10.0.0.1:7000", "10.0.0.1:7000"),
            ("[::1]:7000", "[::1]:7000"),
            ("redis://redis:6379", "redis:6379"),
            ("rediss://redis.example.com", "rediss://redis.example.com:6379"),
        ] {
            assert_eq!(address(text).unwrap(), expected, "{text}");
        }
        for text in ["", " ", "redis:port", "redis:6379/1", "http://redis:80", "redis://u:p@redis:1", "a b:1", ":1"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
