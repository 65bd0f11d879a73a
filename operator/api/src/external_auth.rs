//! MCPExternalAuthConfig: how gateways authenticate to remote servers.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SecretKeyReference;

/// One way to authenticate: a type, and the block named after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "toolhive.stacklok.dev",
    version = "v1beta1",
    kind = "MCPExternalAuthConfig",
    plural = "mcpexternalauthconfigs",
    singular = "mcpexternalauthconfig",
    shortname = "extauth",
    shortname = "mcpextauth",
    category = "toolhive",
    doc = "How gateways authenticate to remote MCP servers; entries refer to it.",
    namespaced,
    status = "MCPExternalAuthConfigStatus",
    derive = "PartialEq",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Valid", type_ = "string", json_path = ".status.conditions[?(@.type=='Valid')].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "tokenExchange configuration must be set if and only if type is 'tokenExchange'",
        "rule": "self.type == 'tokenExchange' ? has(self.tokenExchange) : !has(self.tokenExchange)"
    },
    {
        "message": "headerInjection configuration must be set if and only if type is 'headerInjection'",
        "rule": "self.type == 'headerInjection' ? has(self.headerInjection) : !has(self.headerInjection)"
    },
    {
        "message": "no configuration must be set when type is 'unauthenticated'",
        "rule": "self.type == 'unauthenticated' ? (!has(self.tokenExchange) && !has(self.headerInjection)) : true"
    }
]))]
pub struct MCPExternalAuthConfigSpec {
    /// The way to authenticate.
    #[serde(rename = "type")]
    pub kind: ExternalAuthType,
    /// For type tokenExchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_exchange: Option<TokenExchange>,
    /// For type headerInjection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_injection: Option<HeaderInjection>,
}

/// The ways to authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExternalAuthType {
    /// The client's token is exchanged for one of the remote server (RFC 8693).
    TokenExchange,
    /// One header carries a secret.
    HeaderInjection,
    /// Nothing is sent.
    Unauthenticated,
}

/// Exchanges the client's token for one of the remote server (RFC 8693).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenExchange {
    /// The token endpoint.
    pub token_url: String,
    /// Audience of the requested token.
    pub audience: String,
    /// Client id of the gateway at the authorization server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Where the client secret is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<SecretKeyReference>,
    /// Scopes of the requested token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub scopes: Option<Vec<String>>,
    /// Type of the subject token; an access token when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(
        pattern = r"^(access_token|id_token|jwt|urn:ietf:params:oauth:token-type:(access_token|id_token|jwt))?$"
    ))]
    pub subject_token_type: Option<String>,
}

/// Sends a secret in a header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderInjection {
    /// Name of the header.
    #[schemars(length(min = 1))]
    pub header_name: String,
    /// Where the value is.
    pub value_secret_ref: SecretKeyReference,
}

/// Whether an auth config can be used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MCPExternalAuthConfigStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Hash of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_hash: Option<String>,
    /// What was checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
