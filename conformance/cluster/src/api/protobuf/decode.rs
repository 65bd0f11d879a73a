//! From the wire to JSON as the kind's own types write it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::table::{self, Field, Kind, Message};
use super::wire::{Reader, WireError, WireValue};

/// How deep messages may be nested. Schemas of custom resources are the deepest, and seldom deeper than twenty levels.
const MAX_DEPTH: usize = 200;

/// Decodes a message into JSON.
pub(super) fn decode(message: &Message, bytes: &[u8]) -> Result<Value, WireError> {
    let mut object = Map::new();
    read_message(message, bytes, &mut object, 0)?;
    Ok(Value::Object(object))
}

/// Reads a message's fields into `object`; what occurs twice is merged, as the format wants it.
fn read_message(
    message: &Message,
    bytes: &[u8],
    object: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), WireError> {
    if depth > MAX_DEPTH {
        return Err(WireError::TooDeep(MAX_DEPTH));
    }
    let mut reader = Reader::new(message.name, bytes);
    while let Some((number, value)) = reader.field()? {
        // Fields of other versions are skipped.
        let Some(field) = message.field(number) else { continue };
        if let Kind::Inline(name) = &field.kind {
            if let Some(inner) = table::message(name) {
                read_message(inner, field.bytes(value)?, object, depth + 1)?;
            }
            continue;
        }
        let old = object.remove(field.name);
        if let Some(new) = field.read(&field.kind, value, old, depth)?
            && !(field.omit_empty && is_empty(&new))
        {
            object.insert(field.name.to_owned(), new);
        }
    }
    Ok(())
}

impl Field {
    /// The value of one occurrence of the field, added to what there is; nothing for what JSON shows as null.
    fn read(
        &self,
        kind: &Kind,
        value: WireValue<'_>,
        old: Option<Value>,
        depth: usize,
    ) -> Result<Option<Value>, WireError> {
        Ok(Some(match kind {
            Kind::String => self.text(value)?,
            Kind::Bytes => STANDARD.encode(self.bytes(value)?).into(),
            Kind::Bool | Kind::Int32 | Kind::Int64 => integer(kind, self.varint(value)?),
            Kind::Double => match value {
                WireValue::Fixed64(bits) => f64::from_bits(bits).into(),
                other => return Err(self.wrong(other)),
            },
            Kind::Time | Kind::MicroTime => return self.time(kind, value),
            Kind::Quantity => match self.pair(value)?.0 {
                Some(text) => self.text(text)?,
                None => "0".into(),
            },
            Kind::IntOrString => self.int_or_string(value)?,
            Kind::Json => match self.pair(value)?.0 {
                Some(raw) => self.json(self.bytes(raw)?)?,
                None => return Ok(None),
            },
            Kind::Message(name) | Kind::Inline(name) => {
                let mut object = match old {
                    Some(Value::Object(object)) => object,
                    _ => Map::new(),
                };
                if let Some(message) = table::message(name) {
                    read_message(message, self.bytes(value)?, &mut object, depth + 1)?;
                }
                Value::Object(object)
            }
            Kind::List(item) => {
                let mut items = match old {
                    Some(Value::Array(items)) => items,
                    _ => Vec::new(),
                };
                self.push(item, value, &mut items, depth)?;
                Value::Array(items)
            }
            Kind::Items(item) => {
                let mut items = Vec::new();
                let mut reader = Reader::new(self.name, self.bytes(value)?);
                while let Some((number, value)) = reader.field()? {
                    if number == 1 {
                        self.push(item, value, &mut items, depth)?;
                    }
                }
                Value::Array(items)
            }
            Kind::Map(inner) => {
                let mut entries = match old {
                    Some(Value::Object(entries)) => entries,
                    _ => Map::new(),
                };
                let (key, entry) = self.entry(inner, value, depth)?;
                entries.insert(key, entry);
                Value::Object(entries)
            }
            Kind::Either(first, second) => return self.either(first, second, value, depth),
        }))
    }

    /// Adds an item to a list; numbers may also come packed into one value.
    fn push(&self, item: &Kind, value: WireValue<'_>, items: &mut Vec<Value>, depth: usize) -> Result<(), WireError> {
        if let (Kind::Bool | Kind::Int32 | Kind::Int64, WireValue::Bytes(bytes)) = (item, value) {
            let mut reader = Reader::new(self.name, bytes);
            while let Some(number) = reader.packed()? {
                items.push(integer(item, number));
            }
            return Ok(());
        }
        items.extend(self.read(item, value, None, depth)?);
        Ok(())
    }

    /// A map's entry: a message of a key and a value, either of which may be missing.
    fn entry(&self, inner: &Kind, value: WireValue<'_>, depth: usize) -> Result<(String, Value), WireError> {
        let (key, value) = self.pair(value)?;
        let key = match key {
            Some(key) => String::from_utf8_lossy(self.bytes(key)?).into_owned(),
            None => String::new(),
        };
        let value = match value {
            Some(value) => self.read(inner, value, None, depth + 1)?,
            None if matches!(inner, Kind::String | Kind::Bytes) => Some("".into()),
            None => self.read(inner, WireValue::Bytes(&[]), None, depth + 1)?,
        };
        Ok((key, value.unwrap_or_default()))
    }

    /// A message whose second field wins over its first.
    fn either(
        &self,
        first: &Kind,
        second: &Kind,
        value: WireValue<'_>,
        depth: usize,
    ) -> Result<Option<Value>, WireError> {
        let mut reader = Reader::new(self.name, self.bytes(value)?);
        let (mut one, mut other) = (None, None);
        while let Some((number, value)) = reader.field()? {
            match number {
                1 => one = self.read(first, value, one, depth + 1)?,
                2 => other = self.read(second, value, other, depth + 1)?,
                _ => {}
            }
        }
        Ok(other.or(one))
    }

    /// A moment: a message of seconds and nanoseconds, empty for none.
    fn time(&self, kind: &Kind, value: WireValue<'_>) -> Result<Option<Value>, WireError> {
        if self.bytes(value)?.is_empty() {
            return Ok(None);
        }
        let (seconds, nanoseconds) = self.pair(value)?;
        // The wire has the two's complement of negative numbers.
        let number =
            |value: Option<WireValue<'_>>| value.map_or(Ok(0), |value| self.varint(value)).map(u64::cast_signed);
        let (seconds, nanoseconds) = (number(seconds)?, number(nanoseconds)?);
        let nanoseconds = i32::try_from(nanoseconds).unwrap_or_default();
        let moment = match kind {
            Kind::MicroTime => Timestamp::new(seconds, nanoseconds).map(|moment| format!("{moment:.6}")),
            _ => Timestamp::from_second(seconds).map(|moment| moment.to_string()),
        };
        // Beyond the years that can be written there is nothing to show.
        Ok(moment.ok().map(Value::from))
    }

    fn int_or_string(&self, value: WireValue<'_>) -> Result<Value, WireError> {
        let mut reader = Reader::new("IntOrString", self.bytes(value)?);
        let (mut is_string, mut number, mut text) = (false, json!(0), json!(""));
        while let Some((field, value)) = reader.field()? {
            match field {
                1 => is_string = self.varint(value)? != 0,
                2 => number = integer(&Kind::Int32, self.varint(value)?),
                3 => text = self.text(value)?,
                _ => {}
            }
        }
        Ok(if is_string { text } else { number })
    }

    fn json(&self, text: &[u8]) -> Result<Value, WireError> {
        let parsed = crate::api::json::parse(text);
        let error = |error| WireError::NotJson { field: self.name.to_owned(), error };
        parsed.map(|document| document.value).map_err(error)
    }

    /// The last values of a message's first two fields.
    fn pair<'a>(&self, value: WireValue<'a>) -> Result<(Option<WireValue<'a>>, Option<WireValue<'a>>), WireError> {
        let mut reader = Reader::new(self.name, self.bytes(value)?);
        let (mut first, mut second) = (None, None);
        while let Some((number, value)) = reader.field()? {
            match number {
                1 => first = Some(value),
                2 => second = Some(value),
                _ => {}
            }
        }
        Ok((first, second))
    }

    fn text(&self, value: WireValue<'_>) -> Result<Value, WireError> {
        Ok(String::from_utf8_lossy(self.bytes(value)?).into_owned().into())
    }

    fn bytes<'a>(&self, value: WireValue<'a>) -> Result<&'a [u8], WireError> {
        match value {
            WireValue::Bytes(bytes) => Ok(bytes),
            other => Err(self.wrong(other)),
        }
    }

    fn varint(&self, value: WireValue<'_>) -> Result<u64, WireError> {
        match value {
            WireValue::Varint(number) => Ok(number),
            other => Err(self.wrong(other)),
        }
    }

    /// The field by its Go name, which begins with a capital; metadata is an embedded type.
    fn wrong(&self, value: WireValue<'_>) -> WireError {
        let mut letters = self.name.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        let field = if self.name == "metadata" { "ObjectMeta".to_owned() } else { first.chain(letters).collect() };
        WireError::WrongForm { form: value.form(), field }
    }
}

/// A number in the width of its kind, which cuts it as the real decoders do.
fn integer(kind: &Kind, number: u64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "the wire has 64 bits of every number")]
    match kind {
        Kind::Bool => (number != 0).into(),
        Kind::Int32 => (number as i32).into(),
        _ => number.cast_signed().into(),
    }
}

/// What Go leaves out of JSON where a type says so.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}
