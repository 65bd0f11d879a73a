//! `OpenAPI` v3: the index and one document per group and version, as far as kubectl reads them.
//!
//! `kubectl apply` looks for the `fieldValidation` parameter of the `PATCH` of a kind, `kubectl explain` for the schemas.
//! Strategic merge patch is left out of the patch's media types: kubectl then takes the merge keys it was built with.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::builtin::types;
use super::registry::{Resource, Source, Version, api_version};
use super::respond::Answer;
use super::state::State;

/// Answers a path below `/openapi/v3`.
pub(crate) fn answer(state: &mut State, path: &str) -> Answer {
    let rest = path.trim_start_matches("/openapi/v3").trim_matches('/');
    if rest.is_empty() {
        let index = index(state);
        return Answer::Text { code: 200, text: index.to_string() };
    }
    match document(state, rest) {
        Some(document) => Answer::Object { code: 200, value: document },
        None => Answer::page_not_found(),
    }
}

/// The documents and where they are; the hash changes with the content, so that clients may keep them.
fn index(state: &mut State) -> Value {
    let names: BTreeSet<String> = state
        .registry
        .resources()
        .flat_map(|resource| resource.versions.iter().map(|version| document_name(&resource.group, &version.name)))
        .collect();
    let mut paths = Map::new();
    for name in names {
        let custom = state.registry.resources().any(|resource| {
            resource.is_custom()
                && resource.versions.iter().any(|version| document_name(&resource.group, &version.name) == name)
        });
        // The documents of built-in kinds never change; those of custom resources are hashed.
        let content = if custom { document(state, &name).map(|document| document.to_string()) } else { None };
        let hash = Sha256::digest(content.unwrap_or_else(|| name.clone()));
        let hash = hash.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02X}");
            text
        });
        paths.insert(name.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{name}?hash={hash}")}));
    }
    json!({"paths": paths})
}

fn document_name(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

fn document(state: &mut State, name: &str) -> Option<Arc<Value>> {
    if let Some(known) = state.openapi.get(name) {
        return Some(known.clone());
    }
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for resource in state.registry.resources() {
        for version in resource.versions.iter().filter(|version| document_name(&resource.group, &version.name) == name)
        {
            add_schemas(resource, version, &mut schemas);
            add_paths(resource, version, &mut paths);
        }
    }
    if paths.is_empty() {
        return None;
    }
    let document = Arc::new(json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.2"},
        "paths": paths,
        "components": {"schemas": schemas},
    }));
    state.openapi.insert(name.to_owned(), document.clone());
    Some(document)
}

fn add_schemas(resource: &Resource, version: &Version, schemas: &mut Map<String, Value>) {
    let kinds = json!([{"group": resource.group, "version": version.name, "kind": resource.kind}]);
    let (name, mut definitions) = match &resource.source {
        Source::Builtin(builtin) => match types::of(builtin) {
            Some(kind) => (kind.name.clone(), kind.definitions.clone()),
            None => return,
        },
        Source::Custom(_) => (schema_name(resource, version), custom_schemas(resource, version)),
    };
    if let Some(schema) = definitions.get_mut(&name) {
        schema["x-kubernetes-group-version-kind"] = kinds;
    }
    schemas.extend(definitions);
}

fn custom_schemas(resource: &Resource, version: &Version) -> Map<String, Value> {
    let meta = types::object_meta();
    let mut schema = version.openapi.clone().unwrap_or_else(|| json!({"type": "object"}));
    let properties = &mut schema["properties"];
    let text = |description: &str| json!({"type": "string", "description": description});
    properties["apiVersion"] = text("The version of the schema that this object is written in.");
    properties["kind"] = text("The kind of resource that this object is.");
    properties["metadata"] = json!({
        "description": "Standard object's metadata.",
        "allOf": [{"$ref": format!("#/components/schemas/{}", meta.name)}],
    });
    let mut definitions = meta.definitions;
    definitions.insert(schema_name(resource, version), schema);
    definitions
}

/// The name of a kind's schema: `com.example.golden.v1.Widget`, or the published one of a built-in kind.
fn schema_name(resource: &Resource, version: &Version) -> String {
    if let Source::Builtin(builtin) = &resource.source
        && let Some(kind) = types::of(builtin)
    {
        return kind.name.clone();
    }
    let reversed: Vec<&str> = resource.group.split('.').rev().collect();
    format!("{}.{}.{}", reversed.join("."), version.name, resource.kind)
}

fn add_paths(resource: &Resource, version: &Version, paths: &mut Map<String, Value>) {
    let root = match resource.group.as_str() {
        "" => format!("/api/{}", version.name),
        group => format!("/apis/{}", api_version(group, &version.name)),
    };
    let schema = json!({"$ref": format!("#/components/schemas/{}", schema_name(resource, version))});
    let kind = json!({"group": resource.group, "version": version.name, "kind": resource.kind});
    let operation = |action: &str, parameters: &[&str], request: &[&str]| {
        let parameters: Vec<Value> = parameters
            .iter()
            .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}))
            .collect();
        let mut operation = json!({
            "operationId": format!("{action}{}", schema_name(resource, version)),
            "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": schema}}}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": kind,
        });
        if !request.is_empty() {
            let content: Map<String, Value> =
                request.iter().map(|media| ((*media).to_owned(), json!({"schema": schema}))).collect();
            operation["requestBody"] = json!({"content": content});
        }
        operation
    };
    let write = ["dryRun", "fieldManager", "fieldValidation"];
    let body = ["application/json", "application/yaml"];
    let patch = ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
    let list = ["labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "watch"];
    let delete = ["dryRun", "gracePeriodSeconds", "propagationPolicy"];
    let scope = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    let collection = format!("{root}{scope}/{}", resource.plural);
    paths.insert(
        format!("{collection}/{{name}}"),
        json!({
            "get": operation("get", &[], &[]),
            "put": operation("put", &write, &body),
            "patch": operation("patch", &[&write[..], &["force"]].concat(), &patch),
            "delete": operation("delete", &delete, &[]),
        }),
    );
    paths.insert(collection, json!({"get": operation("list", &list, &[]), "post": operation("post", &write, &body)}));
    if resource.namespaced {
        paths.insert(format!("{root}/{}", resource.plural), json!({"get": operation("list", &list, &[])}));
    }
}
