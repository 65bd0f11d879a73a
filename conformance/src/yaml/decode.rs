//! A serde deserializer over [`Node`]: typed values with errors that know their place.

use std::fmt;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
    value::StrDeserializer,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::Value;

use super::node::{Key, Node, NodeValue};
use crate::diagnostic::{Position, did_you_mean};

/// Why a node is not the value that was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// The innermost place that is known.
    pub at: Option<Position>,
    /// What is wrong.
    pub message: String,
}

impl DecodeError {
    fn located(mut self, at: Position) -> Self {
        self.at.get_or_insert(at);
        self
    }
}

/// A message about a place inside a value, for `custom` errors: serde carries nothing but text.
///
/// It is written as `LINE:COLUMN: message`, which [`DecodeError`] reads back.
#[derive(Debug)]
pub struct Placed {
    /// The place.
    pub at: Position,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Placed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.at, self.message)
    }
}

impl Placed {
    fn read(text: &str) -> Option<Self> {
        let (line, rest) = text.split_once(':')?;
        let (column, message) = rest.split_once(": ")?;
        let at = Position { line: line.parse().ok()?, column: column.parse().ok()? };
        Some(Self { at, message: message.to_owned() })
    }
}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        match Placed::read(&text) {
            Some(Placed { at, message }) => Self { at: Some(at), message },
            None => Self { at: None, message: text },
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let hint = did_you_mean(field, expected.iter().copied());
        let known = if hint.is_empty() { format!("; known here: {}", expected.join(", ")) } else { hint };
        Self::custom(format!("unknown key `{field}`{known}"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = did_you_mean(variant, expected.iter().copied());
        Self::custom(format!("`{variant}` is not one of {}{hint}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("the key `{field}` is missing"))
    }
}

/// Decodes a node.
pub fn decode<T: DeserializeOwned>(node: &Node) -> Result<T, DecodeError> {
    T::deserialize(node)
}

/// The name by which [`Located`] asks the deserializer for the place of its value.
const LOCATED: &str = "$located";

/// A value together with where it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub at: Position,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LocatedVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for LocatedVisitor<T> {
            type Value = Located<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value with its place")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Located<T>, A::Error> {
                let missing = || de::Error::custom("a place has three parts");
                let line = parts.next_element()?.ok_or_else(missing)?;
                let column = parts.next_element()?.ok_or_else(missing)?;
                let value = parts.next_element()?.ok_or_else(missing)?;
                Ok(Located { value, at: Position { line, column } })
            }
        }

        deserializer.deserialize_newtype_struct(LOCATED, LocatedVisitor(std::marker::PhantomData))
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.value {
            NodeValue::Text(text) => visitor.visit_borrowed_str(text),
            NodeValue::Scalar(scalar) => visit_scalar(scalar, visitor),
            NodeValue::List(items) => visitor.visit_seq(Items(items.iter())),
            NodeValue::Map(entries) => visitor.visit_map(Entries { rest: entries.iter(), current: None }),
        }
        .map_err(|error| error.located(self.at))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.value {
            NodeValue::Scalar(Value::Null) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name == LOCATED {
            visitor.visit_seq(LocatedParts { node: self, next: 0 })
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.value {
            NodeValue::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            NodeValue::Map(entries) if entries.len() == 1 => visitor
                .visit_enum(de::value::MapAccessDeserializer::new(Entries { rest: entries.iter(), current: None })),
            _ => Err(de::Error::custom(format!("{}, where one of {} was expected", self.kind(), variants.join(", ")))),
        }
        .map_err(|error: DecodeError| error.located(self.at))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

fn visit_scalar<'de, V: Visitor<'de>>(scalar: &Value, visitor: V) -> Result<V::Value, DecodeError> {
    match scalar {
        Value::Bool(value) => visitor.visit_bool(*value),
        Value::Number(number) => {
            if let Some(value) = number.as_i64() {
                visitor.visit_i64(value)
            } else if let Some(value) = number.as_u64() {
                visitor.visit_u64(value)
            } else {
                visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN))
            }
        }
        _ => visitor.visit_unit(),
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        self.0.next().map(|node| seed.deserialize(node).map_err(|error| error.located(node.at))).transpose()
    }
}

struct Entries<'de> {
    rest: std::slice::Iter<'de, (Key, Node)>,
    current: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some((key, node)) = self.rest.next() else {
            return Ok(None);
        };
        self.current = Some(node);
        let name: StrDeserializer<'_, DecodeError> = key.name.as_str().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|error| error.located(key.at))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let node = self.current.take().ok_or_else(|| de::Error::custom("a value without its key"))?;
        seed.deserialize(node).map_err(|error| error.located(node.at))
    }
}

struct LocatedParts<'de> {
    node: &'de Node,
    next: u8,
}

impl<'de> SeqAccess<'de> for LocatedParts<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        self.next += 1;
        match self.next {
            1 => seed.deserialize(self.node.at.line.into_deserializer()).map(Some),
            2 => seed.deserialize(self.node.at.column.into_deserializer()).map(Some),
            3 => seed.deserialize(self.node).map(Some).map_err(|error| error.located(self.node.at)),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::super::node::parse;
    use super::*;
    use crate::diagnostic::Source;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wait {
        until: Located<String>,
        count: Option<u32>,
    }

    #[test]
    fn a_value_knows_where_it_stands() {
        let node = parse(&Source::new("a", "until: x\n")).unwrap();
        let wait: Wait = decode(&node).unwrap();
        assert_eq!(wait.until.at, Position { line: 1, column: 8 });
        assert_eq!(wait.count, None);
    }

    #[test]
    fn an_unknown_key_names_the_nearest_and_points_at_itself() {
        let node = parse(&Source::new("a", "until: x\ncuont: 1\n")).unwrap();
        let error = decode::<Wait>(&node).unwrap_err();
        assert_eq!(error.message, "unknown key `cuont` (did you mean `count`?)");
        assert_eq!(error.at, Some(Position { line: 2, column: 1 }));
    }

    #[test]
    fn a_wrong_type_points_at_the_value() {
        let node = parse(&Source::new("a", "until: x\ncount: many\n")).unwrap();
        let error = decode::<Wait>(&node).unwrap_err();
        assert_eq!(error.at, Some(Position { line: 2, column: 8 }));
    }
}
