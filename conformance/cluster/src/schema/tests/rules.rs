//! CEL rules.

use serde_json::{Value, json};

use super::{object, openapi, schema, texts};
use crate::schema::Schema;

/// The errors of a rule on `spec.f`.
fn check(of_f: &Value, rule: &Value, new: &Value, old: Option<&Value>) -> Vec<String> {
    let mut of_f = of_f.clone();
    of_f["x-kubernetes-validations"] = json!([rule]);
    let wrap = |value: &Value| object(&json!({"f": value}));
    let old = old.map(wrap);
    texts(&schema(&json!({"f": of_f})).validate(&wrap(new), old.as_ref()))
}

#[test]
fn a_broken_rule_says_its_message() {
    let text = json!({"type": "string"});
    let map = json!({"type": "object", "properties": {"a": {"type": "string"}, "b-c": {"type": "integer"}}});
    let cases = [
        (&text, json!({"rule": "self == 'x'"}), json!("y"), r#"spec.f: Invalid value: "y": failed rule: self == 'x'"#),
        (&text, json!({"rule": "self == 'x'", "message": " be x "}), json!("y"), r#"spec.f: Invalid value: "y": be x"#),
        (
            &text,
            json!({"rule": "self == 'x'", "messageExpression": "'is ' + self", "message": "be x"}),
            json!("y"),
            r#"spec.f: Invalid value: "y": is y"#,
        ),
        (
            &text,
            json!({"rule": "self == 'x'", "messageExpression": "''", "message": "be x"}),
            json!("y"),
            r#"spec.f: Invalid value: "y": be x"#,
        ),
        (&map, json!({"rule": "has(self.a)", "message": "a"}), json!({}), "spec.f: Invalid value: a"),
        (
            &map,
            json!({"rule": "has(self.a)", "message": "a", "reason": "FieldValueRequired", "fieldPath": ".a"}),
            json!({}),
            "spec.f.a: Required value: a",
        ),
        (
            &map,
            json!({"rule": "!has(self.a)", "message": "no a", "reason": "FieldValueForbidden"}),
            json!({"a": "x"}),
            "spec.f: Forbidden: no a",
        ),
        (
            &text,
            json!({"rule": "false", "reason": "FieldValueDuplicate"}),
            json!("y"),
            r#"spec.f: Duplicate value: "y""#,
        ),
        (
            &map,
            json!({"rule": "self.a == 'x'", "message": "be x"}),
            json!({}),
            r#"spec.f: Invalid value: "object": no such key: a evaluating rule: be x"#,
        ),
        (
            &map,
            json!({"rule": "self.b__dash__c / 0 == 1"}),
            json!({"b-c": 1}),
            r#"spec.f: Invalid value: "object": division by zero evaluating rule: self.b__dash__c / 0 == 1"#,
        ),
    ];
    for (of_f, rule, value, expected) in cases {
        assert_eq!(check(of_f, &rule, &value, None), [expected], "{rule}");
    }
}

#[test]
fn values_are_typed_by_the_schema() {
    let cases = [
        (
            json!({"type": "string", "format": "date-time"}),
            json!("2026-01-01T00:00:00Z"),
            "self > timestamp('2025-01-01T00:00:00Z')",
        ),
        (json!({"type": "string", "format": "duration"}), json!("1h30m"), "self > duration('1h')"),
        (json!({"type": "string", "format": "byte"}), json!("aGk="), "size(self) == 2"),
        (json!({"type": "number"}), json!(2), "self == 2.0"),
        (json!({"type": "integer"}), json!(2), "self % 2 == 0"),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!("50%"),
            "type(self) == string ? self.endsWith('%') : self > 0",
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"a-b": "x"}),
            "self['a-b'] == 'x'",
        ),
        (
            json!({"type": "array", "maxItems": 9, "items": {"type": "string"}}),
            json!(["a", "b"]),
            "self.exists(x, x == 'b')",
        ),
        (
            json!({"type": "object", "properties": {"snake_case": {"type": "string"}}}),
            json!({"snake_case": "x"}),
            "self.snake_case == 'x'",
        ),
        (
            json!({"type": "string"}),
            json!("https://example.com/a"),
            "isURL(self) && url(self).getHostname() == 'example.com'",
        ),
    ];
    for (of_f, value, rule) in cases {
        assert_eq!(check(&of_f, &json!({"rule": rule}), &value, None), Vec::<String>::new(), "{rule}");
    }
}

#[test]
fn transition_rules_wait_for_an_old_value() {
    let text = json!({"type": "string"});
    let immutable = json!({"rule": "self == oldSelf", "message": "immutable"});
    let (a, b) = (json!("a"), json!("b"));
    assert_eq!(check(&text, &immutable, &a, None), Vec::<String>::new());
    assert_eq!(check(&text, &immutable, &a, Some(&a)), Vec::<String>::new());
    assert_eq!(check(&text, &immutable, &b, Some(&a)), [r#"spec.f: Invalid value: "b": immutable"#]);

    let optional =
        json!({"rule": "oldSelf.hasValue() || self == 'a'", "optionalOldSelf": true, "message": "begin with a"});
    assert_eq!(check(&text, &optional, &b, None), [r#"spec.f: Invalid value: "b": begin with a"#]);
    assert_eq!(check(&text, &optional, &b, Some(&a)), Vec::<String>::new());
}

#[test]
fn items_of_a_map_list_have_an_old_value_and_others_have_not() {
    let list = |extra: Value| {
        let mut list = json!({
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string"},
                    "n": {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= oldSelf", "message": "grow"}]},
                },
            },
        });
        list.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        schema(&json!({"f": list}))
    };
    let old = object(&json!({"f": [{"id": "a", "n": 2}, {"id": "b", "n": 2}]}));
    let new = object(&json!({"f": [{"id": "b", "n": 1}, {"id": "a", "n": 3}, {"id": "c", "n": 0}]}));
    let map = list(json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"]}));
    assert_eq!(texts(&map.validate(&new, Some(&old))), ["spec.f[0].n: Invalid value: 1: grow"]);
    assert_eq!(texts(&list(json!({})).validate(&new, Some(&old))), Vec::<String>::new());
}

#[test]
fn a_rule_that_was_broken_before_is_tolerated_while_its_value_stays() {
    let schema = schema(&json!({
        "f": {"type": "string", "x-kubernetes-validations": [{"rule": "self == 'x'", "message": "be x"}]},
        "g": {"type": "integer"},
    }));
    let object = |f: &str, g: u8| object(&json!({"f": f, "g": g}));
    assert_eq!(schema.validate(&object("y", 2), Some(&object("y", 1))), []);
    assert_eq!(
        texts(&schema.validate(&object("z", 1), Some(&object("y", 1)))),
        [r#"spec.f: Invalid value: "z": be x"#],
    );
}

#[test]
fn rules_are_not_checked_on_an_unsound_object() {
    let schema = schema(&json!({
        "f": {"type": "string", "enum": ["x"], "x-kubernetes-validations": [{"rule": "false"}]},
        "g": {"type": "integer", "minimum": 1},
    }));
    assert_eq!(
        texts(&schema.validate(&object(&json!({"f": "y"})), None)),
        [
            r#"spec.f: Unsupported value: "y": supported values: "x""#,
            "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; \
             correct the existing errors to complete validation",
        ],
    );
    assert_eq!(
        texts(&schema.validate(&object(&json!({"f": "x", "g": 0})), None)),
        [
            "spec.g: Invalid value: 0: spec.g in body should be greater than or equal to 1",
            r#"spec.f: Invalid value: "x": failed rule: false"#,
        ],
    );
}

#[test]
fn a_rule_at_the_root_sees_the_name() {
    let mut schema = openapi(&json!({}));
    schema["x-kubernetes-validations"] =
        json!([{"rule": "self.metadata.name.startsWith('b')", "message": "begin with b"}]);
    let schema = Schema::compile(&schema).unwrap();
    assert_eq!(texts(&schema.validate(&object(&json!({})), None)), ["<nil>: Invalid value: begin with b"]);
}

#[test]
fn rules_that_cannot_work_are_refused_with_the_schema() {
    let compile = |rule: Value| {
        let mut of_f = json!({"type": "object", "properties": {
            "a": {"type": "string"},
            "list": {"type": "array", "items": {"type": "object", "properties": {"b": {"type": "string"}}}},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"b": {"type": "string"}}}},
        }});
        of_f["x-kubernetes-validations"] = json!([rule]);
        match Schema::compile(&openapi(&json!({"f": of_f}))) {
            Ok(_) => String::new(),
            Err(errors) => {
                errors[0].to_string().replacen("properties[spec].properties[f].x-kubernetes-validations[0].", "", 1)
            }
        }
    };
    let shown = |rule: &str| {
        format!(
            r#"{{"Rule":"{rule}","Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}}"#
        )
    };
    for fine in [
        "has(self.a)",
        "self.list.all(x, has(x.b))",
        "self.map.all(k, self.map[k].b == k)",
        "sets.contains(['a'], [self.a])",
        "quantity('1').isLessThan(quantity('2'))",
        "format.dns1123Label().validate(self.a).hasValue()",
        "self.a == oldSelf.a",
    ] {
        assert_eq!(compile(json!({"rule": fine})), "", "{fine}");
    }
    let cases = [
        ("self.nope == 1", "ERROR: <input>:1:5: undefined field 'nope'\n | self.nope == 1\n | ....^"),
        (
            "self.list.all(x, x.c == '')",
            "ERROR: <input>:1:19: undefined field 'c'\n | self.list.all(x, x.c == '')\n | ..................^",
        ),
        (
            "self.map['k'].c == ''",
            "ERROR: <input>:1:14: undefined field 'c'\n | self.map['k'].c == ''\n | .............^",
        ),
        ("other == 1", "ERROR: <input>:1:1: undeclared reference to 'other' (in container '')\n | other == 1\n | ^"),
    ];
    for (rule, problem) in cases {
        let expected = format!("rule: Invalid value: {}: compilation failed: {problem}", shown(rule));
        assert_eq!(compile(json!({"rule": rule})), expected);
    }
    assert!(compile(json!({"rule": "self.a =="})).contains("compilation failed: ERROR: <input>:1:"));
    assert_eq!(compile(json!({"rule": " "})), "rule: Required value: rule is not specified");
    assert_eq!(
        compile(json!({"rule": "true", "reason": "Odd"})),
        "reason: Unsupported value: \"Odd\": supported values: \"FieldValueRequired\", \"FieldValueForbidden\", \
         \"FieldValueInvalid\", \"FieldValueDuplicate\"",
    );
    assert_eq!(
        compile(json!({"rule": "true", "fieldPath": ".nope"})),
        "fieldPath: Invalid value: \".nope\": fieldPath must be a valid path: does not refer to a valid field",
    );
}
