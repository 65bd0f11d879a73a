#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::json;

use super::*;

const HERE: Position = Position { line: 3, column: 10 };

fn expression(text: &str) -> Expression {
    Expression::compile(text, HERE).unwrap()
}

fn object() -> Variables {
    let object = json!({
        "metadata": {"name": "x", "generation": 2},
        "status": {"phase": "Failed", "conditions": [{"type": "Valid", "status": "False", "reason": "ConfigInvalid"}]},
    });
    Variables::new()
        .with("status", object["status"].clone())
        .with("object", object)
        .with("names", json!(["a", "b"]))
        .with("nothing", json!(null))
}

fn mismatch(text: &str) -> Mismatch {
    expression(text).check(&object()).unwrap().unwrap_err()
}

#[test]
fn a_missing_key_is_false_in_conditions() {
    for text in [
        "status.url == 'x'",
        "object.condition('Ready').status == 'True'",
        "status.conditions[7].type == 'x'",
        "nothing.deeper == 1",
        "nothing.contains('x')",
        "status.url.contains('x') && status.phase == 'Failed'",
    ] {
        assert_eq!(expression(text).holds(&object()), Ok(false), "{text}");
    }
}

#[test]
fn the_other_side_of_an_alternative_decides_when_a_key_is_missing() {
    for text in [
        "status.url == 'x' || status.phase == 'Failed'",
        "status.phase == 'Failed' || status.url == 'x'",
        "names.exists(n, n.missing == 'x' || n == 'a')",
        "!has(status.url)",
        "object.condition('Valid').reason == 'ConfigInvalid'",
        "object.metadata.generation == 2 && size(names) == 2",
        "names == ['a', 'b']",
        "nothing == null",
        "base64('a') == 'YQ==' && unbase64('YQ==') == 'a' && json('[1]')[0] == 1",
    ] {
        assert_eq!(expression(text).holds(&object()), Ok(true), "{text}");
    }
}

#[test]
fn a_failed_expectation_says_which_clause_and_what_the_values_were() {
    let failure = mismatch("status.phase != '' && status.phase == 'Valid'");
    assert_eq!(failure.expected, "status.phase == 'Valid'");
    assert_eq!(failure.got, r#"status.phase is "Failed""#);
    assert_eq!(failure.at, Position { line: 3, column: 32 });
}

#[test]
fn a_missing_path_is_named_with_what_stands_there_instead() {
    let failure = mismatch("object.metadata.labels.app == 'x'");
    assert_eq!(
        failure.got,
        r#"object.metadata.labels.app is missing (object.metadata is {"generation":2,"name":"x"})"#
    );
    let failure = mismatch("object.condition('Ready').status == 'True'");
    assert!(failure.got.starts_with("object.condition('Ready').status is missing"), "{}", failure.got);
}

#[test]
fn collections_are_shown_by_what_is_asked_of_them() {
    assert_eq!(mismatch("size(names) == 3").got, "size(names) is 2");
    assert_eq!(mismatch("names.exists(n, n == 'c')").got, r#"names is ["a","b"]"#);
}

#[test]
fn a_syntax_error_points_into_the_text() {
    let error = Expression::compile("status.phase = 'x'", HERE).unwrap_err();
    assert_eq!(error.at.line, 3);
    assert!(error.at.column > 10, "{error:?}");
}

#[test]
fn an_unknown_function_is_the_authors_fault_not_false() {
    assert!(expression("nosuch(status)").holds(&object()).is_err());
}

#[test]
fn free_variables_leave_out_those_of_macros() {
    let names: Vec<String> = expression("items.all(i, i.a == row.b) && size(other) > 0")
        .variables()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["items", "row", "other"]);
}
