//! How clients authenticate to a gateway, and the gateway to its backends.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Authorization, AuthzConfigReference, ExternalAuthConfigReference, OidcConfigReference, SecretKeyReference,
};

/// How clients authenticate, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "spec.incomingAuth.oidcConfigRef is required when type is oidc",
        "rule": "self.type == 'oidc' ? has(self.oidcConfigRef) : true"
    },
    {
        "message": "set authzConfig or authzConfigRef, not both",
        "rule": "!(has(self.authzConfig) && has(self.authzConfigRef))"
    }
]))]
pub struct IncomingAuth {
    /// Who may connect.
    #[serde(rename = "type")]
    pub kind: IncomingAuthType,
    /// Which tokens are accepted; required for type oidc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_config_ref: Option<OidcConfigReference>,
    /// What an authenticated client may do, written in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authz_config: Option<Authorization>,
    /// What an authenticated client may do, as an object of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authz_config_ref: Option<AuthzConfigReference>,
}

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum IncomingAuthType {
    /// Everyone.
    Anonymous,
    /// Who presents a token of the provider.
    Oidc,
}

/// How the gateway authenticates to its backends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutgoingAuth {
    /// Where the authentication of a backend is written.
    #[serde(default)]
    pub source: OutgoingAuthSource,
    /// For backends that have none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<BackendAuth>,
    /// By name of the backend; before what the backend's own object says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backends: Option<BTreeMap<String, BackendAuth>>,
}

/// Where the authentication of a backend is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OutgoingAuthSource {
    /// In the objects of the group's members.
    #[default]
    Discovered,
    /// In the gateway's own object.
    Inline,
}

/// How the gateway authenticates to one backend: a type, and the block that goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendAuth {
    /// The way to authenticate.
    #[serde(rename = "type")]
    pub kind: BackendAuthType,
    /// For type externalAuthConfigRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_auth_config_ref: Option<ExternalAuthConfigReference>,
    /// For type service_account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccountAuth>,
}

/// The ways to authenticate to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BackendAuthType {
    /// As the backend's own object says.
    Discovered,
    /// As an MCPExternalAuthConfig says.
    ExternalAuthConfigRef,
    /// A secret is sent in a header.
    #[serde(rename = "service_account")]
    ServiceAccount,
}

/// Sends a secret in a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountAuth {
    /// Where the secret is.
    pub credentials_ref: SecretKeyReference,
    /// Name of the header.
    #[serde(default = "default_header_name")]
    #[schemars(length(min = 1, max = 255))]
    pub header_name: String,
    /// Value of the header, with {token} for the secret.
    #[serde(default = "default_header_format")]
    #[schemars(length(max = 1024))]
    pub header_format: String,
}

fn default_header_name() -> String {
    "Authorization".to_owned()
}

fn default_header_format() -> String {
    "Bearer {token}".to_owned()
}
