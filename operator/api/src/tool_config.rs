//! MCPToolConfig: which tools of a server are shown, and under which names.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vmcp_config::ToolOverride;

use crate::ConfigStatus;

/// A selection of tools, and how each of them is shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "toolhive.stacklok.dev",
    version = "v1beta1",
    kind = "MCPToolConfig",
    plural = "mcptoolconfigs",
    singular = "mcptoolconfig",
    shortname = "tc",
    shortname = "toolconfig",
    category = "toolhive",
    doc = "Which tools of a server are shown, and under which names; servers, proxies and gateways refer to it.",
    namespaced,
    status = "ConfigStatus",
    derive = "PartialEq",
    printcolumn(name = "Valid", type_ = "string", json_path = ".status.conditions[?(@.type=='Valid')].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct MCPToolConfigSpec {
    /// Names of the tools that are shown, after renaming; every tool is shown when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub tools_filter: Option<Vec<String>>,
    /// New names, descriptions and annotations, by the name that the server gives the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools_override: Option<BTreeMap<String, ToolOverride>>,
}
