//! Things that a world file writes as their name alone when there is nothing more to say.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A name, or the mapping that says more.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum NameOr<Full> {
    Name(String),
    Full(Full),
}

// Derived, it would forget where in the mapping the mistake is.
impl<'de, Full: Deserialize<'de>> Deserialize<'de> for NameOr<Full> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Forms(PhantomData))
    }
}

struct Forms<Full>(PhantomData<Full>);

impl<'de, Full: Deserialize<'de>> Visitor<'de> for Forms<Full> {
    type Value = NameOr<Full>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name, or a mapping with `name` and more")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(NameOr::Name(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Full::deserialize(MapAccessDeserializer::new(map)).map(NameOr::Full)
    }
}
