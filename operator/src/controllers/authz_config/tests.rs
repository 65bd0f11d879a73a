//! The rules of authorization policies.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value, reason = "specs are written in place")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::validate::problems;

const CALLS: &str = r#"permit(principal, action == Action::"call_tool", resource == Tool::"weather");"#;

fn of(kind: &str, config: Value) -> Vec<String> {
    problems(&serde_json::from_value(json!({"type": kind, "config": config})).unwrap())
}

fn of_policy(policy: &str) -> Vec<String> {
    of("cedarv1", json!({"policies": [policy]}))
}

#[test]
fn usable_policies_have_no_problems() {
    for policy in [
        CALLS,
        "permit(principal, action, resource);",
        "// everyone\npermit (principal in THVGroup::\"a, b\", action in [Action::\"x\", Action::\"y\"], resource is Tool);",
        "@id(\"one\") @hidden forbid(principal, action, resource) when { context.a == \"}\\\"\" } unless { true };",
        "permit(principal, action, resource); forbid(principal, action, resource) when { principal has claim_x };",
    ] {
        assert_eq!(of_policy(policy), Vec::<String>::new(), "{policy}");
    }
    let entities = r#"[{"uid": {"type": "User", "id": "alice"}, "attrs": {}, "parents": []}]"#;
    let config = json!({"policies": [CALLS], "entities_json": entities, "group_claim_name": "groups"});
    assert_eq!(of("cedarv1", config), Vec::<String>::new());
}

#[test]
fn each_problem_is_named_by_its_field() {
    let with = |key: &str, value: Value| {
        let mut config = json!({"policies": [CALLS]});
        config[key] = value;
        of("cedarv1", config)
    };
    for (found, expected) in [
        (of("httpv1", json!({})), "type httpv1 is not supported by this release: use cedarv1"),
        (of("rego", json!({})), "type \"rego\" is not known: use cedarv1"),
        (of("cedarv1", json!({})), "config.policies is required: list Cedar policies"),
        (of("cedarv1", json!({"policies": []})), "config.policies is required: list Cedar policies"),
        (of("cedarv1", json!({"policies": [1]})), "config.policies[0]: it is no text"),
        (with("entities_json", json!([])), "config.entities_json is no text"),
        (with("entities_json", json!("{}")), "config.entities_json is no JSON list"),
        (with("entities_json", json!("[{\"uid\": 1}]")), "config.entities_json[0] has no uid"),
        (with("role_claim_name", json!(1)), "config.role_claim_name is no text"),
        (with("group_entity_type", json!("A::B")), "config.group_entity_type \"A::B\" is no Cedar identifier"),
        (with("policy", json!("")), "config.policy is no key of cedarv1"),
        (of_policy(""), "config.policies[0]: there is no policy"),
        (
            of_policy("allow(principal, action, resource);"),
            "config.policies[0]: expected permit or forbid, found allow",
        ),
        (of_policy("permit principal;"), "config.policies[0]: expected ( after permit"),
        (of_policy("permit(principal, resource, action);"), "config.policies[0]: the head is not"),
        (of_policy("permit(principal, action, resource)"), "config.policies[0]: a policy ends without ;"),
        (of_policy("permit(principal, action, resource"), "config.policies[0]: ) is missing"),
        (of_policy("permit(principal, action, resource) when true;"), "config.policies[0]: expected { after when"),
        (of_policy("permit(principal, action, resource) when {};"), "config.policies[0]: the condition after when"),
        (of_policy("permit(principal, action, resource) when { a ];"), "config.policies[0]: ] closes nothing"),
        (of_policy("permit(principal, action, resource) if { a };"), "config.policies[0]: expected when, unless or ;"),
        (of_policy("permit(principal == \"a, action, resource);"), "config.policies[0]: a text in quotes does not end"),
        (of_policy("@id(\"a\")"), "config.policies[0]: an annotation is followed by no policy"),
    ] {
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(expected), "{found:?} instead of {expected}");
    }
}

proptest! {
    #[test]
    fn every_text_is_judged(policy in "[a-z@(){}\\[\\];,\"\\\\/ ]{0,24}", entities in ".{0,16}") {
        of("cedarv1", json!({"policies": [policy], "entities_json": entities}));
    }
}
