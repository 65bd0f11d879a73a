//! How the gateway authenticates to its backends.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Secret;

/// Authentication towards backends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutgoingAuth {
    /// Where the authentication of a backend is written.
    pub source: OutgoingAuthSource,
    /// For backends that have none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<OutgoingStrategy>,
    /// By name of the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backends: Option<BTreeMap<String, OutgoingStrategy>>,
}

/// Where the authentication of a backend is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum OutgoingAuthSource {
    /// In this configuration.
    Inline,
    /// In the objects of the group's members.
    Discovered,
}

/// One way to authenticate to a backend: a type and the block that goes with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutgoingStrategy {
    /// `unauthenticated`, `discovered`, `external_auth_config`, `header_injection`, `token_exchange`, `upstream_inject`,
    /// `aws_sts`, `xaa` or `obo`.
    #[serde(rename = "type")]
    pub kind: String,
    /// For type `external_auth_config`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_auth_config: Option<ExternalAuthConfig>,
    /// For type `header_injection`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_injection: Option<HeaderInjection>,
    /// For type `token_exchange`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_exchange: Option<TokenExchange>,
    /// For type `upstream_inject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_inject: Option<UpstreamInject>,
    /// For type `aws_sts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_sts: Option<AwsSts>,
    /// For type xaa.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xaa: Option<Xaa>,
    /// For type obo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obo: Option<OnBehalfOf>,
}

/// Authenticates as an MCPExternalAuthConfig of the gateway's namespace says. The gateway follows its changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalAuthConfig {
    /// Name of the MCPExternalAuthConfig.
    pub name: String,
}

/// Sets one header on every request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderInjection {
    /// Name of the header.
    pub header_name: String,
    /// Value of the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_value: Option<Secret>,
    /// Environment variable with the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_value_env: Option<String>,
    /// Secret of the gateway's namespace with the value. The gateway follows its changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_value_secret: Option<SecretKey>,
    /// What is sent, with {token} for the value; the value alone when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_format: Option<String>,
}

impl HeaderInjection {
    /// The header's value for the secret `token`.
    pub fn format(&self, token: &str) -> String {
        let token = token.trim_end_matches(['\r', '\n']);
        self.header_format.as_ref().map_or_else(|| token.to_owned(), |format| format.replace("{token}", token))
    }
}

/// One key of a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// Name of the Secret.
    pub name: String,
    /// Key in the Secret.
    pub key: String,
}

/// Exchanges the client's token for one of the backend (RFC 8693).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenExchange {
    /// The token endpoint.
    pub token_url: String,
    /// Client id of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Client secret of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// Environment variable with the client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_env: Option<String>,
    /// Audience of the requested token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Scopes of the requested token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub scopes: Option<Vec<String>>,
    /// Type of the subject token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_token_type: Option<String>,
    /// The upstream provider whose token is exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_provider_name: Option<String>,
}

/// Sends the token of an upstream provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamInject {
    /// Name of the provider.
    pub provider_name: String,
}

/// Signs requests with credentials of AWS STS.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsSts {
    /// AWS region.
    pub region: String,
    /// AWS service to sign for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Role when no mapping matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_role_arn: Option<String>,
    /// Roles by claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub role_mappings: Option<Vec<AwsRoleMapping>>,
    /// The claim that the mappings read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_claim: Option<String>,
    /// Seconds for which credentials are valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_duration: Option<i32>,
    /// The claim that names the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name_claim: Option<String>,
    /// The upstream provider whose token is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_provider_name: Option<String>,
}

/// One role and who gets it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsRoleMapping {
    /// Value of the role claim that selects this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// CEL expression over the claims that selects this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matcher: Option<String>,
    /// The role.
    pub role_arn: String,
    /// Lower numbers are tried first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::schema::Integer>")]
    pub priority: Option<i64>,
}

/// Cross-application access: an identity assertion of the identity provider is exchanged at the backend's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Xaa {
    /// Token endpoint of the identity provider.
    pub idp_token_url: String,
    /// Client id at the identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idp_client_id: Option<String>,
    /// Client secret at the identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idp_client_secret: Option<Secret>,
    /// Environment variable with that client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idp_client_secret_env: Option<String>,
    /// Token endpoint of the backend's authorization server.
    pub target_token_url: String,
    /// Allows that endpoint without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure_target_token_url: Option<bool>,
    /// Client id at the backend's authorization server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_client_id: Option<String>,
    /// Client secret at the backend's authorization server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_client_secret: Option<Secret>,
    /// Environment variable with that client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_client_secret_env: Option<String>,
    /// Audience of the assertion.
    pub target_audience: String,
    /// Resource of the requested token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_resource: Option<String>,
    /// Scopes of the requested token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub scopes: Option<Vec<String>>,
    /// Type of the subject token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_token_type: Option<String>,
    /// The upstream provider whose token is exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_provider_name: Option<String>,
}

/// The on-behalf-of flow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnBehalfOf {
    /// The token endpoint.
    pub token_url: String,
    /// Client id of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Client secret of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// Environment variable with the client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_env: Option<String>,
    /// Audience of the requested token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Scopes of the requested token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub scopes: Option<Vec<String>>,
    /// Seconds before expiry at which a cached token is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_skew_seconds: Option<i32>,
    /// The upstream provider whose token is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_token_provider_name: Option<String>,
}
