//! Sets of fields, as `fieldsV1` encodes them.
//!
//! A path element is kept in its encoded form: `f:name` for a field, `k:{"id":"a"}` for the item of a map list with these
//! keys, `v:"a"` for the item of a set, `i:0` for an item by its position. A field itself in the set is a member; what is
//! inside of it is a child. The encoding says `.` for a member that has children as well.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::model::{Shape, Type};
use crate::schema::quote;

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    members: BTreeSet<String>,
    children: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    /// The fields that a configuration states: its leaves, the keys of its maps and the items of its lists.
    pub(super) fn of(kind: &Type, value: &Value) -> Self {
        let mut set = Self::default();
        match kind.shape(value) {
            Shape::Leaf => {}
            Shape::Fields(fields) => {
                for (name, value) in fields {
                    let element = field(name);
                    let (kind, declared) = kind.field(name);
                    let inner = Self::of(kind, value);
                    let leaf = match kind.shape(value) {
                        Shape::Leaf => true,
                        Shape::Fields(fields) => fields.is_empty(),
                        Shape::Items(_) => false,
                    };
                    if leaf || !declared {
                        set.insert(element.clone());
                    }
                    set.insert_children(element, inner);
                }
            }
            Shape::Items(items) => {
                for (element, value) in items {
                    set.insert_children(element.clone(), Self::of(kind.item(), value));
                    set.insert(element);
                }
            }
        }
        set
    }

    /// Decodes `fieldsV1`; what is no field set decodes to the empty one.
    pub fn decode(encoded: &Value) -> Self {
        let mut set = Self::default();
        for (element, inner) in encoded.as_object().into_iter().flatten().filter(|(element, _)| *element != ".") {
            let children = Self::decode(inner);
            if inner.get(".").is_some() || children.is_empty() {
                set.insert(element.clone());
            }
            set.insert_children(element.clone(), children);
        }
        set
    }

    /// Encodes to `fieldsV1`.
    pub fn encode(&self) -> Value {
        let mut encoded = Map::new();
        for (element, children) in &self.children {
            let mut inner = children.encode();
            if self.members.contains(element) {
                inner["."] = json!({});
            }
            encoded.insert(element.clone(), inner);
        }
        for element in &self.members {
            encoded.entry(element.clone()).or_insert_with(|| json!({}));
        }
        Value::Object(encoded)
    }

    /// Whether there is no field in the set.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.is_empty()
    }

    /// The fields in the set, as paths: `.spec.parts[id="a"].weight`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.members.iter().map(|element| display(element)).collect();
        for (element, children) in &self.children {
            let prefix = display(element);
            paths.extend(children.paths().into_iter().map(|path| format!("{prefix}{path}")));
        }
        paths
    }

    pub(super) fn insert(&mut self, element: String) {
        self.members.insert(element);
    }

    pub(super) fn insert_children(&mut self, element: String, children: Self) {
        if !children.is_empty() {
            self.children.insert(element, children);
        }
    }

    pub(super) fn has(&self, element: &str) -> bool {
        self.members.contains(element)
    }

    pub(super) fn child(&self, element: &str) -> Option<&Self> {
        self.children.get(element)
    }

    /// Takes a field out, and all that is inside of it if `deep`.
    pub(super) fn take_out(&mut self, path: &[&str], deep: bool) {
        match path {
            [] => {}
            [last] => {
                self.members.remove(*last);
                if deep {
                    self.children.remove(*last);
                }
            }
            [first, rest @ ..] => {
                if let Some(child) = self.children.get_mut(*first) {
                    child.take_out(rest, deep);
                    if child.is_empty() {
                        self.children.remove(*first);
                    }
                }
            }
        }
    }

    /// Takes out of a set what nobody owns: what an object is, and what the server writes.
    pub(super) fn strip_unowned(&mut self) {
        for name in ["f:apiVersion", "f:kind"] {
            self.take_out(&[name], true);
        }
        self.take_out(&["f:metadata"], false);
        for name in [
            "clusterName",
            "creationTimestamp",
            "deletionGracePeriodSeconds",
            "deletionTimestamp",
            "generation",
            "managedFields",
            "name",
            "namespace",
            "resourceVersion",
            "selfLink",
            "uid",
        ] {
            self.take_out(&["f:metadata", &field(name)], true);
        }
    }

    /// Keeps only one field and what is inside of it.
    pub(super) fn keep_only(&mut self, element: &str) {
        self.members.retain(|member| member == element);
        self.children.retain(|child, _| child == element);
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.members.extend(other.members.iter().cloned());
        for (element, children) in &other.children {
            let joined = union.children.get(element).map_or_else(|| children.clone(), |own| own.union(children));
            union.children.insert(element.clone(), joined);
        }
        union
    }

    pub(super) fn difference(&self, other: &Self) -> Self {
        let mut rest = Self { members: &self.members - &other.members, children: BTreeMap::new() };
        for (element, children) in &self.children {
            let left = other.children.get(element).map_or_else(|| children.clone(), |gone| children.difference(gone));
            rest.insert_children(element.clone(), left);
        }
        rest
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut common = Self { members: &self.members & &other.members, children: BTreeMap::new() };
        for (element, children) in &self.children {
            if let Some(others) = other.children.get(element) {
                common.insert_children(element.clone(), children.intersection(others));
            }
        }
        common
    }

    /// The same set with every declared field in it that has something inside: when all of that goes, it goes as well.
    pub(super) fn with_containers(&self, kind: &Type) -> Self {
        let mut set = Self { members: self.members.clone(), children: BTreeMap::new() };
        for (element, children) in &self.children {
            let (inner, declared) = match element.strip_prefix("f:") {
                Some(name) => kind.field(name),
                None => (kind.item(), false),
            };
            if declared {
                set.insert(element.clone());
            }
            set.insert_children(element.clone(), children.with_containers(inner));
        }
        set
    }
}

/// The path element of a field.
pub(super) fn field(name: &str) -> String {
    format!("f:{name}")
}

/// A path element in a path.
fn display(element: &str) -> String {
    let (kind, rest) = element.split_at_checked(2).unwrap_or((element, ""));
    let json: Value = serde_json::from_str(rest).unwrap_or(Value::Null);
    match (kind, json) {
        ("f:", _) => format!(".{rest}"),
        ("k:", Value::Object(keys)) => {
            let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={}", scalar(value))).collect();
            format!("[{}]", keys.join(","))
        }
        ("v:", value) => format!("[={}]", scalar(&value)),
        _ => format!("[{rest}]"),
    }
}

pub(super) fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), quote)
}
