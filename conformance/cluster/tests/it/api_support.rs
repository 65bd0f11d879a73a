//! What the tests of the API server share: a kind of their own and a server that serves it.

use embedded_cluster::ApiServer;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, PostParams};
use kube::{Client, CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use crate::refusal::refusal;

/// A document that is to be printed: a kind with defaults, bounds, a rule and a status.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "print.example.com", version = "v1", kind = "Document", namespaced, status = "DocumentStatus")]
#[kube(shortname = "doc", category = "all")]
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

/// A document of so many copies.
pub(crate) fn document(name: &str, copies: i32) -> Document {
    Document::new(name, DocumentSpec { copies, paper: a4() })
}

/// A server that serves documents, and an administrator's client in namespace `default`.
pub(crate) async fn server() -> (ApiServer, Client) {
    let server = ApiServer::default();
    let client = server.client("default");
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.create(&PostParams::default(), &Document::crd()).await.unwrap();
    (server, client)
}

/// Documents of namespace `default`.
pub(crate) async fn documents() -> (ApiServer, Api<Document>) {
    let (server, client) = server().await;
    (server, Api::namespaced(client, "default"))
}
