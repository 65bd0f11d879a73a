//! MCPOIDCConfig: which tokens servers accept from their clients.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CaBundleReference, ConfigStatus, SecretKeyReference};

/// An OpenID provider: a type, and the block named after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "toolhive.stacklok.dev",
    version = "v1beta1",
    kind = "MCPOIDCConfig",
    plural = "mcpoidcconfigs",
    singular = "mcpoidcconfig",
    shortname = "mcpoidc",
    category = "toolhive",
    doc = "An OpenID provider whose tokens servers accept; audience and scopes are set where it is referred to.",
    namespaced,
    status = "ConfigStatus",
    derive = "PartialEq",
    printcolumn(name = "Source", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Valid", type_ = "string", json_path = ".status.conditions[?(@.type=='Valid')].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "kubernetesServiceAccount must be set when type is 'kubernetesServiceAccount', and must not be set otherwise",
        "rule": "self.type == 'kubernetesServiceAccount' ? has(self.kubernetesServiceAccount) : !has(self.kubernetesServiceAccount)"
    },
    {
        "message": "inline must be set when type is 'inline', and must not be set otherwise",
        "rule": "self.type == 'inline' ? has(self.inline) : !has(self.inline)"
    }
]))]
pub struct MCPOIDCConfigSpec {
    /// Where the configuration is.
    #[serde(rename = "type")]
    pub kind: OidcType,
    /// For type kubernetesServiceAccount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_service_account: Option<KubernetesServiceAccountOidc>,
    /// For type inline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline: Option<InlineOidc>,
}

/// Where the configuration of an OpenID provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OidcType {
    /// It is the cluster's own: clients present ServiceAccount tokens.
    KubernetesServiceAccount,
    /// In the object itself.
    Inline,
}

/// The cluster as provider: which ServiceAccount tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesServiceAccountOidc {
    /// Name of the ServiceAccount whose tokens are accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// Namespace of the ServiceAccount; that of the object when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The iss of accepted tokens.
    #[serde(default = "default_issuer")]
    pub issuer: String,
    /// Where the signing keys are; OpenID discovery finds it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// Where tokens are introspected (RFC 7662).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_url: Option<String>,
    /// Whether the cluster's own certificate authority and token are used to reach the provider; they are when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_cluster_auth: Option<bool>,
}

/// An OpenID provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InlineOidc {
    /// The `iss` of accepted tokens, and where OpenID discovery starts.
    pub issuer: String,
    /// Where the signing keys are; OpenID discovery finds it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// Path of a file with the token that reading the signing keys takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_auth_token_path: Option<String>,
    /// Where opaque tokens are introspected (RFC 7662).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_url: Option<String>,
    /// Client id for introspection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Where the client secret for introspection is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<SecretKeyReference>,
    /// Certificate authorities to trust for the provider, beside those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_ref: Option<CaBundleReference>,
    /// Permits the provider at a private address.
    #[serde(default, rename = "jwksAllowPrivateIP")]
    pub jwks_allow_private_ip: bool,
    /// Permits the provider at a private address; either field does.
    #[serde(default, rename = "protectedResourceAllowPrivateIP")]
    pub protected_resource_allow_private_ip: bool,
    /// Permits a provider without TLS; for tests only.
    #[serde(default, rename = "insecureAllowHTTP")]
    pub insecure_allow_http: bool,
}

fn default_issuer() -> String {
    "https://kubernetes.default.svc".to_owned()
}
