//! Whatever spec a definition admits gives a plan and a status, and the same spec the same ones.

mod generate;

use std::collections::BTreeMap;

use kube::{Resource, ResourceExt};
use operator_api::{
    MCPAuthzConfig, MCPExternalAuthConfig, MCPGroup, MCPOIDCConfig, MCPRemoteProxy, MCPServer, MCPServerEntry,
    MCPTelemetryConfig, MCPToolConfig, VirtualMCPCompositeToolDefinition, VirtualMCPServer,
};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{TestCaseError, TestRunner},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::world::{
    Definition, Id, Objects, World, admit, block_on, definition, difference, merge, outcome, settled_base,
};

/// The object of the kind `K` that has `spec`; `None` when the definition does not admit it.
fn object<K: Resource<DynamicType = ()>>(spec: &Value) -> Option<Value> {
    let kind = K::kind(&());
    let mut object = json!({
        "apiVersion": K::api_version(&()), "kind": kind, "metadata": {"name": "any", "namespace": "ns"}, "spec": spec
    });
    // What is pruned is no part of the object.
    let _ = admit(&mut object);
    admit(&mut object).is_ok().then_some(object)
}

/// The text of `value` with the members of every object from last to first.
fn backwards(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().rev().map(|(key, member)| format!("{}:{}", json!(key), backwards(member)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(backwards).collect::<Vec<_>>().join(",")),
        value => value.to_string(),
    }
}

/// What comes of `object` among the others.
fn objects_after(object: Value) -> Objects {
    let base = settled_base();
    block_on(async {
        let world = World::resumed(base);
        world.apply(object).await;
        world.objects()
    })
}

fn check<K>(object: Value) -> Result<(), TestCaseError>
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
{
    let kind = K::kind(&());
    let read: K = serde_json::from_value(object.clone())
        .map_err(|error| TestCaseError::fail(format!("it is admitted and cannot be read: {error}")))?;
    let again: K = serde_json::from_str(&backwards(&object)).unwrap();
    let written = |read: &K| serde_json::to_string(read).unwrap();
    prop_assert_eq!(written(&read), written(&again), "the order of members says nothing");

    let after = objects_after(object.clone());
    let id = Id { kind: kind.to_string(), name: read.name_any() };
    let mut stored = after.get(&id).unwrap().clone();
    let conditions = stored["status"]["conditions"].as_array().cloned().unwrap_or_default();
    prop_assert!(!conditions.is_empty(), "its status says nothing");
    for condition in &conditions {
        prop_assert!(condition["message"] != "", "a condition says nothing: {condition}");
    }
    prop_assert_eq!(admit(&mut stored), Ok(()), "its status is admitted");

    let again = objects_after(object);
    let (first, second) = (outcome(&after), outcome(&again));
    prop_assert_eq!(difference(&first, &second), BTreeMap::new(), "the same spec, another outcome");
    for (id, object) in after.iter().filter(|(_, object)| object["metadata"]["ownerReferences"].is_array()) {
        let text = |object: &Value| object["data"].to_string() + &object["spec"].to_string();
        prop_assert_eq!(text(object), text(again.get(id).unwrap()), "the same spec, other bytes");
    }
    Ok(())
}

fn every_spec<K>()
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
{
    // Fewer than usual unless the environment wants more: each tries a whole operator.
    let usual = ProptestConfig::default();
    let cases = std::env::var_os("PROPTEST_CASES").map_or(32, |_| usual.cases);
    let config = ProptestConfig { cases, max_local_rejects: 1_000_000, failure_persistence: None, ..usual };
    let kind = K::kind(&());
    let Definition { spec, .. } = definition(&kind).unwrap();
    let base: Vec<_> =
        settled_base().iter().filter(|(id, _)| id.kind == kind).map(|(_, it)| it["spec"].clone()).collect();
    let changed = (select(base), generate::changes(spec)).prop_map(|(mut spec, change)| {
        merge(&mut spec, &change);
        spec
    });
    let specs = prop_oneof![generate::values(spec), changed];
    let objects = specs.prop_filter_map("admitted by the definition", |spec| object::<K>(&spec));
    if let Err(error) = TestRunner::new(config).run(&objects, check::<K>) {
        panic!("{error}");
    }
}

macro_rules! kinds {
    ($($name:ident => $kind:ty,)+) => {$(
        #[test]
        fn $name() {
            every_spec::<$kind>();
        }
    )+};
}

kinds! {
    groups => MCPGroup,
    auth_configs => MCPExternalAuthConfig,
    oidc_configs => MCPOIDCConfig,
    tool_configs => MCPToolConfig,
    telemetry_configs => MCPTelemetryConfig,
    authz_configs => MCPAuthzConfig,
    composite_tools => VirtualMCPCompositeToolDefinition,
    entries => MCPServerEntry,
    remote_proxies => MCPRemoteProxy,
    servers => MCPServer,
    virtual_servers => VirtualMCPServer,
}
