//! What a schema does to objects, in tables.
#![allow(clippy::unwrap_used, clippy::panic)]

mod properties;
mod rules;
mod structure;

use serde_json::{Value, json};

use super::{FieldError, Schema};

/// A schema with these properties of `spec`.
fn schema(properties: &Value) -> Schema {
    Schema::compile(&openapi(properties)).unwrap()
}

fn openapi(properties: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": properties}},
    })
}

fn object(spec: &Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec})
}

fn texts(errors: &[FieldError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn values_are_refused_in_the_words_of_the_api_server() {
    let one = |schema: Value| json!({"f": schema});
    let cases = [
        (
            json!({"type": "string"}),
            json!(5),
            vec![r#"spec.f: Invalid value: "integer": spec.f in body must be of type string: "integer""#],
        ),
        (
            json!({"type": "string"}),
            json!(1.5),
            vec![r#"spec.f: Invalid value: "number": spec.f in body must be of type string: "number""#],
        ),
        (
            json!({"type": "boolean"}),
            json!("yes"),
            vec![r#"spec.f: Invalid value: "string": spec.f in body must be of type boolean: "string""#],
        ),
        (
            json!({"type": "string"}),
            json!(null),
            vec![r#"spec.f: Invalid value: "null": spec.f in body must be of type string: "null""#],
        ),
        (json!({"type": "string", "nullable": true}), json!(null), vec![]),
        (json!({"type": "integer"}), json!(2.0), vec![]),
        (json!({"type": "number"}), json!(2), vec![]),
        (
            json!({"type": "integer", "format": "int32"}),
            json!(3_000_000_000_u64),
            vec![r#"<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.f"#],
        ),
        (
            json!({"type": "integer", "multipleOf": 5}),
            json!(7),
            vec!["spec.f: Invalid value: 7: spec.f in body should be a multiple of 5"],
        ),
        (
            json!({"type": "number", "minimum": 0.5}),
            json!(0.25),
            vec!["spec.f: Invalid value: 0.25: spec.f in body should be greater than or equal to 0.5"],
        ),
        (
            json!({"type": "integer", "minimum": 1, "exclusiveMinimum": true}),
            json!(1),
            vec!["spec.f: Invalid value: 1: spec.f in body should be greater than 1"],
        ),
        (
            json!({"type": "integer", "maximum": 1, "exclusiveMaximum": true}),
            json!(1),
            vec!["spec.f: Invalid value: 1: spec.f in body should be less than 1"],
        ),
        (
            json!({"type": "string", "maxLength": 2}),
            json!("äöü"),
            vec!["spec.f: Too long: may not be more than 2 bytes"],
        ),
        (json!({"type": "string", "maxLength": 3}), json!("äöü"), vec![]),
        (
            json!({"type": "string", "minLength": 1}),
            json!(""),
            vec![r#"spec.f: Invalid value: "": spec.f in body should be at least 1 chars long"#],
        ),
        (
            json!({"type": "string", "pattern": "^a+$"}),
            json!("b"),
            vec![r#"spec.f: Invalid value: "b": spec.f in body should match '^a+$'"#],
        ),
        (
            json!({"type": "string", "format": "ipv4"}),
            json!("x"),
            vec![r#"spec.f: Invalid value: "x": spec.f in body must be of type ipv4: "x""#],
        ),
        (
            json!({"type": "string", "enum": ["a", "b"]}),
            json!("c"),
            vec![r#"spec.f: Unsupported value: "c": supported values: "a", "b""#],
        ),
        (
            json!({"type": "integer", "enum": [1, 2]}),
            json!(3),
            vec![r#"spec.f: Unsupported value: 3: supported values: "1", "2""#],
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "maxItems": 1}),
            json!(["a", "b"]),
            vec!["spec.f: Too many: 2: must have at most 1 item"],
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
            json!([]),
            vec!["spec.f: Invalid value: 0: spec.f in body should have at least 1 items"],
        ),
        (
            json!({"type": "array", "items": {"type": "string"}}),
            json!(["a", 1]),
            vec![r#"spec.f[1]: Invalid value: "integer": spec.f[1] in body must be of type string: "integer""#],
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}),
            json!(["a", "b", "a"]),
            vec![r#"spec.f[2]: Duplicate value: "a""#],
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "integer"}}),
            json!({"k": "v"}),
            vec![r#"spec.f.k: Invalid value: "string": spec.f.k in body must be of type integer: "string""#],
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"]}),
            json!({}),
            vec!["spec.f.a: Required value", "spec.f.b: Required value"],
        ),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!([]),
            vec![r#"spec.f: Invalid value: "array": spec.f in body must be of type integer,string: "array""#],
        ),
    ];
    for (schema_of_f, value, expected) in cases {
        let schema = schema(&one(schema_of_f.clone()));
        let errors = schema.validate(&object(&json!({"f": value})), None);
        assert_eq!(texts(&errors), expected, "{value} against {schema_of_f}");
    }
}

#[test]
fn combinations_explain_the_best_failure() {
    let branches = json!([{"required": ["a"]}, {"required": ["b"]}]);
    let check = |keyword: &str, branches: &Value, value: Value| {
        let mut of_f = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}});
        of_f[keyword] = branches.clone();
        texts(&schema(&json!({"f": of_f})).validate(&object(&json!({"f": value})), None))
    };
    assert_eq!(check("anyOf", &branches, json!({"b": "x"})), Vec::<String>::new());
    assert_eq!(
        check("anyOf", &branches, json!({})),
        [r#"<nil>: Invalid value: "": "spec.f" must validate at least one schema (anyOf)"#, "spec.f.a: Required value"],
    );
    assert_eq!(
        check("oneOf", &branches, json!({"a": "x", "b": "y"})),
        [
            r#"<nil>: Invalid value: "": "spec.f" must validate one and only one schema (oneOf). Found 2 valid alternatives"#
        ],
    );
    assert_eq!(
        check("oneOf", &branches, json!({})),
        [
            r#"<nil>: Invalid value: "": "spec.f" must validate one and only one schema (oneOf). Found none valid"#,
            "spec.f.a: Required value",
        ],
    );
    assert_eq!(
        check("allOf", &branches, json!({"a": "x"})),
        ["spec.f.b: Required value", r#"<nil>: Invalid value: "": "spec.f" must validate all the schemas (allOf)"#],
    );
    assert_eq!(
        check("not", &branches[0], json!({"a": "x"})),
        [r#"<nil>: Invalid value: "": "spec.f" must not validate the schema (not)"#],
    );
}

#[test]
fn what_an_update_leaves_unchanged_is_tolerated() {
    let schema = schema(&json!({
        "a": {"type": "string", "maxLength": 1},
        "items": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["id"],
            "items": {
                "type": "object",
                "required": ["id"],
                "properties": {"id": {"type": "string"}, "n": {"type": "integer", "maximum": 1}},
            },
        },
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    }));
    let old = object(&json!({"a": "long", "items": [{"id": "x", "n": 5}], "tags": ["a", "a"]}));
    let new = object(&json!({"a": "long", "items": [{"id": "y"}, {"id": "x", "n": 5}], "tags": ["a", "a", "b"]}));
    assert_eq!(schema.validate(&new, Some(&old)), []);
    let changed = object(&json!({"a": "longer", "items": [{"id": "x", "n": 6}]}));
    assert_eq!(
        texts(&schema.validate(&changed, Some(&old))),
        [
            "spec.a: Too long: may not be more than 1 bytes",
            "spec.items[0].n: Invalid value: 6: spec.items[0].n in body should be less than or equal to 1",
        ],
    );
}

#[test]
fn defaults_fill_what_is_absent_or_a_forbidden_null() {
    let schema = schema(&json!({
        "a": {"type": "string", "default": "x"},
        "n": {"type": "string", "default": "x", "nullable": true},
        "o": {"type": "object", "default": {}, "properties": {"b": {"type": "boolean", "default": true}}},
        "p": {"type": "object", "properties": {"c": {"type": "integer", "default": 1}}},
        "l": {"type": "array", "items": {"type": "object", "properties": {"d": {"type": "string", "default": "y"}}}},
        "m": {"type": "object", "additionalProperties": {"type": "string"}},
    }));
    let cases = [
        (json!({}), json!({"a": "x", "n": "x", "o": {"b": true}})),
        (json!({"a": null, "n": null, "o": {"b": false}}), json!({"a": "x", "n": null, "o": {"b": false}})),
        (
            json!({"a": "", "n": "", "o": {}, "p": {}, "l": [{}, {"d": "z"}], "m": {"k": null, "v": "w"}}),
            json!({"a": "", "n": "", "o": {"b": true}, "p": {"c": 1}, "l": [{"d": "y"}, {"d": "z"}], "m": {"v": "w"}}),
        ),
    ];
    for (given, expected) in cases {
        let mut value = object(&given);
        schema.default(&mut value);
        assert_eq!(value["spec"], expected, "{given}");
    }
    let mut without_spec = json!({"kind": "Thing"});
    schema.default(&mut without_spec);
    assert_eq!(without_spec, json!({"kind": "Thing"}));
}

#[test]
fn unknown_fields_are_dropped_and_named() {
    let schema = schema(&json!({
        "known": {"type": "object", "properties": {"a": {"type": "string"}}},
        "raw": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"typed": {"type": "object", "properties": {"a": {"type": "string"}}}},
        },
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}}}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
        "embedded": {
            "type": "object",
            "x-kubernetes-embedded-resource": true,
            "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}},
        },
    }));
    let mut value = object(&json!({
        "known": {"a": "1", "b": 1},
        "raw": {"any": {"thing": 1}, "typed": {"a": "1", "b": 1}},
        "map": {"k": {"a": "1", "b": 1}},
        "list": [{"a": "1"}, {"b": 1}],
        "embedded": {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x", "odd": 1}, "spec": {"b": 1}, "more": 1},
    }));
    value["extra"] = json!(1);
    value["metadata"]["odd"] = json!(1);
    let dropped = schema.prune(&mut value);
    assert_eq!(
        dropped,
        [
            "extra",
            "metadata.odd",
            "spec.embedded.metadata.odd",
            "spec.embedded.more",
            "spec.embedded.spec.b",
            "spec.known.b",
            "spec.list[1].b",
            "spec.map.k.b",
            "spec.raw.typed.b",
        ],
    );
    assert_eq!(value["spec"]["raw"], json!({"any": {"thing": 1}, "typed": {"a": "1"}}));
}

#[test]
fn an_embedded_resource_says_what_it_is() {
    let schema = schema(&json!({
        "template": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
    }));
    let errors = schema.validate(&object(&json!({"template": {"kind": ""}})), None);
    assert_eq!(
        texts(&errors),
        [
            "spec.template.apiVersion: Required value: must not be empty",
            "spec.template.kind: Required value: must not be empty"
        ],
    );
}

#[test]
fn several_errors_are_aggregated_in_brackets_and_each_once() {
    let error = |field: &str| FieldError::required(field, "");
    assert_eq!(FieldError::aggregate(&[error("a")]), "a: Required value");
    assert_eq!(FieldError::aggregate(&[error("a"), error("a")]), "a: Required value");
    assert_eq!(FieldError::aggregate(&[error("a"), error("b")]), "[a: Required value, b: Required value]");
}
