//! What a schema must be.

use serde_json::{Value, json};

use super::{openapi, texts};
use crate::schema::Schema;

#[test]
fn schemas_that_are_not_structural_are_refused() {
    let list = |extra: Value| {
        let mut list = json!({"type": "array", "items": {"type": "object", "properties": {"id": {"type": "string"}}}});
        list.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        list
    };
    let cases = [
        (json!({}), ".type: Required value: must not be empty for specified object fields"),
        (
            json!({"type": "text"}),
            ".type: Unsupported value: \"text\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\"",
        ),
        (json!({"type": "array"}), ".items: Required value: must be specified"),
        (
            json!({"type": "array", "items": {}}),
            ".items.type: Required value: must not be empty for specified array items",
        ),
        (
            json!({"type": "string", "default": 5}),
            ".default: Invalid value: \"integer\":  in body must be of type string: \"integer\"",
        ),
        (
            json!({"type": "object", "default": {"a": 1}}),
            ".default: Invalid value: {\"a\":1}: must not have unknown fields",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": true}),
            ".additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            json!({"type": "object", "additionalProperties": false}),
            ".additionalProperties: Forbidden: additionalProperties cannot be set to false",
        ),
        (
            json!({"type": "string", "uniqueItems": true}),
            ".uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        (
            list(json!({"x-kubernetes-list-type": "bag"})),
            ".x-kubernetes-list-type: Unsupported value: \"bag\": supported values: \"atomic\", \"map\", \"set\"",
        ),
        (
            list(json!({"x-kubernetes-list-type": "map"})),
            ".x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
        ),
        (
            list(json!({"x-kubernetes-list-map-keys": ["id"]})),
            ".x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is non-empty",
        ),
        (
            list(json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["no"]})),
            ".x-kubernetes-list-map-keys[0]: Invalid value: \"no\": entries must all be names of item properties",
        ),
        (
            list(json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"]})),
            ".items.properties[id].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ),
        (
            json!({"type": "object", "anyOf": [{"properties": {"a": {"minLength": 1}}}]}),
            ".properties[a]: Required value: because it is defined in properties[spec].properties[f].anyOf[0].properties[a]",
        ),
        (
            json!({"type": "string", "allOf": [{"type": "string"}]}),
            ".allOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            json!({"type": "string", "not": {"nullable": true}}),
            ".not.nullable: Forbidden: must be false to be structural",
        ),
        (
            json!({"type": "string", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}),
            ".type: Invalid value: \"string\": must be object if x-kubernetes-embedded-resource is true",
        ),
    ];
    for (of_f, expected) in cases {
        let errors = Schema::compile(&openapi(&json!({"f": of_f}))).unwrap_err();
        assert_eq!(texts(&errors), [format!("properties[spec].properties[f]{expected}")], "{of_f}");
    }
    assert_eq!(
        texts(&Schema::compile(&json!({"type": "array", "items": {"type": "string"}})).unwrap_err()),
        ["type: Invalid value: \"array\": must be object at the root"],
    );
}

#[test]
fn an_int_or_string_may_name_its_types() {
    for of_f in [
        json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
        json!({"x-kubernetes-int-or-string": true, "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"minLength": 1}]}),
    ] {
        let schema = Schema::compile(&openapi(&json!({"f": of_f}))).unwrap();
        for value in [json!(1), json!("50%")] {
            assert_eq!(schema.validate(&super::object(&json!({"f": value})), None), [], "{of_f}");
        }
    }
}
