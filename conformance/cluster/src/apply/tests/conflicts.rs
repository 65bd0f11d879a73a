//! What others own.

use serde_json::json;

use super::{ApplyError, Story, owner};

#[test]
fn another_value_for_what_another_manager_owns_is_a_conflict() {
    let base = || {
        Story::new().apply(
            "one",
            &json!({
                "size": 1, "labels": {"a": "1"}, "whole": {"a": "1"}, "atomic": ["a"], "set": ["a"],
                "parts": [{"id": "a", "weight": 1}],
            }),
        )
    };
    let cases = [
        (json!({"size": 2}), ".spec.size"),
        (json!({"labels": {"a": "2"}}), ".spec.labels.a"),
        (json!({"whole": {"a": "1", "b": "2"}}), ".spec.whole"),
        (json!({"atomic": ["a", "b"]}), ".spec.atomic"),
        (json!({"parts": [{"id": "a", "weight": 2}]}), ".spec.parts[id=\"a\"].weight"),
    ];
    for (spec, path) in cases {
        assert_eq!(base().conflicts("two", &spec), [format!("{path}: conflict with \"one\"")], "{spec}");
    }
    let harmless = [
        json!({"size": 1}),
        json!({"labels": {"b": "2"}}),
        json!({"set": ["b"]}),
        json!({"parts": [{"id": "a", "note": "x"}, {"id": "b", "weight": 2}]}),
        json!({"whole": {"a": "1"}, "atomic": ["a"]}),
    ];
    for spec in harmless {
        base().apply("two", &spec);
    }
}

#[test]
fn several_conflicts_are_listed_by_manager() {
    let mut story = Story::new()
        .apply("one", &json!({"size": 1, "color": "red"}))
        .update("upd", &json!({"size": 1, "color": "red", "atomic": ["a"]}));
    let Err(ApplyError::Conflicts { message, conflicts }) =
        story.try_apply("two", false, &json!({"size": 2, "color": "blue", "atomic": ["b"]}))
    else {
        panic!("expected conflicts");
    };
    assert_eq!(
        message,
        "Apply failed with 3 conflicts: conflicts with \"one\":\n- .spec.color\n- .spec.size\n\
         conflicts with \"upd\" using example.com/v1:\n- .spec.atomic",
    );
    assert_eq!(conflicts.len(), 3);
    assert_eq!(conflicts[2].message, "conflict with \"upd\" using example.com/v1");
}

#[test]
fn force_takes_the_field_from_its_owner() {
    let story = Story::new().apply("one", &json!({"size": 1, "color": "red"})).force("two", &json!({"size": 2}));
    assert_eq!(story.spec(), json!({"size": 2, "color": "red"}));
    assert_eq!(story.owners(), [owner("one Apply", json!({"f:color": {}})), owner("two Apply", json!({"f:size": {}}))],);
}

#[test]
fn what_two_managers_own_goes_with_the_second() {
    let shared = || Story::new().apply("one", &json!({"size": 1})).apply("two", &json!({"size": 1}));
    assert_eq!(shared().apply("one", &json!({})).spec(), json!({"size": 1}));
    assert_eq!(shared().conflicts("one", &json!({"size": 2})), [".spec.size: conflict with \"two\""]);
}

#[test]
fn configurations_that_have_no_type_are_refused() {
    let cases = [
        (json!({"bogus": 1}), ".spec.bogus: field not declared in schema"),
        (json!({"parts": [{"id": "a"}, {"id": "a"}]}), ".spec.parts: duplicate entries for key [id=\"a\"]"),
        (json!({"set": ["a", "a"]}), ".spec.set: duplicate entries for key [=\"a\"]"),
        (
            json!({"parts": [{"weight": 1}]}),
            ".spec.parts: element 0: associative list with keys has an element that omits key field \"id\" \
             (and doesn't have default value)",
        ),
        (
            json!({"bogus": 1, "odd": 1}),
            "errors:\n  .spec.bogus: field not declared in schema\n  .spec.odd: field not declared in schema",
        ),
    ];
    for (spec, problem) in cases {
        let Err(ApplyError::Invalid { code, message }) = Story::new().try_apply("one", false, &spec) else {
            panic!("expected a refusal of {spec}");
        };
        assert_eq!(code, 500);
        assert_eq!(
            message,
            format!("failed to create typed patch object (n/a; example.com/v1, Kind=Thing): {problem}")
        );
    }
}

#[test]
fn managed_fields_cannot_be_applied() {
    let mut config = super::object(&json!({}));
    config["metadata"]["managedFields"] = json!([{"manager": "x", "operation": "Apply"}]);
    let mut story = Story::new();
    let request = super::ApplyRequest {
        manager: "one".to_owned(),
        force: false,
        subresource: None,
        api_version: "example.com/v1".to_owned(),
        now: story.now(),
    };
    let error = super::apply(None, &config, &request, &story.model).unwrap_err();
    assert_eq!(error.to_string(), "metadata.managedFields must be nil");
}
