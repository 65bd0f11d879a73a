//! The compiled tree: one node per schema, with everything that defaulting, pruning and validation ask for.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Number, Value};

use super::rules::Rule;

/// The names of `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsonType {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

impl JsonType {
    pub(super) const NAMES: [&'static str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// `x-kubernetes-list-type`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum ListType {
    #[default]
    Atomic,
    Set,
    /// With the names of the keys.
    Map(Vec<String>),
}

/// `additionalProperties`.
#[derive(Debug)]
pub(super) enum Additional {
    /// `true`.
    Allowed,
    /// A schema of their values.
    Schema(Box<Node>),
}

/// A bound and whether the bound itself is outside.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) limit: Number,
    pub(super) exclusive: bool,
}

/// The keywords that restrict values without shaping them; also all that branches of `allOf` and the like may have.
#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) format: Option<String>,
    pub(super) minimum: Option<Bound>,
    pub(super) maximum: Option<Bound>,
    pub(super) multiple_of: Option<Number>,
    pub(super) min_length: Option<u64>,
    pub(super) max_length: Option<u64>,
    pub(super) pattern: Option<Regex>,
    pub(super) min_items: Option<u64>,
    pub(super) max_items: Option<u64>,
    pub(super) min_properties: Option<u64>,
    pub(super) max_properties: Option<u64>,
    pub(super) required: Vec<String>,
    pub(super) choices: Vec<Value>,
    pub(super) all_of: Vec<Node>,
    pub(super) any_of: Vec<Node>,
    pub(super) one_of: Vec<Node>,
    pub(super) not: Option<Box<Node>>,
}

/// One schema.
#[allow(clippy::struct_excessive_bools)] // each is a keyword of its own
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) json_type: Option<JsonType>,
    pub(super) nullable: bool,
    pub(super) int_or_string: bool,
    pub(super) preserve_unknown: bool,
    pub(super) embedded_resource: bool,
    pub(super) atomic_map: bool,
    pub(super) list_type: ListType,
    pub(super) default: Option<Value>,
    pub(super) properties: BTreeMap<String, Node>,
    pub(super) additional: Option<Additional>,
    pub(super) items: Option<Box<Node>>,
    pub(super) limits: Limits,
    pub(super) rules: Vec<Rule>,
    /// Whether this node or one below has rules.
    pub(super) has_rules: bool,
}

impl Node {
    /// The schema of a property, declared or additional; none when it is unknown or unrestricted.
    pub(super) fn property(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or_else(|| self.additional_schema())
    }

    /// The schema of additional properties.
    pub(super) fn additional_schema(&self) -> Option<&Self> {
        match &self.additional {
            Some(Additional::Schema(node)) => Some(node),
            _ => None,
        }
    }

    /// The names of the types that are accepted, as messages list them.
    pub(super) fn type_names(&self) -> Option<&'static str> {
        if self.int_or_string { Some("integer,string") } else { self.json_type.map(JsonType::name) }
    }

    /// Whether `value` is a null that means an absent value.
    pub(super) fn is_absent(&self, value: &Value) -> bool {
        value.is_null() && !self.nullable
    }
}

/// The old item of a map list that has the keys of `item`.
pub(super) fn correlated<'a>(keys: &[String], item: &Value, old: Option<&'a Value>) -> Option<&'a Value> {
    let same = |candidate: &&Value| keys.iter().all(|key| candidate.get(key) == item.get(key));
    old?.as_array()?.iter().find(same)
}
