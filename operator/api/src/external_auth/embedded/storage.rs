//! Where an authorization server keeps clients, codes and tokens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vmcp_config::Duration;

use crate::SecretKeyReference;

/// Where clients, codes and tokens are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthServerStorage {
    /// The kind of storage.
    #[serde(default, rename = "type")]
    pub kind: AuthServerStorageType,
    /// For type redis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisStorage>,
}

/// The kind of storage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AuthServerStorageType {
    /// The memory of one pod.
    #[default]
    Memory,
    /// Redis, shared by all pods.
    Redis,
}

/// How Redis is reached: at an address, or through Sentinel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "set addr or sentinelConfig, exactly one of them",
        "rule": "(has(self.addr) && self.addr.size() > 0) != has(self.sentinelConfig)"
    },
    {
        "message": "clusterMode takes addr",
        "rule": "!(has(self.clusterMode) && self.clusterMode) || (has(self.addr) && self.addr.size() > 0)"
    }
]))]
pub struct RedisStorage {
    /// Host and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addr: Option<String>,
    /// Whether the address is one of a Redis Cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_mode: Option<bool>,
    /// How Sentinel is asked for the master.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentinel_config: Option<Sentinel>,
    /// Who the authorization server is to Redis.
    pub acl_user_config: AclUser,
    /// Connects to Redis with TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<RedisTls>,
    /// Connects to Sentinel with TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentinel_tls: Option<RedisTls>,
    /// How long connecting may take.
    #[serde(default = "default_dial_timeout")]
    pub dial_timeout: Duration,
    /// How long reading may take.
    #[serde(default = "default_read_timeout")]
    pub read_timeout: Duration,
    /// How long writing may take.
    #[serde(default = "default_write_timeout")]
    pub write_timeout: Duration,
}

/// A user of Redis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AclUser {
    /// Where the name is; the password alone is sent when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_secret_ref: Option<SecretKeyReference>,
    /// Where the password is.
    pub password_secret_ref: SecretKeyReference,
}

/// How a server is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisTls {
    /// Certificate authorities to trust; those of the system when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_cert_secret_ref: Option<SecretKeyReference>,
    /// Accepts any certificate; for tests only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure_skip_verify: Option<bool>,
}

/// How Sentinel is asked for the master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sentinel {
    /// Name of the master.
    pub master_name: String,
    /// Host and port of each Sentinel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub sentinel_addrs: Option<Vec<String>>,
    /// The Service of the Sentinels; instead of sentinelAddrs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentinel_service: Option<SentinelService>,
    /// Database of Redis.
    #[serde(default)]
    pub db: i32,
}

/// Names the Service of the Sentinels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SentinelService {
    /// Name of the Service.
    pub name: String,
    /// Namespace of the Service; that of the object when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Port of the Service.
    #[serde(default = "default_port")]
    pub port: i32,
}

const fn default_dial_timeout() -> Duration {
    Duration::from_secs(5)
}

const fn default_read_timeout() -> Duration {
    Duration::from_secs(3)
}

const fn default_write_timeout() -> Duration {
    Duration::from_secs(3)
}

const fn default_port() -> i32 {
    26379
}
