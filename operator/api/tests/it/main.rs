//! The CRDs as the API server gets them, and the types that they describe.
#![allow(clippy::unwrap_used, clippy::panic, clippy::doc_markdown)]

mod published;

use operator_api::{
    BackendStatus, DiscoveredBackend, MCPServerEntry, Transport, VirtualMCPServer, condition_status, crds, is_true,
};
use serde_json::{Value, json};

/// Every schema in `schema`, itself included, with its path.
fn walk<'a>(schema: &'a Value, path: &str, visit: &mut impl FnMut(&str, &'a Value)) {
    visit(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), visit);
    }
    for key in ["items", "additionalProperties"] {
        if schema[key].is_object() {
            walk(&schema[key], &format!("{path}.{key}"), visit);
        }
    }
}

#[test]
fn both_versions_have_the_same_schema_and_the_later_one_is_stored() {
    for crd in crds() {
        let crd = serde_json::to_value(crd).unwrap();
        let versions = crd["spec"]["versions"].as_array().unwrap();
        let names: Vec<_> = versions.iter().map(|version| &version["name"]).collect();
        assert_eq!(names, ["v1alpha1", "v1beta1"]);
        assert_eq!((&versions[0]["storage"], &versions[1]["storage"]), (&json!(false), &json!(true)));
        assert_eq!(versions[0]["deprecationWarning"], "toolhive.stacklok.dev/v1alpha1 is deprecated; use v1beta1");
        let properties = |index: usize| &versions[index]["schema"]["openAPIV3Schema"]["properties"];
        assert_eq!(properties(0), properties(1));
        assert_eq!(versions[0]["additionalPrinterColumns"], versions[1]["additionalPrinterColumns"]);
    }
}

#[test]
fn schemas_are_structural_and_described() {
    for crd in crds() {
        let name = crd.spec.names.kind.clone();
        let crd = serde_json::to_value(crd).unwrap();
        let root = &crd["spec"]["versions"][1]["schema"]["openAPIV3Schema"];
        walk(&root["properties"]["spec"], &name, &mut |path, schema| {
            assert!(schema.get("nullable").is_none(), "{path} is nullable");
            assert!(schema.get("$ref").is_none(), "{path} is a reference");
            for key in ["anyOf", "oneOf", "allOf"] {
                assert!(schema.get(key).is_none(), "{path} has {key}");
            }
            let anything = schema["x-kubernetes-preserve-unknown-fields"] == true;
            assert!(schema["type"].is_string() || anything, "{path} has no type");
            let element = path.rsplit('.').next().is_some_and(|last| matches!(last, "items" | "additionalProperties"));
            assert!(element || schema["description"].is_string(), "{path} is not described");
        });
        assert_eq!(root["properties"]["status"]["default"], json!({}), "{name}: the phase shows at once");
    }
}

#[test]
fn an_entry_of_the_documents_is_read() {
    let entry: MCPServerEntry = serde_saphyr::from_str(
        "
apiVersion: toolhive.stacklok.dev/v1alpha1
kind: MCPServerEntry
metadata: {name: partner-tools}
spec:
  groupRef: {name: engineering-tools}
  remoteUrl: https://mcp.partner.example.com/mcp
  transport: streamable-http
  caBundleRef: {configMapRef: {name: partner-ca-bundle}}
",
    )
    .unwrap();
    assert_eq!(entry.spec.transport, Transport::StreamableHttp);
    let bundle = entry.spec.ca_bundle_ref.unwrap().config_map_ref.unwrap();
    assert_eq!(bundle.key, "ca.crt", "the key has a default");
}

#[test]
fn misspelled_keys_of_a_gateways_configuration_are_remembered() {
    let server: VirtualMCPServer = serde_json::from_value(json!({
        "apiVersion": "toolhive.stacklok.dev/v1beta1", "kind": "VirtualMCPServer", "metadata": {"name": "a"},
        "spec": {
            "groupRef": {"name": "tools"}, "incomingAuth": {"type": "anonymous"},
            "config": {"telemety": {}, "operational": {"timeouts": {"defualt": "1s"}}}
        }
    }))
    .unwrap();
    let config = server.spec.config.unwrap();
    let found: Vec<_> = config.unknown_keys().iter().map(|key| (key.path.as_str(), key.nearest.as_deref())).collect();
    assert_eq!(found, [("operational.timeouts.defualt", Some("default")), ("telemety", Some("telemetry"))]);
}

#[test]
fn conditions_are_found_by_type() {
    let conditions = serde_json::from_value::<Vec<_>>(json!([
        {"type": "A", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"},
        {"type": "B", "status": "False", "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    ]))
    .unwrap();
    assert!(is_true(&conditions, "A") && !is_true(&conditions, "B") && !is_true(&conditions, "C"));
    assert_eq!(condition_status(&conditions, "C"), None);
}

#[test]
fn a_backend_status_of_a_newer_gateway_is_unknown() {
    for (text, expected) in [("ready", BackendStatus::Ready), ("splendid", BackendStatus::Unknown)] {
        let backend = DiscoveredBackend { status: Some(text.to_owned()), ..DiscoveredBackend::default() };
        assert_eq!(BackendStatus::of(&backend), expected);
    }
}
