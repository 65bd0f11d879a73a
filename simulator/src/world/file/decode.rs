//! Typed values from a tree. A failure knows the way to the value that is wrong, so that it can be shown and passed over.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, Expected, IntoDeserializer as _, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::sentence;
use super::tree::{Content, Entry, Node, Step};

/// Why a tree is not the value that was wanted.
#[derive(Debug)]
pub(super) struct Failure {
    /// The way to the wrong value, innermost step first.
    pub(super) steps: Vec<Step>,
    pub(super) reason: Reason,
    pub(super) message: String,
}

/// What kind of mistake it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The value has a wrong form.
    Value,
    /// The last step leads to a key that does not exist; perhaps another was meant.
    UnknownKey(Option<&'static str>),
    /// A mapping lacks this key.
    MissingKey(&'static str),
}

impl Failure {
    fn new(reason: Reason, message: String) -> Self {
        Self { steps: Vec::new(), reason, message }
    }

    fn below(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Reason::Value, message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a mapping".to_owned(),
            Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
            other => other.to_string(),
        };
        Self::custom(format_args!("expected {expected}, found {found}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {found}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let reason = Reason::UnknownKey(sentence::nearest(field, expected));
        Self::new(reason, sentence::unexpected("key", field, expected))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(sentence::unexpected("value", variant, expected))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Reason::MissingKey(field), sentence::missing(field))
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.content {
            Content::Null => visitor.visit_unit(),
            Content::Scalar(Value::Bool(value), _) => visitor.visit_bool(*value),
            Content::Scalar(value, _) => match (value.as_u64(), value.as_i64(), value.as_f64()) {
                (Some(value), ..) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (.., value) => visitor.visit_f64(value.unwrap_or(f64::NAN)),
            },
            Content::Text(text) => visitor.visit_borrowed_str(text),
            Content::List(items) => visitor.visit_seq(Items { items, next: 0 }),
            Content::Map(entries) => visitor.visit_map(Entries { entries, next: 0 }),
        }
    }

    /// Numbers and booleans are texts as well, as they were written.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.content {
            Content::Scalar(_, written) => visitor.visit_borrowed_str(written),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.content {
            Content::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// A key without a value holds an empty list.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.content {
            Content::Null => visitor.visit_seq(Items { items: &[], next: 0 }),
            _ => self.deserialize_any(visitor),
        }
    }

    /// A key without a value holds an empty mapping.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.content {
            Content::Null => visitor.visit_map(Entries { entries: &[], next: 0 }),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match &self.content {
            Content::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Content::Scalar(_, written) => visitor.visit_enum(written.as_str().into_deserializer()),
            Content::Map(entries) if entries.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(Entries { entries, next: 0 }))
            }
            Content::Map(entries) => Err(de::Error::custom(format_args!(
                "a mapping with {} keys, where one of {} was expected",
                entries.len(),
                sentence::list(variants)
            ))),
            _ => Err(de::Error::custom(format_args!(
                "{}, where one of {} was expected",
                self.kind(),
                sentence::list(variants)
            ))),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        tuple tuple_struct identifier ignored_any
    }
}

struct Items<'de> {
    items: &'de [Node],
    next: Step,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        let step = self.next;
        self.next += 1;
        self.items.get(step).map(|item| seed.deserialize(item).map_err(|failure| failure.below(step))).transpose()
    }
}

struct Entries<'de> {
    entries: &'de [Entry],
    next: Step,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let step = self.next;
        let Some(entry) = self.entries.get(step) else { return Ok(None) };
        self.next += 1;
        let key: StrDeserializer<'_, Failure> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|failure| {
            let reason = match failure.reason {
                Reason::Value | Reason::MissingKey(_) => Reason::UnknownKey(None),
                known @ Reason::UnknownKey(_) => known,
            };
            Failure { reason, ..failure }.below(step)
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let step = self.next.saturating_sub(1);
        let entry = self.entries.get(step).ok_or_else(|| de::Error::custom("a value was read before its key"))?;
        seed.deserialize(&entry.value).map_err(|failure| failure.below(step))
    }
}
