//! Prompts, resources and resource templates.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Step, UriTemplate};
use crate::world::RpcError;

/// A prompt.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prompt {
    /// Its name.
    pub name: String,
    /// Its display name.
    #[serde(default)]
    pub title: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Vec<PromptArgument>,
    /// Further members of the prompt as it is listed.
    #[serde(default)]
    pub extra: Map<String, Value>,
    /// What happens before the answer.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// The messages that it answers with, as they are sent.
    #[serde(default)]
    pub messages: Vec<Map<String, Value>>,
    /// What it answers instead of messages.
    #[serde(default)]
    pub answer: Option<Scripted>,
}

/// An argument of a prompt.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PromptArgument {
    /// Its name.
    pub name: String,
    /// Its display name.
    #[serde(default)]
    pub title: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether the prompt cannot do without it.
    #[serde(default)]
    pub required: bool,
    /// What completion suggests for it.
    #[serde(default)]
    pub completes: Vec<String>,
}

/// A resource.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resource {
    /// Its URI.
    pub uri: String,
    /// Its name. Absent: the URI.
    #[serde(default)]
    pub name: Option<String>,
    /// Its display name.
    #[serde(default)]
    pub title: Option<String>,
    /// What it holds.
    #[serde(default)]
    pub description: Option<String>,
    /// The media type of its content.
    #[serde(default)]
    pub mime_type: Option<String>,
    /// Further members of the resource as it is listed.
    #[serde(default)]
    pub extra: Map<String, Value>,
    /// What happens before the answer.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Its content as text.
    #[serde(default)]
    pub text: Option<String>,
    /// Its content as base64.
    #[serde(default)]
    pub blob: Option<String>,
    /// What reading it answers instead.
    #[serde(default)]
    pub answer: Option<Scripted>,
}

/// A template of resources.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceTemplate {
    /// The URIs that it stands for.
    pub uri_template: UriTemplate,
    /// Its name. Absent: the template of URIs.
    #[serde(default)]
    pub name: Option<String>,
    /// Its display name.
    #[serde(default)]
    pub title: Option<String>,
    /// What such resources hold.
    #[serde(default)]
    pub description: Option<String>,
    /// The media type of their content.
    #[serde(default)]
    pub mime_type: Option<String>,
    /// Further members of the template as it is listed.
    #[serde(default)]
    pub extra: Map<String, Value>,
    /// What completion suggests for each variable.
    #[serde(default)]
    pub completes: BTreeMap<String, Vec<String>>,
    /// What happens before the answer.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Their content as text.
    #[serde(default)]
    pub text: Option<String>,
    /// Their content as base64.
    #[serde(default)]
    pub blob: Option<String>,
    /// What reading one answers instead.
    #[serde(default)]
    pub answer: Option<Scripted>,
}

/// A scripted answer to `prompts/get` or `resources/read`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Scripted {
    /// The whole `result` member as it is sent.
    Result(Map<String, Value>),
    /// A JSON-RPC error instead of a result.
    Error(RpcError),
}
