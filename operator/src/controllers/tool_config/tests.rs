//! The rules of selections of tools.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::validate::problems;

fn of(spec: Value) -> Vec<String> {
    problems(&serde_json::from_value(spec).unwrap())
}

#[test]
fn usable_selections_have_no_problems() {
    for spec in [
        json!({}),
        json!({"toolsFilter": []}),
        json!({"toolsFilter": ["create_issue"], "toolsOverride": {"createIssue": {"name": "create_issue"}}}),
        json!({"toolsOverride": {"a": {"description": "does a"}, "b": {"annotations": {"readOnlyHint": true}}}}),
    ] {
        assert_eq!(of(spec), Vec::<String>::new());
    }
}

#[test]
fn each_problem_is_named_by_its_field() {
    for (spec, expected) in [
        (json!({"toolsFilter": [""]}), "toolsFilter[0] must not be empty"),
        (json!({"toolsOverride": {"a": {}}}), "toolsOverride.a changes nothing"),
        (json!({"toolsOverride": {"a": {"name": ""}}}), "toolsOverride.a.name must not be empty"),
        (
            json!({"toolsOverride": {"a": {"name": "x"}, "b": {"name": "x"}}}),
            "toolsOverride.b.name \"a\" is called \"x\" too",
        ),
    ] {
        let problems = of(spec);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(expected), "{problems:?}");
    }
}

proptest! {
    #[test]
    fn every_selection_is_judged(
        filter in proptest::option::of(proptest::collection::vec(".{0,5}", 0..4)),
        names in proptest::collection::btree_map(".{0,3}", proptest::option::of(".{0,3}"), 0..4),
    ) {
        let overrides: serde_json::Map<_, _> =
            names.into_iter().map(|(tool, name)| (tool, name.map_or(json!({}), |name| json!({"name": name})))).collect();
        of(match filter {
            Some(filter) => json!({"toolsFilter": filter, "toolsOverride": overrides}),
            None => json!({"toolsOverride": overrides}),
        });
    }
}
