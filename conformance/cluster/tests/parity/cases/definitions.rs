//! Custom resource definitions: how kinds come, change and go.

use std::sync::Arc;

use http::Method;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use serde_json::{Value, json};

use crate::case::cases;
use crate::refusal::refusal;
use crate::world::{World, definition_name};

cases! { "definitions":
    a_kind_comes_and_goes_with_its_definition,
    an_object_reads_in_every_served_version,
    a_stored_version_cannot_be_dropped,
    a_deprecated_version_warns,
    selectable_fields_select_lists_and_watches,
    selectable_fields_name_fields_of_the_schema,
    a_value_that_was_stored_may_stay_when_the_schema_gets_stricter,
    a_status_with_a_default_reads_so_from_the_first_moment,
    a_rule_on_the_old_value_holds_for_updates_only,
    a_conversion_webhook_that_is_not_described_is_refused,
}

/// A version with a schema for the spec.
fn version(name: &str, storage: bool, spec: &Value) -> Value {
    json!({"name": name, "served": true, "storage": storage,
           "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}})
}

fn sizes() -> Value {
    json!({"type": "object", "properties": {"size": {"type": "integer"}, "colour": {"type": "string"}}})
}

fn definitions(world: &World) -> Api<CustomResourceDefinition> {
    Api::all(world.client())
}

async fn a_kind_comes_and_goes_with_its_definition(world: Arc<World>) {
    let resource = world.define("Gear", json!([version("v1", true, &sizes())])).await;
    let path = format!("/apis/{}/namespaces/{}/gears", resource.api_version, world.namespace());
    let gear =
        json!({"apiVersion": resource.api_version, "kind": "Gear", "metadata": {"name": "g"}, "spec": {"size": 1}});
    assert_eq!(world.send(Method::POST, &path, &[], &gear).await.code, 201);
    let name = definition_name(&resource);
    let stored = definitions(&world).get(&name).await.unwrap();
    let status = stored.status.as_ref().unwrap();
    assert_eq!(status.stored_versions.as_deref(), Some(&["v1".to_owned()][..]));
    assert_eq!(status.accepted_names.as_ref().unwrap().kind, "Gear");
    definitions(&world).delete(&name, &DeleteParams::default()).await.unwrap();
    await_condition(definitions(&world), &name, conditions::is_deleted(&stored.uid().unwrap())).await.unwrap();
    assert_eq!(world.get(&path).await.code, 404);
}

async fn an_object_reads_in_every_served_version(world: Arc<World>) {
    let mut hidden = version("v1alpha1", false, &sizes());
    hidden["served"] = false.into();
    let versions = json!([version("v1", true, &sizes()), version("v2", false, &sizes()), hidden]);
    let resource = world.define("Gear", versions).await;
    let path = |version: &str| format!("/apis/{}/{version}/namespaces/{}/gears", resource.group, world.namespace());
    let api_version = format!("{}/v2", resource.group);
    let gear = json!({"apiVersion": api_version, "kind": "Gear", "metadata": {"name": "g"}, "spec": {"size": 1}});
    assert_eq!(world.send(Method::POST, &path("v2"), &[], &gear).await.code, 201);
    for version in ["v1", "v2"] {
        let read = world.get(&format!("{}/g", path(version))).await;
        assert_eq!(read.body["apiVersion"], format!("{}/{version}", resource.group));
        assert_eq!(read.body["spec"], json!({"size": 1}));
    }
    assert_eq!(world.get(&path("v1alpha1")).await.code, 404);
}

async fn a_stored_version_cannot_be_dropped(world: Arc<World>) {
    let resource = world.define("Gear", json!([version("v1", true, &sizes()), version("v2", false, &sizes())])).await;
    let name = definition_name(&resource);
    let swapped = json!([version("v1", false, &sizes()), version("v2", true, &sizes())]);
    let patch = |versions: Value| Patch::Merge(json!({"spec": {"versions": versions}}));
    let params = PatchParams::default();
    let stored = definitions(&world).patch(&name, &params, &patch(swapped)).await.unwrap();
    assert_eq!(stored.status.unwrap().stored_versions.unwrap(), ["v1", "v2"]);
    let only = patch(json!([version("v2", true, &sizes())]));
    let (code, _, message) = refusal(definitions(&world).patch(&name, &params, &only).await);
    assert_eq!(code, 422);
    assert!(
        message.contains("status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions"),
        "{message}"
    );
    let migrated = Patch::Merge(json!({"status": {"storedVersions": ["v2"]}}));
    definitions(&world).patch_status(&name, &params, &migrated).await.unwrap();
    definitions(&world).patch(&name, &params, &only).await.unwrap();
}

async fn a_deprecated_version_warns(world: Arc<World>) {
    let mut old = version("v1", true, &sizes());
    old["deprecated"] = true.into();
    let mut older = version("v1beta1", false, &sizes());
    older["deprecated"] = true.into();
    older["deprecationWarning"] = "gears turn no more".into();
    let resource = world.define("Gear", json!([version("v2", false, &sizes()), old, older])).await;
    let group = &resource.group;
    let path = |version: &str| format!("/apis/{group}/{version}/namespaces/{}/gears", world.namespace());
    assert_eq!(world.get(&path("v2")).await.warnings(), [""; 0]);
    let told = world.get(&path("v1")).await.warnings();
    assert_eq!(told, [format!("{group}/v1 Gear is deprecated; use {group}/v2 Gear")]);
    assert_eq!(world.get(&path("v1beta1")).await.warnings(), ["gears turn no more"]);
}

fn selectable(paths: &[&str]) -> Value {
    let mut version = version("v1", true, &sizes());
    version["selectableFields"] = paths.iter().map(|path| json!({"jsonPath": path})).collect();
    json!([version])
}

async fn selectable_fields_select_lists_and_watches(world: Arc<World>) {
    let resource = world.define("Gear", selectable(&[".spec.colour", ".spec.size"])).await;
    let gears: Api<DynamicObject> = Api::namespaced_with(world.client(), world.namespace(), &resource);
    for (name, colour, size) in [("a", "red", 1), ("b", "blue", 2), ("c", "red", 2)] {
        let gear = DynamicObject::new(name, &resource).data(json!({"spec": {"colour": colour, "size": size}}));
        gears.create(&PostParams::default(), &gear).await.unwrap();
    }
    let selector = "spec.colour=red,spec.size=2";
    let chosen = gears.list(&ListParams::default().fields(selector)).await.unwrap();
    assert_eq!(chosen.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["c"]);
    let revision = chosen.metadata.resource_version.unwrap();
    for (name, colour) in [("a", "blue"), ("b", "red"), ("c", "blue")] {
        let patch = Patch::Merge(json!({"spec": {"colour": colour}}));
        gears.patch(name, &PatchParams::default(), &patch).await.unwrap();
    }
    let path = format!(
        "/apis/{}/namespaces/{}/gears?watch=1&timeoutSeconds=1&resourceVersion={revision}&fieldSelector={selector}",
        resource.api_version,
        world.namespace()
    );
    let told = world.get(&path).await.events();
    let told: Vec<_> = told.iter().map(|event| (&event["type"], &event["object"]["metadata"]["name"])).collect();
    assert_eq!(told, [(&json!("ADDED"), &json!("b")), (&json!("DELETED"), &json!("c"))]);
}

async fn selectable_fields_name_fields_of_the_schema(world: Arc<World>) {
    for path in [".spec.weight", ".spec", "", ".metadata.labels"] {
        let versions = selectable(&[path]);
        let definition = world.definition(&world.undefined("Gear", &versions), &versions);
        let body = serde_json::to_value(definition).unwrap();
        let answer =
            world.send(Method::POST, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &[], &body).await;
        assert_eq!(answer.code, 422, "{path}: {}", answer.message());
        assert!(answer.fields()[0].contains("selectableFields[0]"), "{path}: {}", answer.message());
    }
}

async fn a_value_that_was_stored_may_stay_when_the_schema_gets_stricter(world: Arc<World>) {
    let resource = world.define("Gear", json!([version("v1", true, &sizes())])).await;
    let gears: Api<DynamicObject> = Api::namespaced_with(world.client(), world.namespace(), &resource);
    let gear = DynamicObject::new("g", &resource).data(json!({"spec": {"colour": "infrared", "size": 1}}));
    gears.create(&PostParams::default(), &gear).await.unwrap();
    let rule = json!([{"rule": "self.size() < 5", "message": "too long"}]);
    let strict = json!({"type": "object", "properties": {
        "size": {"type": "integer"}, "colour": {"type": "string", "maxLength": 5, "x-kubernetes-validations": rule}}});
    let patch = Patch::Merge(json!({"spec": {"versions": [version("v1", true, &strict)]}}));
    definitions(&world).patch(&definition_name(&resource), &PatchParams::default(), &patch).await.unwrap();
    let params = PatchParams::default();
    let patch = |spec: Value| Patch::Merge(json!({"spec": spec}));
    // A real server takes a moment to use the new schema.
    let refused = async {
        let mut interval = tokio::time::interval(std::time::Duration::from_millis(50));
        loop {
            interval.tick().await;
            if let Err(kube::Error::Api(status)) =
                gears.patch("g", &params, &patch(json!({"colour": "ultraviolet"}))).await
            {
                return status;
            }
        }
    };
    let refused = tokio::time::timeout(std::time::Duration::from_secs(30), refused).await.unwrap();
    assert_eq!(refused.code, 422);
    let kept = gears.get("g").await.unwrap();
    if kept.data["spec"]["colour"] == "infrared" {
        let changed = gears.patch("g", &params, &patch(json!({"size": 2}))).await.unwrap();
        assert_eq!(changed.data["spec"]["size"], 2, "what is not touched is not judged again");
    }
    gears.patch("g", &params, &patch(json!({"colour": "red"}))).await.unwrap();
    assert_eq!(refusal(gears.patch("g", &params, &patch(json!({"colour": "infrared"}))).await).0, 422);
}

async fn a_status_with_a_default_reads_so_from_the_first_moment(world: Arc<World>) {
    let with = |status: Value| {
        let mut version = version("v1", true, &sizes());
        version["subresources"] = json!({"status": {}});
        version["schema"]["openAPIV3Schema"]["properties"]["status"] = status;
        json!([version])
    };
    let turns = json!({"type": "integer", "default": 0});
    let status = json!({"type": "object", "properties": {"turns": turns}});
    let resource = world.define("Gear", with(status.clone())).await;
    let gears: Api<DynamicObject> = Api::namespaced_with(world.client(), world.namespace(), &resource);
    let gear = |name: &str| DynamicObject::new(name, &resource).data(json!({"spec": {"size": 1}}));
    let before = gears.create(&PostParams::default(), &gear("before")).await.unwrap();
    assert!(before.data["status"].is_null());
    let mut defaulted = status;
    defaulted["default"] = json!({});
    let patch = Patch::Merge(json!({"spec": {"versions": with(defaulted)}}));
    definitions(&world).patch(&definition_name(&resource), &PatchParams::default(), &patch).await.unwrap();
    // A real server takes a moment to use the new schema.
    let reads = async {
        let mut interval = tokio::time::interval(std::time::Duration::from_millis(50));
        loop {
            interval.tick().await;
            let stored = gears.get("before").await.unwrap();
            if stored.data["status"] == json!({"turns": 0}) {
                return stored;
            }
        }
    };
    let stored = tokio::time::timeout(std::time::Duration::from_secs(30), reads).await.unwrap();
    assert_eq!(stored.resource_version(), before.resource_version(), "nothing was written");
    let after = gears.create(&PostParams::default(), &gear("after")).await.unwrap();
    assert_eq!(after.data["status"], json!({"turns": 0}));
}

async fn a_rule_on_the_old_value_holds_for_updates_only(world: Arc<World>) {
    let rule = json!([{"rule": "self == oldSelf", "message": "size is immutable"}]);
    let spec = json!({"type": "object", "properties": {"size": {"type": "integer", "x-kubernetes-validations": rule}}});
    let resource = world.define("Gear", json!([version("v1", true, &spec)])).await;
    let gears: Api<DynamicObject> = Api::namespaced_with(world.client(), world.namespace(), &resource);
    let gear = DynamicObject::new("g", &resource).data(json!({"spec": {"size": 1}}));
    gears.create(&PostParams::default(), &gear).await.unwrap();
    let patch = Patch::Merge(json!({"spec": {"size": 2}}));
    let (code, _, message) = refusal(gears.patch("g", &PatchParams::default(), &patch).await);
    assert_eq!(code, 422);
    assert!(message.contains("spec.size: Invalid value: 2: size is immutable"), "{message}");
}

async fn a_conversion_webhook_that_is_not_described_is_refused(world: Arc<World>) {
    let versions = json!([version("v1", true, &sizes())]);
    let definition = world.definition(&world.undefined("Gear", &versions), &versions);
    let mut body = serde_json::to_value(definition).unwrap();
    body["spec"]["conversion"] = json!({"strategy": "Webhook"});
    let answer = world.send(Method::POST, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &[], &body).await;
    assert!(matches!(answer.code, 422 | 501), "{}", answer.message());
    assert!(answer.message().contains("onversion"), "{}", answer.message());
}
