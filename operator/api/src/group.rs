//! MCPGroup: a named set of MCP servers.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Condition, conditions::names};

/// What a group says about itself; its members name the group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "toolhive.stacklok.dev",
    version = "v1beta1",
    kind = "MCPGroup",
    plural = "mcpgroups",
    singular = "mcpgroup",
    shortname = "mcpg",
    shortname = "mcpgroup",
    category = "toolhive",
    doc = "A named set of MCP servers of one namespace.",
    namespaced,
    status = "MCPGroupStatus",
    derive = "PartialEq",
    printcolumn(name = "Servers", type_ = "integer", json_path = ".status.serverCount"),
    printcolumn(name = "Proxies", type_ = "integer", json_path = ".status.remoteProxyCount"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "Checked",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='MCPServersChecked')].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct MCPGroupSpec {
    /// What the group is for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The members of a group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MCPGroupStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether the members are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Pending"))]
    pub phase: Option<GroupPhase>,
    /// Names of the MCPServers in this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub servers: Option<Vec<String>>,
    /// Number of MCPServers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_count: Option<i32>,
    /// Names of the MCPRemoteProxies in this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub remote_proxies: Option<Vec<String>>,
    /// Number of MCPRemoteProxies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_proxy_count: Option<i32>,
    /// Names of the MCPServerEntries in this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub entries: Option<Vec<String>>,
    /// Number of MCPServerEntries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_count: Option<i32>,
    /// What was observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Whether the members of a group are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GroupPhase {
    /// The members are known; there may be none.
    Ready,
    /// The operator has not seen the group yet.
    Pending,
    /// The members could not be listed.
    Failed,
}

names! {
    /// Condition types of an MCPGroup.
    GroupCondition {
        /// The members are known.
        MCPServersChecked,
    }
}

names! {
    /// Condition reasons of an MCPGroup.
    GroupReason {
        /// MCPServersChecked is True.
        ListMCPServersCheckSucceeded,
        /// MCPServersChecked is False.
        ListMCPServersCheckFailed,
    }
}
