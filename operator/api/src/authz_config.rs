//! MCPAuthzConfig: an authorization policy that several servers share.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vmcp_config::FreeObject;

use crate::ConfigStatus;

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
    status = "ConfigStatus",
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
