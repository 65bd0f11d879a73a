//! Merging of lists.

use serde_json::{Value, json};

use super::Story;

#[test]
fn merged_items_keep_an_order_that_contradicts_neither_side() {
    let cases = [
        (vec!["a", "b"], vec!["c"], vec!["a", "b", "c"]),
        (vec!["a", "b", "c"], vec!["b", "x"], vec!["a", "b", "c", "x"]),
        (vec!["a", "b", "c"], vec!["x", "b"], vec!["a", "x", "b", "c"]),
        (vec!["a", "b", "c"], vec!["c", "a"], vec!["b", "c", "a"]),
        (vec!["a"], vec!["b", "a", "c"], vec!["b", "a", "c"]),
        (vec![], vec!["a"], vec!["a"]),
    ];
    for (live, config, expected) in cases {
        let set = Story::new().apply("one", &json!({"set": live})).apply("two", &json!({"set": config}));
        assert_eq!(set.spec(), json!({"set": expected}), "{live:?} with {config:?}");
        let items = |ids: &[&str]| json!({"parts": ids.iter().map(|id| json!({"id": id})).collect::<Vec<Value>>()});
        let map = Story::new().apply("one", &items(&live)).apply("two", &items(&config));
        assert_eq!(map.spec(), items(&expected), "{live:?} with {config:?}");
    }
}

#[test]
fn keys_have_their_defaults() {
    let story = Story::new()
        .apply(
            "one",
            &json!({"ports": [{"port": 80, "protocol": "TCP", "name": "http"}, {"port": 80, "protocol": "UDP"}]}),
        )
        .apply("two", &json!({"ports": [{"port": 80, "name": "http"}]}));
    assert_eq!(story.spec()["ports"].as_array().map(Vec::len), Some(2));
    let owned = &story.owners()[1].1["f:ports"];
    assert_eq!(owned, &json!({"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}}}));
}

#[test]
fn an_empty_list_claims_nothing_and_removes_what_it_owned() {
    let story = Story::new()
        .apply("one", &json!({"parts": [{"id": "a"}], "size": 1}))
        .apply("one", &json!({"parts": [], "size": 1}));
    assert_eq!(story.spec(), json!({"size": 1}));
}

#[test]
fn stored_duplicates_do_not_stop_an_apply() {
    let mut story = Story::new().apply("one", &json!({"size": 1}));
    if let Some(object) = &mut story.object {
        object["spec"]["set"] = json!(["a", "a"]);
    }
    let story = story.apply("one", &json!({"size": 2}));
    assert_eq!(story.spec(), json!({"size": 2, "set": ["a", "a"]}));
}
