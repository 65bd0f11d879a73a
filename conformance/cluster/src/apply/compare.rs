//! What a write changed, field by field.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fieldset::{FieldSet, field};
use super::model::{Shape, Type};

/// The fields in which two objects differ.
#[derive(Clone, Debug, Default)]
pub(super) struct Comparison {
    pub(super) added: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) removed: FieldSet,
}

impl Comparison {
    /// What the author of the change comes to own.
    pub(super) fn taken(&self) -> FieldSet {
        self.added.union(&self.modified)
    }

    fn insert_children(&mut self, element: &str, inner: Self) {
        self.added.insert_children(element.to_owned(), inner.added);
        self.modified.insert_children(element.to_owned(), inner.modified);
        self.removed.insert_children(element.to_owned(), inner.removed);
    }
}

/// Compares two objects of a type.
pub(super) fn compare(kind: &Type, old: &Value, new: &Value) -> Comparison {
    inside(kind, Some(old), Some(new))
}

/// Compares what is inside of two values.
fn inside(kind: &Type, old: Option<&Value>, new: Option<&Value>) -> Comparison {
    let mut comparison = Comparison::default();
    let (old, new) = (parts(kind, old), parts(kind, new));
    let mut elements: Vec<&String> = old.keys().chain(new.keys()).collect();
    elements.sort();
    elements.dedup();
    for element in elements {
        let kind = match element.strip_prefix("f:") {
            Some(name) => kind.field(name).0,
            None => kind.item(),
        };
        let old = old.get(element).map_or(&[][..], Vec::as_slice);
        let new = new.get(element).map_or(&[][..], Vec::as_slice);
        match (old, new) {
            ([] | [_], [] | [_]) => part(kind, element, old.first().copied(), new.first().copied(), &mut comparison),
            // A stored list may have duplicates; they are one value together.
            _ if old == new => {}
            _ if old.is_empty() => comparison.added.insert(element.clone()),
            _ if new.is_empty() => comparison.removed.insert(element.clone()),
            _ => comparison.modified.insert(element.clone()),
        }
    }
    comparison
}

/// Compares one field or item.
fn part(kind: &Type, element: &str, old: Option<&Value>, new: Option<&Value>, comparison: &mut Comparison) {
    let divisible = |value: Option<&Value>| value.is_some_and(|value| !parts(kind, Some(value)).is_empty());
    let descends = divisible(old) || divisible(new);
    let is_container = |value: &Value| value.is_null() || !matches!(kind.shape(value), Shape::Leaf);
    match (old, new) {
        (None, Some(_)) => comparison.added.insert(element.to_owned()),
        (Some(_), None) => comparison.removed.insert(element.to_owned()),
        (Some(old), Some(new)) if old != new && !(descends && is_container(old) && is_container(new)) => {
            comparison.modified.insert(element.to_owned());
        }
        _ => {}
    }
    if descends {
        comparison.insert_children(element, inside(kind, old, new));
    }
}

/// The fields or items of a value, by path element; none when it is owned as one.
fn parts<'a>(kind: &Type, value: Option<&'a Value>) -> BTreeMap<String, Vec<&'a Value>> {
    let mut parts: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    match value.map(|value| kind.shape(value)) {
        None | Some(Shape::Leaf) => {}
        Some(Shape::Fields(fields)) => parts.extend(fields.iter().map(|(name, value)| (field(name), vec![value]))),
        Some(Shape::Items(items)) => {
            for (element, value) in items {
                parts.entry(element).or_default().push(value);
            }
        }
    }
    parts
}
