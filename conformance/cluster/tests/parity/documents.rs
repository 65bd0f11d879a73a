//! The kind of the suite's own: documents that are to be printed, with defaults, bounds, a status and a scale.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, Object};
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A document. Its group has a generated name, so that the suite disturbs no other kind of a cluster.
pub(crate) type Document = Object<DocumentSpec, DocumentStatus>;

/// What is to be printed.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "print.example.com", version = "v1", kind = "Document", root = "Definition", namespaced)]
#[kube(status = "DocumentStatus", shortname = "doc", selectable = ".spec.paper")]
#[kube(printcolumn(name = "Copies", type_ = "integer", json_path = ".spec.copies"))]
#[kube(scale(spec_replicas_path = ".spec.copies", status_replicas_path = ".status.printed"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct DocumentSpec {
    /// How many copies are wanted.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) copies: i32,
    /// On which paper.
    #[serde(default = "a4")]
    pub(crate) paper: String,
}

/// What has been printed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DocumentStatus {
    #[serde(default)]
    pub(crate) printed: i32,
    #[serde(default)]
    pub(crate) observed_generation: i64,
}

fn a4() -> String {
    "A4".to_owned()
}

/// The kind in a group.
pub(crate) fn resource(group: &str) -> ApiResource {
    ApiResource { group: group.to_owned(), api_version: format!("{group}/v1"), ..Definition::api_resource() }
}

/// The definition of the kind in a group.
pub(crate) fn definition(group: &str) -> CustomResourceDefinition {
    let mut definition = Definition::crd();
    group.clone_into(&mut definition.spec.group);
    definition.metadata.name = Some(format!("{}.{group}", definition.spec.names.plural));
    definition
}

/// A document of so many copies.
pub(crate) fn document(resource: &ApiResource, name: &str, copies: i32) -> Document {
    let mut document = Document::new(name, resource, DocumentSpec { copies, paper: a4() });
    document.metadata.name = Some(name.to_owned());
    document
}
