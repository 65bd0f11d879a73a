//! Removing what a manager owned, no longer sends, and nobody else owns.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fieldset::{FieldSet, field};
use super::model::{Shape, Type};

/// The merged object without the fields that were dropped.
///
/// A container goes with its last field if the manager put it there; one that only lost its fields is left as null for
/// [`settle`], so that it does not count as removed from those who own the container itself.
pub(super) fn dropped(
    kind: &Type,
    merged: &Value,
    previous: &FieldSet,
    applied: &FieldSet,
    others: &FieldSet,
) -> Value {
    let previous = previous.with_containers(kind);
    let present = FieldSet::of(kind, merged).with_containers(kind);
    let kept = FieldSet::of(kind, &without(kind, merged, &previous)).with_containers(kind);
    // What someone owns stays, or comes back.
    let owned = others.union(applied).with_containers(kind);
    let kept = without(kind, merged, &present.difference(&kept.union(&owned)));
    let kept = FieldSet::of(kind, &kept).with_containers(kind);
    // And nothing goes that the manager did not own.
    without(kind, merged, &present.difference(&kept).intersection(&previous))
}

/// Takes away the nulls that stand where containers were emptied.
pub(super) fn settle(kind: &Type, value: Value, before: &Value) -> Value {
    match (kind.shape(&value), kind.shape(before)) {
        (Shape::Fields(fields), Shape::Fields(before)) => {
            let emptied =
                |name: &str, value: &Value| value.is_null() && before.get(name).is_some_and(|value| !value.is_null());
            let left = fields.iter().filter(|(name, value)| !emptied(name, value)).map(|(name, value)| {
                let settled = before.get(name).map(|before| settle(kind.field(name).0, value.clone(), before));
                (name.clone(), settled.unwrap_or_else(|| value.clone()))
            });
            Value::Object(left.collect())
        }
        (Shape::Items(items), Shape::Items(before)) => {
            let before: BTreeMap<String, &Value> = before.into_iter().collect();
            let settled = |(element, value): (String, &Value)| match before.get(&element) {
                Some(before) => settle(kind.item(), value.clone(), before),
                None => value.clone(),
            };
            Value::Array(items.into_iter().map(settled).collect())
        }
        _ => value,
    }
}

/// The value without the members of a set; a container that loses all becomes null.
fn without(kind: &Type, value: &Value, gone: &FieldSet) -> Value {
    if gone.is_empty() {
        return value.clone();
    }
    let inner = |kind: &Type, element: &str, value: &Value| match gone.child(element) {
        Some(gone) => without(kind, value, gone),
        None => value.clone(),
    };
    match kind.shape(value) {
        Shape::Leaf => value.clone(),
        Shape::Fields(fields) => {
            let left = fields.iter().filter(|(name, _)| !gone.has(&field(name)));
            let left: Map<_, _> =
                left.map(|(name, value)| (name.clone(), inner(kind.field(name).0, &field(name), value))).collect();
            if left.is_empty() && !fields.is_empty() { Value::Null } else { Value::Object(left) }
        }
        Shape::Items(items) => {
            let count = items.len();
            let left = items.into_iter().filter(|(element, _)| !gone.has(element));
            let left: Vec<_> = left.map(|(element, value)| inner(kind.item(), &element, value)).collect();
            if left.is_empty() && count > 0 { Value::Null } else { Value::Array(left) }
        }
    }
}
