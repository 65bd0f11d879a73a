//! The workflows that a gateway offers, and where its signals go.

use operator_api::VirtualMCPCompositeToolDefinition;

use super::*;
use crate::controllers::virtual_server::validate;

/// A workflow with this condition, if any, that offers the tool `tool`.
fn workflow(name: &str, tool: &str, validated: Option<&str>) -> (String, Arc<VirtualMCPCompositeToolDefinition>) {
    let conditions: Vec<_> = validated
        .into_iter()
        .map(|status| {
            json!({
                "type": "WorkflowValidated", "status": status, "reason": "TemplateInvalid", "message": "a template is broken",
                "lastTransitionTime": "2026-01-01T00:00:00Z"
            })
        })
        .collect();
    let spec = json!({"name": tool, "description": "d", "steps": [{"id": "a", "tool": "b"}]});
    (name.to_owned(), object("VirtualMCPCompositeToolDefinition", name, spec, json!({"conditions": conditions})))
}

/// Status, reason and message of a condition of `server`.
fn condition(change: Value, references: &References, kind: &str) -> Option<(String, String, String)> {
    let server = server(change);
    let status = status::of(&server, &judge(&server, references), None, None, Timestamp::UNIX_EPOCH);
    let found = find_condition(&status.conditions, kind)?;
    Some((found.status.clone(), found.reason.clone(), found.message.clone()))
}

#[test]
fn workflows_that_are_referred_to_can_be_run() {
    let known = [
        workflow("fine", "fine", Some("True")),
        workflow("twin", "fine", Some("True")),
        workflow("written", "inline", Some("True")),
        workflow("broken", "broken", Some("False")),
        workflow("new", "new", None),
    ];
    let references = References { workflows: known.into(), ..references() };
    let found = |names: &[&str]| {
        let refs: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        let change =
            json!({"config": {"compositeToolRefs": refs}, "compositeTools": [{"name": "inline", "steps": []}]});
        condition(change, &references, "CompositeToolRefsValidated")
    };
    assert_eq!(found(&[]), None, "there is nothing to say");
    for (names, status, reason, words) in [
        (&["fine"][..], "True", "CompositeToolRefsValid", "can be run"),
        (&["fine", "none"], "False", "CompositeToolRefNotFound", "compositeToolRefs[1]: "),
        (&["broken", "none"], "False", "CompositeToolRefNotFound", "\"none\" does not exist"),
        (&["broken"], "False", "CompositeToolRefInvalid", "\"broken\" cannot be run: a template is broken"),
        (&["new"], "False", "CompositeToolRefInvalid", "not been checked yet"),
        (&["fine", "twin"], "False", "CompositeToolRefInvalid", "another workflow is named \"fine\" too"),
        (&["written"], "False", "CompositeToolRefInvalid", "another workflow is named \"inline\" too"),
    ] {
        let (found, why, message) = found(names).unwrap();
        assert_eq!((found.as_str(), why.as_str()), (status, reason), "{names:?}");
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn selections_of_tools_exist_and_are_valid() {
    let change = json!({"config": {"aggregation": {"tools": [
        {"workload": "a"}, {"workload": "b", "toolConfigRef": {"name": "selection"}}
    ]}}});
    let with = |status: Value| References {
        tool_configs: [("selection".to_owned(), object("MCPToolConfig", "selection", json!({}), status))].into(),
        ..references()
    };
    let found = |references: &References| condition(change.clone(), references, "Valid").unwrap().2;
    let place = "spec.config.aggregation.tools[1].toolConfigRef: MCPToolConfig \"selection\"";
    assert!(found(&references()).contains(&format!("{place} does not exist in this namespace")));
    assert!(found(&with(json!({}))).contains(&format!("{place} is not Valid: it has not been checked yet")));
    assert!(!found(&with(valid())).contains("toolConfigRef"));
}

#[test]
fn an_mcptoolconfig_decides_alone_which_tools_are_shown() {
    let spec = json!({"toolsFilter": ["find"], "toolsOverride": {"search": {"name": "find"}}});
    let references = References {
        tool_configs: [("selection".to_owned(), object("MCPToolConfig", "selection", spec, valid()))].into(),
        ..references()
    };
    let change = json!({"config": {"aggregation": {"tools": [
        {"workload": "a", "filter": ["other"], "toolConfigRef": {"name": "selection"}}, {"workload": "b", "filter": ["x"]}
    ]}}});
    let server = server(change);
    let config = judge(&server, &references).gateway.unwrap().configuration.config;
    assert_eq!(
        serde_json::to_value(config.aggregation.unwrap().tools).unwrap(),
        json!([
            {"workload": "a", "filter": ["find"], "overrides": {"search": {"name": "find"}}},
            {"workload": "b", "filter": ["x"]}
        ])
    );
    assert_eq!(
        validate::unused_selections(&server),
        [
            "spec.config.aggregation.tools[0]: filter and overrides do not count, MCPToolConfig \"selection\" decides: keep one of them"
        ]
    );
}

#[test]
fn the_telemetry_configuration_exists_and_is_valid_and_its_hash_is_told() {
    let change = || json!({"telemetryConfigRef": {"name": "signals"}});
    let with = |status: Value| {
        let telemetry = Some(object("MCPTelemetryConfig", "signals", json!({}), status));
        References { telemetry, ..references() }
    };
    let found = |references: &References| condition(change(), references, "TelemetryConfigRefValidated").unwrap();
    assert_eq!(condition(json!({}), &references(), "TelemetryConfigRefValidated"), None);
    for (references, status, reason, words) in [
        (references(), "False", "TelemetryConfigRefNotFound", "\"signals\" does not exist"),
        (with(json!({})), "False", "TelemetryConfigRefInvalid", "is not Valid: it has not been checked yet"),
        (with(valid()), "True", "TelemetryConfigRefValid", "is Valid"),
    ] {
        let (found, why, message) = found(&references);
        assert_eq!((found.as_str(), why.as_str()), (status, reason));
        assert!(message.contains(words), "{message}");
    }
    let server = server(change());
    let status = status::of(&server, &judge(&server, &with(valid())), None, None, Timestamp::UNIX_EPOCH);
    assert_eq!(status.telemetry_config_hash.as_deref(), Some("abc"));
}
