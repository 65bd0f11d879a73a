//! MCPAuthzConfig: an authorization policy that several servers share.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vmcp_config::FreeObject;

/// A policy: the language that it is written in, and what that language takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "toolhive.stacklok.dev",
    version = "v1beta1",
    kind = "MCPAuthzConfig",
    plural = "mcpauthzconfigs",
    singular = "mcpauthzconfig",
    shortname = "authzcfg",
    category = "toolhive",
    doc = "An authorization policy that several servers share; servers, proxies and gateways refer to it.",
    namespaced,
    status = "MCPAuthzConfigStatus",
    derive = "PartialEq",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Valid", type_ = "string", json_path = ".status.conditions[?(@.type=='Valid')].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct MCPAuthzConfigSpec {
    /// The authorizer that reads the policy, such as cedarv1.
    #[serde(rename = "type")]
    #[schemars(length(min = 1))]
    pub kind: String,
    /// What the authorizer is told; its shape is the authorizer's own.
    #[schemars(with = "FreeObject")]
    pub config: Value,
}

/// Whether a policy can be used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MCPAuthzConfigStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Hash of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_hash: Option<String>,
    /// What was observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
