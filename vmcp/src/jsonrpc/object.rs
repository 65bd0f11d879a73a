//! One level of a JSON object: decoded keys, raw values, in the order in which they came.

use super::{ErrorObject, ParseError, code};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// How many keys of an object are few.
const FEW: usize = 16;

/// A JSON object of which the gateway reads or replaces some keys and passes the others on.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    place: &'static str,
    fields: Vec<(Cow<'a, str>, Cow<'a, RawValue>)>,
}

impl<'a> Object<'a> {
    /// Reads an object. `owned` are the keys that the gateway acts on in this `place` (a name for messages).
    pub fn parse(value: &'a RawValue, place: &'static str, owned: &[&str]) -> Result<Self, ParseError> {
        Self::parse_text(value.get(), place, owned)
    }

    pub(super) fn parse_text(text: &'a str, place: &'static str, owned: &[&str]) -> Result<Self, ParseError> {
        let Fields(fields) = serde_json::from_str(text).map_err(|error| {
            // `is_data` is a JSON value of another type: everything else is broken JSON.
            if error.is_data() { ParseError::NotAnObject(place) } else { ParseError::NotJson }
        })?;
        let object = Self { place, fields };
        object.check_keys(owned)?;
        Ok(object)
    }

    /// An object without keys, to be filled by [`Object::with`].
    pub fn empty(place: &'static str) -> Self {
        Self { place, fields: Vec::new() }
    }

    /// The raw value of a key.
    pub fn field(&self, key: &str) -> Option<&RawValue> {
        self.fields.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_ref())
    }

    /// The value of a key, borrowed from the message itself; `None` also for a value set by [`Object::with`].
    pub fn borrowed(&self, key: &str) -> Option<&'a RawValue> {
        self.fields.iter().find(|(name, _)| name == key).and_then(|(_, value)| match value {
            Cow::Borrowed(value) => Some(*value),
            Cow::Owned(_) => None,
        })
    }

    /// The value of a key that must be a string if it is there.
    pub fn string(&self, key: &str) -> Result<Option<String>, ParseError> {
        self.typed(key, "a string")
    }

    /// The string of a key that must be there, because it names `what`.
    pub fn required(&self, key: &str, what: &str) -> Result<String, ErrorObject> {
        let absent = || {
            let message = format!("{}.{key} must name {what}", self.place);
            ErrorObject::new(code::INVALID_PARAMS, message)
        };
        self.string(key).map_err(|error| ErrorObject::from(&error))?.ok_or_else(absent)
    }

    /// The value of a key decoded as `T`, or an error that says what was `expected`.
    pub fn typed<T: for<'de> Deserialize<'de>>(
        &self,
        key: &str,
        expected: &'static str,
    ) -> Result<Option<T>, ParseError> {
        let Some(value) = self.field(key) else { return Ok(None) };
        serde_json::from_str(value.get()).map(Some).map_err(|_| ParseError::Type {
            place: self.place,
            key: key.to_owned(),
            expected,
        })
    }

    /// The same object with `key` set: in its place if it was there, else at the end.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: Box<RawValue>) -> Self {
        match self.fields.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = Cow::Owned(value),
            None => self.fields.push((Cow::Borrowed(key), Cow::Owned(value))),
        }
        self
    }

    /// The same object without `key`.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.fields.retain(|(name, _)| name != key);
        self
    }

    /// The keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(key, _)| key.as_ref())
    }

    /// The object as JSON text.
    pub fn to_raw(&self) -> Box<RawValue> {
        super::raw(self)
    }

    fn check_keys(&self, owned: &[&str]) -> Result<(), ParseError> {
        // Few keys, as most objects have, are compared one by one sooner than hashed.
        let mut seen = (self.fields.len() > FEW).then(HashSet::new);
        for (index, (key, _)) in self.fields.iter().enumerate() {
            let is_new = match &mut seen {
                Some(seen) => seen.insert(key.as_ref()),
                None => self.fields[..index].iter().all(|(other, _)| other != key),
            };
            if !is_new {
                return Err(ParseError::DuplicateKey { place: self.place, key: key.to_string() });
            }
            if owned.contains(&key.as_ref()) {
                continue;
            }
            if let Some(owned) = owned.iter().find(|owned| equal_but_for_case(key, owned)) {
                return Err(ParseError::CaseVariant {
                    place: self.place,
                    key: key.to_string(),
                    owned: (*owned).to_owned(),
                });
            }
        }
        Ok(())
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (key, value) in &self.fields {
            map.serialize_entry(key, value.as_ref())?;
        }
        map.end()
    }
}

/// The items of a JSON array, raw.
pub fn array<'a>(value: &'a RawValue, place: &'static str, key: &str) -> Result<Vec<&'a RawValue>, ParseError> {
    serde_json::from_str(value.get()).map_err(|_| ParseError::Type { place, key: key.to_owned(), expected: "an array" })
}

/// Whether two different keys are the same to a decoder that ignores case, as Go's `encoding/json` does: ASCII
/// case, and the two characters beyond ASCII whose simple case folding is an ASCII letter.
fn equal_but_for_case(key: &str, owned: &str) -> bool {
    fn fold(character: char) -> char {
        match character {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        }
    }
    key.chars().map(fold).eq(owned.chars().map(fold))
}

struct Fields<'a>(Vec<(Cow<'a, str>, Cow<'a, RawValue>)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        #[derive(Deserialize)]
        struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    fields.push((key, Cow::Borrowed(map.next_value::<&'de RawValue>()?)));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}
