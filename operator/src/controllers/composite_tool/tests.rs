//! What the status of workflows says.
#![allow(clippy::unwrap_used, clippy::panic)]

use k8s_openapi::jiff::Timestamp;
use operator_api::{VirtualMCPCompositeToolDefinition, WorkflowValidation, find_condition};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    controllers::configuration::Configuration,
    runtime::{Kind, ObjectKey, Target},
};

fn definition(steps: &Value) -> VirtualMCPCompositeToolDefinition {
    serde_json::from_value(json!({
        "apiVersion": "toolhive.stacklok.dev/v1beta1", "kind": "VirtualMCPCompositeToolDefinition",
        "metadata": {"name": "a", "namespace": "tools", "generation": 3},
        "spec": {"name": "workflow", "description": "does a thing", "steps": steps}
    }))
    .unwrap()
}

#[test]
fn each_fault_has_its_reason() {
    for (steps, status, reason, ready) in [
        (json!([{"id": "a", "tool": "t"}]), WorkflowValidation::Valid, "ValidationSuccess", "WorkflowReady"),
        (json!([]), WorkflowValidation::Invalid, "ValidationFailed", "WorkflowNotReady"),
        (json!([{"id": "a"}]), WorkflowValidation::Invalid, "ToolNotFound", "WorkflowNotReady"),
        (
            json!([{"id": "a", "tool": "t", "condition": "{{"}]),
            WorkflowValidation::Invalid,
            "TemplateInvalid",
            "WorkflowNotReady",
        ),
        (
            json!([{"id": "a", "tool": "t", "dependsOn": ["a"]}]),
            WorkflowValidation::Invalid,
            "DependencyCycle",
            "WorkflowNotReady",
        ),
        (
            json!([{"id": "a", "type": "elicitation", "message": "?"}]),
            WorkflowValidation::Invalid,
            "SchemaInvalid",
            "WorkflowNotReady",
        ),
        (
            json!([{"id": "a"}, {"id": "b", "tool": "t", "condition": "{{"}]),
            WorkflowValidation::Invalid,
            "ValidationFailed",
            "WorkflowNotReady",
        ),
    ] {
        let judged = definition(&steps).judge(&[], Timestamp::UNIX_EPOCH);
        assert_eq!(judged.validation_status, Some(status), "{steps}");
        assert_eq!(judged.validation_errors.is_some(), status == WorkflowValidation::Invalid, "{steps}");
        assert_eq!(judged.observed_generation, Some(3));
        for (kind, expected) in [("WorkflowValidated", reason), ("Ready", ready)] {
            let condition = find_condition(&judged.conditions, kind).unwrap();
            assert_eq!((condition.reason.as_str(), condition.observed_generation), (expected, Some(3)), "{steps}");
        }
    }
}

#[test]
fn gateways_that_refer_to_a_workflow_are_named() {
    let gateway = Target::new(Kind::VirtualServer, ObjectKey::new("tools", "engineering"));
    let judged = definition(&json!([])).judge(&[gateway], Timestamp::UNIX_EPOCH);
    assert_eq!(judged.referencing_virtual_servers, Some(vec!["engineering".to_owned()]));
    assert!(find_condition(&judged.conditions, "DeletionBlocked").is_none(), "nobody deletes it");
}

#[test]
fn a_workflow_with_very_many_problems_still_has_a_status_that_can_be_written() {
    let steps: Vec<_> = (0..5000).map(|_| json!({"id": "a".repeat(200)})).collect();
    let judged = definition(&json!(steps)).judge(&[], Timestamp::UNIX_EPOCH);
    assert_eq!(judged.validation_errors.map(|errors| errors.len()), Some(50));
    assert!(judged.conditions.iter().all(|condition| condition.message.chars().count() <= 32768));
}

/// Any JSON of some depth, as the API server admits it in free places.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[{}.a-z ]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{0,4}|type|id|tool|properties", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_workflow_that_can_be_read_has_a_status(
        kind in prop_oneof![Just("tool"), Just("elicitation"), Just("forEach")],
        free in anything(), inner in anything(), text in "[{}.|$a-z ]{0,20}", number in any::<i64>(),
    ) {
        let judged = definition(&json!([{
            "id": text, "type": kind, "tool": text, "arguments": free, "condition": text, "dependsOn": [text, "x"],
            "message": text, "schema": inner, "defaultResults": free, "collection": text, "itemVar": text,
            "maxParallel": number, "maxIterations": number, "step": inner,
            "onError": {"action": "retry", "retryCount": number}
        }]))
        .judge(&[], Timestamp::UNIX_EPOCH);
        prop_assert!(judged.validation_status.is_some());
    }
}
