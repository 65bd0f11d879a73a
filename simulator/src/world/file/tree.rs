//! The tree of a YAML document, which remembers where each value stands in which file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::{Location, Spanned};

/// Where something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Which of the files that were read, counted from zero.
    pub(super) file: usize,
    /// Counted from one.
    pub(super) line: u64,
    /// Counted from one.
    pub(super) column: u64,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) content: Content,
    pub(super) place: Place,
    /// Its position in the list that holds it, from zero; stays when others are taken out.
    pub(super) index: usize,
    /// Which bytes of its file it takes, when that is known.
    span: Option<(u64, u64)>,
    /// Keys that were taken out of this mapping or list because of a mistake, or that were meant by them.
    pub(super) missing: Vec<String>,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Null,
    /// A boolean or a number, and how it was written, for whom wants a text.
    Scalar(Value, String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// An entry of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) value: Node,
}

/// One step from a node to one that it holds: the position of an entry or of an item.
pub(super) type Step = usize;

impl Node {
    /// Reads the file of this number.
    pub(super) fn parse(file: usize, text: &str) -> Result<Self, Box<serde_saphyr::Error>> {
        // `yes`, `on` and `y` are texts, as YAML 1.2 says.
        let options = serde_saphyr::options! { strict_booleans: true };
        let mut root: Self = serde_saphyr::from_str_with_options(text, options)?;
        root.settle(file, text);
        root.count_items();
        Ok(root)
    }

    /// A mapping without entries at the start of a file.
    pub(super) fn empty(file: usize) -> Self {
        Self::new(Content::Map(Vec::new()), Place { file, line: 1, column: 1 })
    }

    pub(super) fn new(content: Content, place: Place) -> Self {
        Self { content, place, index: 0, span: None, missing: Vec::new() }
    }

    /// Notes from which file all of it is, and how scalars are written there.
    fn settle(&mut self, file: usize, text: &str) {
        self.place.file = file;
        match &mut self.content {
            Content::List(items) => items.iter_mut().for_each(|item| item.settle(file, text)),
            Content::Map(entries) => {
                for entry in entries {
                    entry.place.file = file;
                    entry.value.settle(file, text);
                }
            }
            Content::Scalar(_, written) => {
                let source = self.span.and_then(|(start, length)| {
                    let start = usize::try_from(start).ok()?;
                    text.get(start..start + usize::try_from(length).ok()?)
                });
                if let Some(source) = source {
                    source.trim().clone_into(written);
                }
            }
            Content::Null | Content::Text(_) => {}
        }
    }

    /// Gives each item of each list its position.
    pub(super) fn count_items(&mut self) {
        match &mut self.content {
            Content::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    item.index = index;
                    item.count_items();
                }
            }
            Content::Map(entries) => entries.iter_mut().for_each(|entry| entry.value.count_items()),
            _ => {}
        }
    }

    /// What stands under a key, when this is a mapping that has it.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// Takes a key out of a mapping.
    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        match &mut self.content {
            Content::Map(entries) => {
                let position = entries.iter().position(|entry| entry.key == key)?;
                Some(entries.remove(position))
            }
            _ => None,
        }
    }

    /// What a step leads to.
    pub(super) fn child(&mut self, step: Step) -> Option<&mut Self> {
        match &mut self.content {
            Content::List(items) => items.get_mut(step),
            Content::Map(entries) => entries.get_mut(step).map(|entry| &mut entry.value),
            _ => None,
        }
    }

    /// Takes out what a step leads to, and notes that it is missing.
    pub(super) fn remove(&mut self, step: Step) {
        match &mut self.content {
            Content::List(items) if step < items.len() => {
                self.missing.push(items.remove(step).index.to_string());
            }
            Content::Map(entries) if step < entries.len() => self.missing.push(entries.remove(step).key),
            _ => {}
        }
    }

    /// What kind of value it is, in words.
    pub(super) fn kind(&self) -> &'static str {
        match &self.content {
            Content::Null => "nothing",
            Content::Scalar(Value::Bool(_), _) => "a boolean",
            Content::Scalar(..) => "a number",
            Content::Text(_) => "a text",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        let span = spanned.defined.span();
        Ok(Self { span: span.byte_offset().zip(span.byte_len()), ..Self::new(spanned.value, place(spanned.defined)) })
    }
}

fn place(location: Location) -> Place {
    Place { file: 0, line: location.line(), column: location.column() }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl ContentVisitor {
    fn scalar(value: impl Into<Value>) -> Content {
        let value = value.into();
        let written = value.to_string();
        Content::Scalar(value, written)
    }
}

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Self::scalar(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Self::scalar(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Self::scalar(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Content, E> {
        Number::from_f64(value).map(Self::scalar).ok_or_else(|| E::custom("expected a number that JSON can hold"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Content, E> {
        Ok(Content::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Content, E> {
        Ok(Content::Text(text))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Content, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let value = entries.next_value()?;
            map.push(Entry { key: key.value, place: place(key.defined), value });
        }
        Ok(Content::Map(map))
    }
}
