//! The rules of workflows.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A workflow of the guide's kind, with some members replaced; null takes one away.
fn workflow(change: &Value) -> CompositeTool {
    let mut workflow = json!({
        "name": "investigate_incident",
        "description": "Gathers what is known of an incident",
        "parameters": {"type": "object", "properties": {"incident": {"type": "string"}}, "required": ["incident"]},
        "steps": [
            {"id": "fetch", "tool": "pagerduty.get_incident", "arguments": {"id": "{{.params.incident}}"}},
            {"id": "logs", "tool": "search_logs", "dependsOn": ["fetch"],
             "arguments": {"query": {"service": ["{{.steps.fetch.output.service}}"]}}}
        ]
    });
    for (key, value) in change.as_object().unwrap() {
        workflow[key] = value.clone();
    }
    serde_json::from_value(workflow).unwrap()
}

/// The workflow with these steps alone.
fn steps(steps: &Value) -> CompositeTool {
    workflow(&json!({"steps": steps}))
}

/// Fault and path of each problem.
fn faults(workflow: &CompositeTool) -> Vec<(WorkflowFault, String)> {
    workflow.problems().into_iter().map(|problem| (problem.fault, problem.path)).collect()
}

#[test]
fn usable_workflows_have_no_problems() {
    for workflow in [
        workflow(&json!({})),
        workflow(&json!({"parameters": null})),
        workflow(&json!({"parameters": {}})),
        workflow(&json!({"parameters": {"incident": {"type": "string", "required": true}}})),
        workflow(&json!({"parameters": {"type": {"type": "string"}}})),
        workflow(&json!({"output": {"properties": {
            "summary": {"type": "string", "value": "{{.steps.logs.output | json}}"},
            "count": {"type": "integer", "default": 0},
            "both": {"type": "object", "properties": {"a": {"type": "string", "value": "{{quote .params.incident}}"}}}
        }, "required": ["summary"]}})),
        steps(&json!([{"id": "ask", "type": "elicitation", "message": "Go on with {{.params.incident}}?",
            "schema": {"type": "object", "properties": {"yes": {"type": "boolean"}}}, "timeout": "10m",
            "onDecline": {"action": "continue"}}])),
        steps(&json!([
            {"id": "list", "tool": "list", "onError": {"action": "retry", "retryCount": 2, "retryDelay": "1s"}},
            {"id": "all", "type": "forEach", "collection": "{{json .steps.list.output.items}}", "itemVar": "host",
             "maxParallel": 5, "maxIterations": 100, "dependsOn": ["list"],
             "step": {"id": "one", "tool": "ping", "arguments": {"host": "{{.forEach.host}}"}}}
        ])),
        steps(&json!([
            {"id": "a", "tool": "t", "condition": "{{eq .params.incident \"x\"}}", "defaultResults": {"id": ""}},
            {"id": "b", "tool": "t", "dependsOn": ["a"], "arguments": {"id": "{{.steps.a.output.id}}"}}
        ])),
    ] {
        assert_eq!(workflow.problems(), []);
    }
}

#[test]
fn each_problem_has_its_fault_and_its_path() {
    use WorkflowFault::{DependencyCycle, Schema, Structure, Template, Tool};
    let tool = json!({"id": "a", "tool": "t"});
    for (workflow, fault, path) in [
        (workflow(&json!({"name": ""})), Structure, "name"),
        (workflow(&json!({"name": "two words"})), Structure, "name"),
        (workflow(&json!({"description": null})), Structure, "description"),
        (workflow(&json!({"description": " "})), Structure, "description"),
        (workflow(&json!({"timeout": "0s"})), Structure, "timeout"),
        (steps(&json!([])), Structure, "steps"),
        (steps(&json!([{"id": "", "tool": "t"}])), Structure, "steps[0].id"),
        (steps(&json!([tool, tool])), Structure, "steps[1].id"),
        (steps(&json!([{"id": "a", "tool": "t", "dependsOn": ["b"]}])), Structure, "steps[0].dependsOn[0]"),
        (steps(&json!([{"id": "a", "tool": "t", "timeout": "0s"}])), Structure, "steps[0].timeout"),
        (steps(&json!([{"id": "a", "tool": "t", "arguments": []}])), Structure, "steps[0].arguments"),
        (
            steps(&json!([{"id": "a", "tool": "t", "onError": {"action": "retry"}}])),
            Structure,
            "steps[0].onError.retryCount",
        ),
        (steps(&json!([{"id": "a", "tool": "t", "dependsOn": ["a"]}])), DependencyCycle, "steps[0].dependsOn"),
        (
            steps(&json!([
                {"id": "first", "tool": "t", "dependsOn": ["a"]},
                {"id": "a", "tool": "t", "dependsOn": ["b"]},
                {"id": "b", "tool": "t", "dependsOn": ["a"]}
            ])),
            DependencyCycle,
            "steps[1].dependsOn",
        ),
        (steps(&json!([{"id": "a"}])), Tool, "steps[0].tool"),
        (steps(&json!([{"id": "a", "tool": "no tool"}])), Tool, "steps[0].tool"),
        (steps(&json!([{"id": "a", "tool": "t", "arguments": {"x": ["{{"]}}])), Template, "steps[0].arguments.x[0]"),
        (steps(&json!([{"id": "a", "tool": "t", "condition": "{{nothing}}"}])), Template, "steps[0].condition"),
        (
            steps(&json!([{"id": "a", "tool": "t", "condition": "{{.steps.b.output.x}}"}])),
            Template,
            "steps[0].condition",
        ),
        (workflow(&json!({"parameters": []})), Schema, "parameters"),
        (workflow(&json!({"parameters": {"type": "string"}})), Schema, "parameters.type"),
        (workflow(&json!({"parameters": {"type": "object", "properties": []}})), Schema, "parameters.properties"),
        (
            workflow(&json!({"parameters": {"type": "object", "properties": {"a": {"type": "text"}}}})),
            Schema,
            "parameters.properties.a.type",
        ),
        (workflow(&json!({"parameters": {"type": "object", "required": ["a"]}})), Schema, "parameters.required"),
        (workflow(&json!({"parameters": {"type": "object", "required": true}})), Schema, "parameters.required"),
        (workflow(&json!({"parameters": {"a": "string"}})), Schema, "parameters.a"),
        (workflow(&json!({"parameters": {"a": {}}})), Schema, "parameters.a.type"),
        (
            workflow(&json!({"parameters": {"a": {"type": "string", "required": "yes"}}})),
            Schema,
            "parameters.a.required",
        ),
        (
            steps(&json!([{"id": "a", "type": "elicitation", "schema": {"type": "object"}}])),
            Structure,
            "steps[0].message",
        ),
        (steps(&json!([{"id": "a", "type": "elicitation", "message": "?"}])), Schema, "steps[0].schema"),
        (
            steps(&json!([{"id": "a", "type": "elicitation", "message": "?", "schema": {"type": "string"}}])),
            Schema,
            "steps[0].schema",
        ),
        (
            steps(&json!([{"id": "a", "type": "elicitation", "message": "?", "timeout": "11m",
                "schema": {"type": "object"}}])),
            Structure,
            "steps[0].timeout",
        ),
        (steps(&json!([{"id": "a", "type": "forEach", "step": tool}])), Structure, "steps[0].collection"),
        (steps(&json!([{"id": "a", "type": "forEach", "collection": "[]"}])), Structure, "steps[0].step"),
        (
            steps(&json!([{"id": "a", "type": "forEach", "collection": "[]", "step": {"tool": "t"}}])),
            Structure,
            "steps[0].step",
        ),
        (
            steps(&json!([{"id": "a", "type": "forEach", "collection": "[]", "step": {"id": "b"}}])),
            Tool,
            "steps[0].step.tool",
        ),
        (
            steps(&json!([{"id": "a", "type": "forEach", "collection": "[]",
                "step": {"id": "b", "type": "forEach"}}])),
            Structure,
            "steps[0].step.type",
        ),
        (
            steps(&json!([{"id": "a", "type": "forEach", "collection": "[]", "step": tool, "itemVar": "index"}])),
            Structure,
            "steps[0].itemVar",
        ),
        (
            steps(&json!([{"id": "a", "type": "forEach", "collection": "[]", "step": tool, "maxParallel": 51}])),
            Structure,
            "steps[0].maxParallel",
        ),
        (
            steps(&json!([{"id": "a", "type": "forEach", "collection": "[]", "step": tool, "maxIterations": 0}])),
            Structure,
            "steps[0].maxIterations",
        ),
        (
            steps(&json!([
                {"id": "a", "tool": "t", "onError": {"action": "continue"}},
                {"id": "b", "tool": "t", "arguments": {"x": "{{.steps.a.output.id}}"}}
            ])),
            Structure,
            "steps[0].defaultResults",
        ),
        (workflow(&json!({"output": {"properties": {}}})), Structure, "output.properties"),
        (
            workflow(&json!({"output": {"properties": {"a": {"type": "string"}}}})),
            Structure,
            "output.properties.a.value",
        ),
        (
            workflow(&json!({"output": {"properties": {"a": {"type": "string", "value": "{{end}}"}}}})),
            Template,
            "output.properties.a.value",
        ),
        (
            workflow(&json!({"output": {"properties": {"a": {"type": "string", "default": "", "properties": {}}}}})),
            Schema,
            "output.properties.a.properties",
        ),
        (
            workflow(&json!({"output": {"properties": {"a": {"type": "object", "properties": {"b": {"type": "x"}}}}}})),
            Schema,
            "output.properties.a.properties",
        ),
        (
            workflow(&json!({"output": {"properties": {"a": {"type": "string", "default": ""}}, "required": ["b"]}})),
            Schema,
            "output.required",
        ),
    ] {
        assert_eq!(faults(&workflow), [(fault, path.to_owned())], "{:?}", workflow.problems());
    }
}

#[test]
fn a_cycle_is_told_step_by_step() {
    let workflow = steps(&json!([
        {"id": "a", "tool": "t", "dependsOn": ["b"]},
        {"id": "b", "tool": "t", "dependsOn": ["c"]},
        {"id": "c", "tool": "t", "dependsOn": ["a"]}
    ]));
    let problems = workflow.problems();
    assert!(problems[0].message.contains("a -> b -> c -> a"), "{problems:?}");
}

#[test]
fn too_many_steps_are_refused() {
    let many: Vec<_> = (0..=MAX_STEPS).map(|index| json!({"id": format!("s{index}"), "tool": "t"})).collect();
    assert_eq!(faults(&steps(&json!(many))), [(WorkflowFault::Structure, "steps".to_owned())]);
}

proptest! {
    #[test]
    fn no_template_panics(text in "[{}.$()|\"`a-z /*-]{0,60}") {
        steps(&json!([{"id": "a", "tool": "t", "condition": text}])).problems();
    }

    #[test]
    fn dependencies_without_a_way_back_are_no_cycle(edges in proptest::collection::vec((0..20_usize, 0..20_usize), 0..60)) {
        let mut all: Vec<_> = (0..20).map(|index| json!({"id": format!("s{index}"), "tool": "t", "dependsOn": []})).collect();
        let mut back = false;
        for (from, to) in edges {
            back |= from <= to;
            all[from]["dependsOn"].as_array_mut().unwrap().push(json!(format!("s{to}")));
        }
        let problems = steps(&json!(all)).problems();
        prop_assert!(back || problems.is_empty(), "{:?}", problems);
        prop_assert!(problems.iter().all(|problem| problem.fault == WorkflowFault::DependencyCycle));
    }
}
