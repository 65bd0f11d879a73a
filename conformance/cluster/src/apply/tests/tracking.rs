//! Ordinary writes, times, and the list of managers itself.

use serde_json::{Value, json};

use super::{Story, owner, track};

#[test]
fn a_create_owns_everything_down_to_the_containers() {
    let story = Story::new().update("one", &json!({
        "size": 1, "labels": {"a": "1"}, "whole": {"a": "1"}, "atomic": ["a"], "set": ["a"], "parts": [{"id": "a"}], "nested": {},
    }));
    assert_eq!(
        story.owners(),
        [owner(
            "one Update",
            json!({
                ".": {},
                "f:atomic": {},
                "f:labels": {".": {}, "f:a": {}},
                "f:nested": {},
                "f:parts": {".": {}, "k:{\"id\":\"a\"}": {".": {}, "f:id": {}}},
                "f:set": {".": {}, "v:\"a\"": {}},
                "f:size": {},
                "f:whole": {},
            })
        )],
    );
}

#[test]
fn an_update_takes_what_it_changes_and_no_more() {
    let story = Story::new()
        .update("one", &json!({"size": 1, "color": "red", "parts": [{"id": "a", "weight": 1}]}))
        .update("two", &json!({"size": 2, "parts": [{"id": "a", "weight": 2}, {"id": "b"}]}));
    assert_eq!(
        story.owners(),
        [
            owner("one Update", json!({".": {}, "f:parts": {".": {}, "k:{\"id\":\"a\"}": {".": {}, "f:id": {}}}})),
            owner(
                "two Update",
                json!({
                    "f:parts": {"k:{\"id\":\"a\"}": {"f:weight": {}}, "k:{\"id\":\"b\"}": {".": {}, "f:id": {}}},
                    "f:size": {},
                })
            ),
        ],
    );
}

#[test]
fn times_stay_when_nothing_changes() {
    let story = Story::new().apply("one", &json!({"size": 1}));
    let before = story.object.clone();
    let story = story.apply("one", &json!({"size": 1}));
    assert_eq!(story.object, before);
    let story = story.update("two", &json!({"size": 1}));
    assert_eq!(story.object, before);
    let story = story.apply("one", &json!({"size": 2}));
    assert_eq!(story.entries()[0]["time"], "2026-01-01T00:00:04Z");
}

#[test]
fn appliers_come_first_and_then_the_order_is_that_of_time() {
    let story = Story::new()
        .update("u", &json!({"size": 1}))
        .apply("b", &json!({"color": "red"}))
        .apply("a", &json!({"labels": {"a": "1"}}));
    let names: Vec<String> = story.owners().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b Apply", "a Apply", "u Update"]);
}

#[test]
fn subresources_have_managers_of_their_own() {
    let mut story = Story::new().update("one", &json!({"size": 1}));
    let old = story.object.clone();
    let mut new = old.clone().unwrap();
    new["status"] = json!({"phase": "Ready"});
    let request = story.update_request("one", Some("status"));
    track(old.as_ref(), &mut new, &request, &story.model);
    story.object = Some(new);
    let entries = story.entries();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1]["subresource"], "status");
    assert_eq!(entries[1]["fieldsV1"], json!({"f:status": {".": {}, "f:phase": {}}}));
}

#[test]
fn nobody_owns_what_the_server_writes() {
    let mut story = Story::new();
    let mut new = super::object(&json!({"size": 1}));
    new["metadata"] = json!({
        "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "1", "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"a": "1"}, "finalizers": ["example.com/hold"],
    });
    let request = story.update_request("one", None);
    track(None, &mut new, &request, &story.model);
    assert_eq!(
        new["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"],
        json!({"f:finalizers": {".": {}, "v:\"example.com/hold\"": {}}, "f:labels": {".": {}, "f:a": {}}}),
    );
}

#[test]
fn tracking_ends_on_demand_and_does_not_begin_with_an_update() {
    let mut story = Story::new().update("one", &json!({"size": 1}));
    let old = story.object.clone();
    let mut new = old.clone().unwrap();
    new["metadata"]["managedFields"] = json!([{}]);
    let request = story.update_request("one", None);
    track(old.as_ref(), &mut new, &request, &story.model);
    assert_eq!(new["metadata"].get("managedFields"), None);
    story.object = Some(new);
    assert_eq!(story.update("two", &json!({"size": 2})).entries(), Vec::<Value>::new());
}

#[test]
fn the_oldest_of_too_many_updaters_are_merged() {
    let mut story = Story::new();
    let mut labels = json!({});
    for number in 0..12 {
        labels[format!("l{number:02}")] = json!("x");
        story = story.update(&format!("u{number:02}"), &json!({"labels": labels}));
    }
    let names: Vec<String> = story.owners().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 10);
    assert_eq!(names[..2], ["ancient-changes Update", "u03 Update"]);
    assert_eq!(story.owners()[0].1, json!({".": {}, "f:labels": {".": {}, "f:l00": {}, "f:l01": {}, "f:l02": {}}}),);
}

#[test]
fn an_apply_at_another_version_of_the_same_schema_is_the_same_manager() {
    let mut story = Story::new().apply("one", &json!({"size": 1, "color": "red"}));
    let request = super::ApplyRequest {
        manager: "one".to_owned(),
        force: false,
        subresource: None,
        api_version: "example.com/v2".to_owned(),
        now: story.now(),
    };
    let config = super::object(&json!({"size": 1}));
    story.object = Some(super::apply(story.object.as_ref(), &config, &request, &story.model).unwrap());
    assert_eq!(story.spec(), json!({"size": 1}));
    assert_eq!(story.entries().len(), 1);
    assert_eq!(story.entries()[0]["apiVersion"], "example.com/v2");
}

#[test]
fn an_apply_cannot_set_what_the_server_writes() {
    let mut story = Story::new().apply("one", &json!({"size": 1}));
    if let Some(object) = &mut story.object {
        object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        object["status"] = json!({"phase": "Ready"});
    }
    let mut config = super::object(&json!({"size": 1}));
    config["metadata"]["creationTimestamp"] = Value::Null;
    config["status"] = json!({"phase": "Pending"});
    let request = super::ApplyRequest {
        manager: "one".to_owned(),
        force: false,
        subresource: None,
        api_version: "example.com/v1".to_owned(),
        now: story.now(),
    };
    let object = super::apply(story.object.as_ref(), &config, &request, &story.model).unwrap();
    assert_eq!(Some(object), story.object);
}
