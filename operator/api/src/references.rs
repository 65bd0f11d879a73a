//! References between objects.
//!
//! Every reference is to an object of the same namespace.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names an MCPGroup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupReference {
    /// Name of the MCPGroup in the same namespace.
    #[schemars(length(min = 1))]
    pub name: String,
}

/// Names an MCPExternalAuthConfig.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExternalAuthConfigReference {
    /// Name of the MCPExternalAuthConfig in the same namespace.
    pub name: String,
}

/// Names an MCPOIDCConfig, and says what tokens must be for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OidcConfigReference {
    /// Name of the MCPOIDCConfig in the same namespace.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The `aud` of accepted tokens; unique per server, so that tokens cannot be replayed at another.
    #[schemars(length(min = 1))]
    pub audience: String,
    /// Scopes that are advertised to clients; `openid` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub scopes: Option<Vec<String>>,
    /// The resource identifier that is published (RFC 9728); the URL of the Service when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_url: Option<String>,
}

/// Names the object that configures the authorization server which runs beside a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthServerReference {
    /// Kind of that object.
    #[schemars(extend("default" = "MCPExternalAuthConfig"))]
    pub kind: AuthServerKind,
    /// Name of that object in the same namespace.
    #[schemars(length(min = 1))]
    pub name: String,
}

/// Kinds of objects that configure an authorization server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum AuthServerKind {
    /// An MCPExternalAuthConfig of type embeddedAuthServer.
    #[default]
    MCPExternalAuthConfig,
}

/// Names an MCPAuthzConfig.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthzConfigReference {
    /// Name of the MCPAuthzConfig in the same namespace.
    #[schemars(length(min = 1))]
    pub name: String,
}

/// Names an MCPTelemetryConfig.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TelemetryConfigReference {
    /// Name of the MCPTelemetryConfig in the same namespace.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The service.name of the signals, unique per server; made from the object's own name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
}

/// Names an MCPWebhookConfig.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookConfigReference {
    /// Name of the MCPWebhookConfig in the same namespace.
    pub name: String,
}

/// Names an EmbeddingServer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmbeddingServerReference {
    /// Name of the EmbeddingServer in the same namespace.
    pub name: String,
}

/// One key of a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct SecretKeyReference {
    /// Name of the Secret in the same namespace.
    pub name: String,
    /// Key in the Secret.
    pub key: String,
}

/// Where a bundle of certificate authorities is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaBundleReference {
    /// The ConfigMap, and the key in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ConfigMapKeyReference>,
}

/// One key of a ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct ConfigMapKeyReference {
    /// Name of the ConfigMap in the same namespace.
    #[serde(default)]
    pub name: String,
    /// Key in the ConfigMap.
    #[serde(default = "ca_crt")]
    pub key: String,
    /// Whether the system's authorities suffice while the ConfigMap or its key is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// The key that holds certificate authorities by convention.
fn ca_crt() -> String {
    "ca.crt".to_owned()
}
