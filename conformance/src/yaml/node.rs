//! The tree of a YAML document.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use crate::diagnostic::{Diagnostic, Position, Source};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: NodeValue,
    /// Where the value starts; for text, where its first character stands.
    pub at: Position,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeValue {
    /// null, boolean or number.
    Scalar(Value),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the file's order.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub name: String,
    /// Where it stands.
    pub at: Position,
}

impl Node {
    /// The same value without places.
    pub fn to_json(&self) -> Value {
        match &self.value {
            NodeValue::Scalar(value) => value.clone(),
            NodeValue::Text(text) => Value::String(text.clone()),
            NodeValue::List(items) => items.iter().map(Node::to_json).collect(),
            NodeValue::Map(entries) => Value::Object(
                entries.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// A node for a computed value; all of it is said to stand at `at`.
    pub fn from_json(value: &Value, at: Position) -> Self {
        let value = match value {
            Value::String(text) => NodeValue::Text(text.clone()),
            Value::Array(items) => NodeValue::List(items.iter().map(|item| Self::from_json(item, at)).collect()),
            Value::Object(entries) => NodeValue::Map(
                entries
                    .iter()
                    .map(|(name, value)| {
                        let key = Key { name: name.clone(), at };
                        (key, Self::from_json(value, at))
                    })
                    .collect(),
            ),
            scalar => NodeValue::Scalar(scalar.clone()),
        };
        Self { value, at }
    }

    /// The value of a key, when this is a mapping that has it.
    pub fn entry(&self, name: &str) -> Option<&Node> {
        match &self.value {
            NodeValue::Map(entries) => entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// Takes a key out of a mapping.
    pub fn take(&mut self, name: &str) -> Option<Node> {
        match &mut self.value {
            NodeValue::Map(entries) => {
                let index = entries.iter().position(|(key, _)| key.name == name)?;
                Some(entries.remove(index).1)
            }
            _ => None,
        }
    }

    /// The text, when this is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What kind of value this is, in words.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            NodeValue::Scalar(Value::Null) => "nothing",
            NodeValue::Scalar(Value::Bool(_)) => "a boolean",
            NodeValue::Scalar(_) => "a number",
            NodeValue::Text(_) => "a text",
            NodeValue::List(_) => "a list",
            NodeValue::Map(_) => "a mapping",
        }
    }
}

/// Parses a file that holds exactly one document.
pub fn parse(source: &Source) -> Result<Node, Diagnostic> {
    let mut documents = documents(source)?;
    match documents.len() {
        1 => Ok(documents.remove(0)),
        0 => Err(Diagnostic::of_file(&source.name, "the file is empty")),
        _ => Err(source.diagnostic(documents[1].at, "a second document, where one was expected")),
    }
}

/// Parses a file of any number of documents; empty ones are passed over.
pub fn documents(source: &Source) -> Result<Vec<Node>, Diagnostic> {
    let mut nodes: Vec<Node> =
        serde_saphyr::from_multiple(&source.text).map_err(|error| syntax_error(source, &error))?;
    let lines: Vec<&str> = source.text.lines().collect();
    for node in &mut nodes {
        point_at_contents(&lines, node);
    }
    Ok(nodes)
}

fn syntax_error(source: &Source, error: &serde_saphyr::Error) -> Diagnostic {
    let at = error.location().map(position);
    let message = error.without_snippet().render();
    let message = match at {
        // The parser appends the place in words of its own; ours stands in front.
        Some(at) => message
            .replace(&format!(" at line {}, column {}", at.line, at.column), "")
            .replace(&format!("line {} column {}: ", at.line, at.column), ""),
        None => message,
    };
    match at {
        Some(at) => source.diagnostic(at, message),
        None => Diagnostic::of_file(&source.name, message),
    }
}

fn position(location: serde_saphyr::Location) -> Position {
    Position {
        line: u32::try_from(location.line()).unwrap_or(u32::MAX),
        column: u32::try_from(location.column()).unwrap_or(u32::MAX),
    }
}

/// Moves the place of quoted and block texts from their opening sign to their first character.
fn point_at_contents(lines: &[&str], node: &mut Node) {
    match &mut node.value {
        NodeValue::Text(_) => node.at = content_start(lines, node.at),
        NodeValue::List(items) => items.iter_mut().for_each(|item| point_at_contents(lines, item)),
        NodeValue::Map(entries) => entries.iter_mut().for_each(|(_, value)| point_at_contents(lines, value)),
        NodeValue::Scalar(_) => {}
    }
}

fn content_start(lines: &[&str], at: Position) -> Position {
    let line = |number: u32| lines.get(number.checked_sub(1)? as usize);
    let sign = line(at.line).and_then(|line| line.chars().nth(at.column.saturating_sub(1) as usize));
    match sign {
        Some('"' | '\'') => Position { column: at.column + 1, ..at },
        Some('|' | '>') => {
            let indent = line(at.line + 1).map_or(0, |line| line.len() - line.trim_start().len());
            Position { line: at.line + 1, column: u32::try_from(indent).unwrap_or(0) + 1 }
        }
        _ => at,
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<NodeValue>::deserialize(deserializer)?;
        Ok(Self { value: spanned.value, at: position(spanned.referenced) })
    }
}

impl<'de> Deserialize<'de> for NodeValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = NodeValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(Value::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(Value::Number(value.into())))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<NodeValue, E> {
        Number::from_f64(value)
            .map(|number| NodeValue::Scalar(Value::Number(number)))
            .ok_or_else(|| E::custom("a number that JSON cannot hold"))
    }

    fn visit_str<E>(self, value: &str) -> Result<NodeValue, E> {
        Ok(NodeValue::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<NodeValue, E> {
        Ok(NodeValue::Text(value))
    }

    fn visit_unit<E>(self) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<NodeValue, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<NodeValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(NodeValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<NodeValue, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let at = position(key.referenced);
            let key = Key { name: key.value, at };
            map.push((key, entries.next_value()?));
        }
        Ok(NodeValue::Map(map))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[test]
    fn every_value_knows_its_place() {
        let source = Source::new("a.yaml", "a:\n  - b: x\n    c: 'y'\n  - d: |\n      z\n");
        let root = parse(&source).unwrap();
        let NodeValue::List(items) = &root.entry("a").unwrap().value else { panic!("not a list") };
        let at = |node: &Node| (node.at.line, node.at.column);
        assert_eq!(at(items[0].entry("b").unwrap()), (2, 8));
        assert_eq!(at(items[0].entry("c").unwrap()), (3, 9));
        assert_eq!(at(items[1].entry("d").unwrap()), (5, 7));
    }

    #[test]
    fn a_syntax_error_names_line_and_column() {
        let source = Source::new("a.yaml", "a: [1\nb: 2\n");
        let error = parse(&source).unwrap_err();
        assert!(error.at.is_some(), "{error}");
    }

    #[test]
    fn documents_are_separate_and_empty_ones_are_passed_over() {
        let source = Source::new("a.yaml", "---\n# nothing\n---\na: 1\n---\nb: true\n");
        let nodes = documents(&source).unwrap();
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes[1].to_json(), serde_json::json!({"b": true}));
    }
}
