//! JSON as the API server reads it: duplicate keys are found and named, and errors are worded as Go words them.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::place::Place;

/// A document and the paths of the keys that occurred twice (the last one wins).
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) value: Value,
    pub(crate) duplicates: Vec<String>,
}

/// Parses a document; the error is Go's message.
pub(crate) fn parse(bytes: &[u8]) -> Result<Document, String> {
    let duplicates = RefCell::new(Vec::new());
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let seed = Node { place: &Place::Root, duplicates: &duplicates };
    let parsed = seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match parsed {
        Ok(value) => Ok(Document { value, duplicates: duplicates.into_inner() }),
        Err(error) => Err(go_message(bytes, &error)),
    }
}

struct Node<'a> {
    place: &'a Place<'a>,
    duplicates: &'a RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = {
            let place = Place::Item(self.place, list.len());
            items.next_element_seed(Node { place: &place, duplicates: self.duplicates })?
        } {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let place = Place::Field(self.place, &key);
            if map.contains_key(&key) {
                self.duplicates.borrow_mut().push(place.path());
            }
            let value = entries.next_value_seed(Node { place: &place, duplicates: self.duplicates })?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// Where a JSON scanner stands, for Go's "looking for ..." half.
fn go_message(bytes: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".into();
    }
    let offset = offset_of(bytes, error.line(), error.column());
    let text = String::from_utf8_lossy(bytes);
    let byte = bytes.get(offset).copied().unwrap_or(b' ');
    let found = match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        // Go shows the single byte, read as Latin-1.
        other => format!("'{}'", char::from(other)),
    };
    let before = text.get(..offset).unwrap_or_default().trim_end();
    let context = match before.chars().last() {
        Some('{') => "looking for beginning of object key string",
        Some(',') if before.rfind('{') > before.rfind('[') => "looking for beginning of object key string",
        None | Some(':' | '[' | ',') => "looking for beginning of value",
        Some('"') if before.rfind('{') > before.rfind(':') || before.rfind(',') > before.rfind(':') => {
            "after object key"
        }
        Some('}' | ']') if !before.is_empty() && balanced(before) => "after top-level value",
        _ if before.rfind('[') > before.rfind('{') => "after array element",
        _ => "after object key:value pair",
    };
    format!("invalid character {found} {context}")
}

fn balanced(text: &str) -> bool {
    let count = |c: char| text.matches(c).count();
    count('{') == count('}') && count('[') == count(']')
}

fn offset_of(bytes: &[u8], line: usize, column: usize) -> usize {
    let start =
        bytes.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum::<usize>();
    start + column.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[test]
    fn duplicate_keys_are_named_by_path() {
        let document = parse(br#"{"spec":{"size":1,"size":2},"list":[{"a":1,"a":2}]}"#).unwrap();
        assert_eq!(document.duplicates, ["spec.size", "list[0].a"]);
        assert_eq!(document.value["spec"]["size"], 2);
    }

    #[test]
    fn errors_read_as_go_words_them() {
        let message = |text: &str| parse(text.as_bytes()).unwrap_err();
        assert_eq!(message(""), "unexpected end of JSON input");
        assert_eq!(message("{oops"), "invalid character 'o' looking for beginning of object key string");
        assert_eq!(message("x"), "invalid character 'x' looking for beginning of value");
    }
}
