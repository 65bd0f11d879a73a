//! What an authenticated client may do: Cedar policies, in place or in a ConfigMap.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an authenticated client may do: a type, and the block named after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "configMap is required when type is 'configMap', and refused otherwise",
        "rule": "self.type == 'configMap' ? has(self.configMap) : !has(self.configMap)"
    },
    {
        "message": "inline is required when type is 'inline', and refused otherwise",
        "rule": "self.type == 'inline' ? has(self.inline) : !has(self.inline)"
    }
]))]
pub struct Authorization {
    /// Where the policies are.
    #[serde(rename = "type")]
    #[schemars(extend("default" = "configMap"))]
    pub kind: AuthorizationType,
    /// For type configMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<AuthorizationConfigMap>,
    /// For type inline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline: Option<InlineAuthorization>,
    /// The claim that lists the client's groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub group_claim_name: Option<String>,
    /// The Cedar entity type of groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub group_entity_type: Option<String>,
    /// The claim that lists the client's roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub role_claim_name: Option<String>,
}

/// Where the policies are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AuthorizationType {
    /// In a ConfigMap.
    #[default]
    ConfigMap,
    /// In the object itself.
    Inline,
}

/// The ConfigMap that holds the policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizationConfigMap {
    /// Name of the ConfigMap in the same namespace.
    pub name: String,
    /// Key in the ConfigMap.
    #[serde(default = "default_key")]
    pub key: String,
}

/// Policies that are written in the object itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InlineAuthorization {
    /// The Cedar policies.
    #[schemars(length(min = 1), extend("x-kubernetes-list-type" = "atomic"))]
    pub policies: Vec<String>,
    /// Cedar entities that the policies refer to, as a JSON list.
    #[serde(default = "default_entities_json")]
    pub entities_json: String,
    /// The upstream provider whose token holds the claims. Deprecated: name it in the authorization server's own block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub primary_upstream_provider: Option<String>,
}

fn default_key() -> String {
    "authz.json".to_owned()
}

fn default_entities_json() -> String {
    "[]".to_owned()
}
