//! How the tools of many backends become one list.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names, selection and conflicts of tools.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Aggregation {
    /// What happens when two backends offer a tool of the same name.
    #[serde(default)]
    pub conflict_resolution: ConflictResolution,
    /// Details of that strategy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict_resolution_config: Option<ConflictResolutionConfig>,
    /// Selection and renaming, by backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<WorkloadTools>>,
    /// Hides every tool of every backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_all_tools: Option<bool>,
    /// Whether tools of backends without an element in `tools` are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_tool_visibility: Option<ToolVisibility>,
}

/// What happens when two backends offer a tool of the same name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ConflictResolution {
    /// Every tool gets a prefix that names its backend.
    #[default]
    Prefix,
    /// The first backend in an order wins.
    Priority,
    /// Every conflict is resolved by an override.
    Manual,
}

/// Details of a strategy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConflictResolutionConfig {
    /// The prefix, with `{workload}` for the backend's name.
    #[serde(default = "default_prefix_format")]
    pub prefix_format: String,
    /// Backends, the one that wins first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_order: Option<Vec<String>>,
}

impl Default for ConflictResolutionConfig {
    fn default() -> Self {
        Self { prefix_format: default_prefix_format(), priority_order: None }
    }
}

fn default_prefix_format() -> String {
    "{workload}_".to_owned()
}

impl Aggregation {
    /// The prefix format that applies: the configured one, or the default.
    pub fn prefix_format(&self) -> String {
        self.conflict_resolution_config
            .as_ref()
            .map_or_else(default_prefix_format, |config| config.prefix_format.clone())
    }
}

/// Whether tools are shown that nothing else decides about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ToolVisibility {
    /// They are shown.
    Allow,
    /// They are hidden.
    Deny,
}

/// Selection and renaming of one backend's tools.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadTools {
    /// Name of the backend.
    pub workload: String,
    /// A selection defined as an object of its own; the operator resolves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_config_ref: Option<ToolConfigReference>,
    /// Names of the tools that are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Vec<String>>,
    /// New names and descriptions, by the backend's own name of the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<BTreeMap<String, ToolOverride>>,
    /// Hides every tool of this backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_all: Option<bool>,
}

/// Names an MCPToolConfig of the same namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolConfigReference {
    /// Name of the MCPToolConfig.
    pub name: String,
}

/// How a tool is shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolOverride {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// New annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<ToolAnnotations>,
}

/// Annotations of a tool, as MCP defines them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolAnnotations {
    /// Title for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The tool changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only_hint: Option<bool>,
    /// The tool may destroy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destructive_hint: Option<bool>,
    /// Calling the tool again changes nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent_hint: Option<bool>,
    /// The tool reaches an open world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_world_hint: Option<bool>,
}
