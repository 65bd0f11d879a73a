//! `spec.config`: the gateway's own configuration, and the keys in it that nobody knows.

use std::{borrow::Cow, ops::Deref};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;
use vmcp_config::{Config, UnknownKey, unknown_keys};

/// `spec.config`: the configuration, and the keys in it that it does not have.
///
/// The API server keeps unknown keys at this place, so the operator must find them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct GatewayConfig {
    config: Config,
    #[serde(skip)]
    unknown: Vec<UnknownKey>,
}

impl GatewayConfig {
    /// The keys that the configuration does not have.
    pub fn unknown_keys(&self) -> &[UnknownKey] {
        &self.unknown
    }
}

impl From<Config> for GatewayConfig {
    fn from(config: Config) -> Self {
        Self { config, unknown: Vec::new() }
    }
}

impl Deref for GatewayConfig {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

impl<'de> Deserialize<'de> for GatewayConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let unknown = unknown_keys(&value);
        let config = serde_json::from_value(value).map_err(D::Error::custom)?;
        Ok(Self { config, unknown })
    }
}

impl JsonSchema for GatewayConfig {
    fn schema_name() -> Cow<'static, str> {
        Config::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Config::json_schema(generator)
    }
}
