//! The table of fields: `fields.txt`, read once.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A message: its name without the package, and its fields by number.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) name: &'static str,
    fields: Vec<(u32, Field)>,
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    /// The name in JSON.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether JSON leaves the field out when it is empty.
    pub(super) omit_empty: bool,
}

/// What a field holds.
#[derive(Debug)]
pub(super) enum Kind {
    String,
    Bool,
    Int32,
    Int64,
    Double,
    Bytes,
    Time,
    MicroTime,
    Quantity,
    IntOrString,
    /// Any JSON, as text.
    Json,
    /// A message, by its full name.
    Message(String),
    /// A message whose fields are those of the message that holds it.
    Inline(String),
    List(Box<Kind>),
    /// From strings.
    Map(Box<Kind>),
    /// A message whose only field is a list.
    Items(Box<Kind>),
    /// A message with a first and a second field, of which the second wins.
    Either(Box<Kind>, Box<Kind>),
}

static MESSAGES: LazyLock<HashMap<String, Message>> = LazyLock::new(|| parse(include_str!("fields.txt")));

/// The message of a kind or of a part of one, by `apiVersion.Name`.
pub(super) fn message(name: &str) -> Option<&'static Message> {
    MESSAGES.get(name)
}

impl Message {
    /// The field of a number.
    pub(super) fn field(&self, number: u32) -> Option<&Field> {
        self.fields.iter().find(|(own, _)| *own == number).map(|(_, field)| field)
    }
}

/// Reads the table; lines that begin with a space go on with the message before.
fn parse(table: &'static str) -> HashMap<String, Message> {
    let mut messages = HashMap::new();
    let mut package = "";
    let mut current: Option<Message> = None;
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    // The last, made-up line ends the last message.
    for line in lines.chain(["package end"]) {
        let fields = if let Some(more) = line.strip_prefix(' ') {
            more
        } else {
            messages.extend(current.take().map(|message| (format!("{package}.{}", message.name), message)));
            if let Some(name) = line.strip_prefix("package ") {
                package = name;
                continue;
            }
            let (name, fields) = line.split_once(':').unwrap_or((line, ""));
            current = Some(Message { name, fields: Vec::new() });
            fields
        };
        if let Some(message) = &mut current {
            message.fields.extend(fields.split(';').filter_map(|field| self::field(field, package)));
        }
    }
    messages
}

fn field(text: &'static str, package: &str) -> Option<(u32, Field)> {
    let mut words = text.split_whitespace();
    let (number, name, kind) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    let (kind, omit_empty) = kind.strip_suffix('?').map_or((kind, false), |kind| (kind, true));
    let kind = match (name, Kind::parse(kind, package)) {
        ("=", Kind::Message(message)) => Kind::Inline(message),
        (_, kind) => kind,
    };
    Some((number, Field { name, kind, omit_empty }))
}

impl Kind {
    fn parse(text: &str, package: &str) -> Self {
        let within = |open: char, close: char| text.strip_prefix(open)?.strip_suffix(close);
        let inner = |text: &str| Box::new(Self::parse(text, package));
        if let Some(item) = within('[', ']') {
            return Self::List(inner(item));
        }
        if let Some(value) = within('{', '}') {
            return Self::Map(inner(value));
        }
        if let Some(item) = within('<', '>') {
            return Self::Items(inner(item));
        }
        if let Some((first, second)) = within('(', ')').and_then(|both| both.split_once('|')) {
            return Self::Either(inner(first), inner(second));
        }
        match text {
            "string" => Self::String,
            "bool" => Self::Bool,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "double" => Self::Double,
            "bytes" => Self::Bytes,
            "Time" => Self::Time,
            "MicroTime" => Self::MicroTime,
            "Quantity" => Self::Quantity,
            "IntOrString" => Self::IntOrString,
            "Json" => Self::Json,
            // A name without a package is of the package of the message that refers to it.
            name if name.contains('.') => Self::Message(name.to_owned()),
            name => Self::Message(format!("{package}.{name}")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::access::reviews::REVIEWS;
    use crate::api::builtin::kinds::KINDS;
    use crate::api::builtin::types;
    use crate::api::registry::api_version;

    fn references(kind: &Kind) -> Vec<&str> {
        match kind {
            Kind::Message(name) | Kind::Inline(name) => vec![name],
            Kind::List(inner) | Kind::Map(inner) | Kind::Items(inner) => references(inner),
            Kind::Either(first, second) => [references(first), references(second)].concat(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_message_that_is_referred_to_is_there() {
        for message in MESSAGES.values() {
            for (number, field) in &message.fields {
                for name in references(&field.kind) {
                    assert!(super::message(name).is_some(), "{}.{} refers to {name}", message.name, field.name);
                }
                assert_eq!(message.fields.iter().filter(|(other, _)| other == number).count(), 1, "{}", message.name);
            }
        }
    }

    #[test]
    fn every_kind_that_is_served_can_be_sent() {
        let kinds = KINDS.iter().map(|kind| (kind.group, kind.version, kind.kind));
        let reviews = REVIEWS.iter().map(|review| (review.group, "v1", review.kind));
        let others = [("", "v1", "Binding"), ("autoscaling", "v1", "Scale"), ("meta.k8s.io", "v1", "DeleteOptions")];
        for (group, version, kind) in kinds.chain(reviews).chain(others) {
            let name = format!("{}.{kind}", api_version(group, version));
            assert!(message(&name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_fields_are_those_of_the_published_schemas() {
        for builtin in KINDS {
            let kind = types::of(builtin).unwrap();
            let message =
                message(&format!("{}.{}", api_version(builtin.group, builtin.version), builtin.kind)).unwrap();
            let properties = kind.definitions[&kind.name]["properties"].as_object().unwrap();
            let mut published: Vec<&str> = properties.keys().map(String::as_str).collect();
            published.retain(|name| !["apiVersion", "kind"].contains(name));
            let mut own: Vec<&str> = message.fields.iter().map(|(_, field)| field.name).collect();
            published.sort_unstable();
            own.sort_unstable();
            assert_eq!(own, published, "{}", builtin.kind);
        }
    }
}
