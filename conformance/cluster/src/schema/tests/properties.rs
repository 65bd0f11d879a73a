//! Laws that hold for every object.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{object, schema};
use crate::schema::Schema;

fn sample() -> Schema {
    schema(&json!({
        "a": {"type": "string", "default": "x"},
        "b": {"type": "object", "default": {}, "properties": {"a": {"type": "integer", "default": 1}, "c": {"type": "string", "nullable": true}}},
        "c": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "boolean", "default": false}}}},
        "d": {"type": "object", "additionalProperties": {"type": "object", "properties": {"b": {"type": "string"}}}},
        "e": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": {"type": "object", "properties": {"b": {"type": "string", "default": "y"}}}}},
    }))
}

/// Any JSON whose field names the schema may know.
fn any_json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-f]", inner, 0..5).prop_map(|fields| json!(fields)),
        ]
    })
}

proptest! {
    #[test]
    fn defaulting_twice_is_defaulting_once(spec in any_json()) {
        let schema = sample();
        let mut once = object(&spec);
        schema.default(&mut once);
        let mut twice = once.clone();
        schema.default(&mut twice);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn pruning_twice_is_pruning_once(spec in any_json()) {
        let schema = sample();
        let mut once = object(&spec);
        schema.prune(&mut once);
        let mut twice = once.clone();
        prop_assert_eq!(schema.prune(&mut twice), Vec::<String>::new());
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn a_valid_object_stays_valid_when_defaulted_and_pruned(spec in any_json()) {
        let schema = sample();
        let mut value = object(&spec);
        schema.default(&mut value);
        if schema.validate(&value, None).is_empty() {
            schema.prune(&mut value);
            schema.default(&mut value);
            prop_assert_eq!(schema.validate(&value, None), vec![]);
        }
    }

    #[test]
    fn an_unchanged_object_is_never_refused(spec in any_json()) {
        let value = object(&spec);
        prop_assert_eq!(sample().validate(&value, Some(&value)), vec![]);
    }
}
