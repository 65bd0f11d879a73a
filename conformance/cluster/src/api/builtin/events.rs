//! Events, which two groups serve: `v1` and `events.k8s.io/v1` are two spellings of the same objects.

use serde_json::{Value, json};

/// The newer group.
pub(crate) const NEW_GROUP: &str = "events.k8s.io";

/// Fields that are spelled differently: core, `events.k8s.io`.
const SPELLINGS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// Core to `events.k8s.io`.
pub(crate) fn to_new(event: &mut Value) {
    rename(event, SPELLINGS.iter().copied());
    drop_empty(event, &["reportingController", "reportingInstance"]);
}

/// `events.k8s.io` to core.
pub(crate) fn to_core(event: &mut Value) {
    rename(event, SPELLINGS.iter().map(|(core, new)| (*new, *core)));
    complete(event);
}

/// Fills in what a core event always shows.
pub(crate) fn complete(event: &mut Value) {
    let defaults = [
        ("source", json!({})),
        ("firstTimestamp", Value::Null),
        ("lastTimestamp", Value::Null),
        ("eventTime", Value::Null),
        ("reportingComponent", json!("")),
        ("reportingInstance", json!("")),
        ("involvedObject", json!({})),
    ];
    if let Some(fields) = event.as_object_mut() {
        for (field, value) in defaults {
            fields.entry(field).or_insert(value);
        }
    }
}

fn rename<'a>(event: &mut Value, spellings: impl Iterator<Item = (&'a str, &'a str)>) {
    let Some(fields) = event.as_object_mut() else { return };
    for (from, to) in spellings {
        if let Some(value) = fields.remove(from) {
            fields.insert(to.to_owned(), value);
        }
    }
}

fn drop_empty(event: &mut Value, names: &[&str]) {
    if let Some(fields) = event.as_object_mut() {
        for name in names {
            if fields.get(*name).is_some_and(|value| value == "") {
                fields.remove(*name);
            }
        }
    }
}
