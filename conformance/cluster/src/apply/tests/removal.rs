//! What a manager no longer sends.

use serde_json::{Value, json};

use super::{Story, owner};

#[test]
fn a_dropped_field_goes_when_nobody_else_owns_it() {
    let cases: Vec<(Value, Value, Value)> = vec![
        (json!({"size": 1, "color": "red"}), json!({"size": 1}), json!({"size": 1})),
        (json!({"labels": {"a": "1", "b": "2"}}), json!({"labels": {"b": "2"}}), json!({"labels": {"b": "2"}})),
        (json!({"size": 1, "labels": {"a": "1"}}), json!({"size": 1}), json!({"size": 1})),
        (json!({"size": 1, "nested": {"a": "1"}}), json!({"size": 1}), json!({"size": 1})),
        (json!({"set": ["a", "b"]}), json!({"set": ["b"]}), json!({"set": ["b"]})),
        (json!({"atomic": ["a", "b"]}), json!({"atomic": ["b"]}), json!({"atomic": ["b"]})),
        (json!({"whole": {"a": "1"}}), json!({"whole": {"b": "1"}}), json!({"whole": {"b": "1"}})),
        (
            json!({"parts": [{"id": "a", "weight": 1}, {"id": "b", "weight": 2}]}),
            json!({"parts": [{"id": "b"}]}),
            json!({"parts": [{"id": "b"}]}),
        ),
        (json!({"raw": {"x": {"y": 1, "z": 2}}}), json!({"raw": {"x": {"z": 2}}}), json!({"raw": {"x": {"z": 2}}})),
    ];
    for (first, second, expected) in cases {
        let story = Story::new().apply("one", &first).apply("one", &second);
        assert_eq!(story.spec(), expected, "{first} then {second}");
    }
}

#[test]
fn a_dropped_field_stays_when_another_manager_owns_it() {
    let story = Story::new()
        .apply("one", &json!({"size": 1, "labels": {"a": "1"}}))
        .apply("two", &json!({"size": 1}))
        .apply("one", &json!({"labels": {"a": "1"}}));
    assert_eq!(story.spec(), json!({"size": 1, "labels": {"a": "1"}}));
    assert_eq!(
        story.owners(),
        [owner("two Apply", json!({"f:size": {}})), owner("one Apply", json!({"f:labels": {"f:a": {}}}))],
    );
}

#[test]
fn a_dropped_field_stays_when_an_update_owns_it() {
    let story = Story::new()
        .apply("one", &json!({"size": 1, "color": "red"}))
        .update("two", &json!({"size": 2, "color": "red"}))
        .apply("one", &json!({"color": "red"}));
    assert_eq!(story.spec(), json!({"size": 2, "color": "red"}));
}

#[test]
fn a_container_stays_for_those_who_have_something_in_it() {
    let story = Story::new()
        .apply("one", &json!({"parts": [{"id": "a", "weight": 1}], "labels": {"a": "1"}}))
        .apply("two", &json!({"parts": [{"id": "b"}], "labels": {"b": "2"}}))
        .apply("one", &json!({"size": 1}));
    assert_eq!(story.spec(), json!({"size": 1, "parts": [{"id": "b"}], "labels": {"b": "2"}}));
}

#[test]
fn a_field_inside_of_a_shared_item_goes_alone() {
    let story = Story::new()
        .apply("one", &json!({"parts": [{"id": "a", "weight": 1}]}))
        .apply("two", &json!({"parts": [{"id": "a", "note": "x"}]}))
        .apply("one", &json!({"parts": []}));
    assert_eq!(story.spec(), json!({"parts": [{"id": "a", "note": "x"}]}));
    assert_eq!(
        story.owners(),
        [owner("two Apply", json!({"f:parts": {"k:{\"id\":\"a\"}": {".": {}, "f:id": {}, "f:note": {}}}}))],
    );
}

#[test]
fn what_was_there_before_the_first_apply_is_not_removed() {
    let mut story = Story::new();
    story.object = Some(super::object(&json!({"size": 1, "color": "red"})));
    let story = story.apply("one", &json!({"size": 1})).apply("one", &json!({}));
    assert_eq!(story.spec(), json!({"size": 1, "color": "red"}));
    assert_eq!(
        story.owners(),
        [
            owner("one Apply", json!({})), // an empty spec is a value, too
            owner("before-first-apply Update", json!({".": {}, "f:color": {}, "f:size": {}})),
        ],
    );
}
