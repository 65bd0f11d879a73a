//! Durations as people write them: `90s`, `5m`, `1h 30m`, or a number of seconds.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// Reads a duration from text or from whole seconds.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Written::deserialize(deserializer).map(|written| written.0)
}

/// Reads an optional duration; used with `#[serde(default)]`.
pub(crate) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<Written>::deserialize(deserializer)?.map(|written| written.0))
}

/// Reads a duration from text.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<jiff::SignedDuration>().ok();
    duration
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| format!("`{text}` is not a duration: expected something like `90s`, `5m` or `1h`"))
}

/// A duration as it is written.
pub(crate) struct Written(Duration);

impl JsonSchema for Written {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration such as `90s`, `5m` or `1h 30m`, or a number of seconds.",
            "type": ["string", "integer"],
            "minimum": 0,
        })
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DurationVisitor;

        impl Visitor<'_> for DurationVisitor {
            type Value = Written;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a duration such as `90s`, `5m` or `1h`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Written, E> {
                parse(text).map(Written).map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Written, E> {
                Ok(Written(Duration::from_secs(seconds)))
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Written, E> {
                u64::try_from(seconds)
                    .map(|seconds| Written(Duration::from_secs(seconds)))
                    .map_err(|_| E::custom(format!("`{seconds}` is not a duration: it is negative")))
            }
        }

        deserializer.deserialize_any(DurationVisitor)
    }
}
