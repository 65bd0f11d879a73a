//! The providers to which an authorization server sends its users.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SecretKeyReference;

/// A provider where users log in: a type, and the block that goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "type oidc takes oidcConfig alone, and type oauth2 takes oauth2Config alone",
        "rule": "self.type == 'oidc' ? (has(self.oidcConfig) && !has(self.oauth2Config)) : self.type == 'oauth2' ? (has(self.oauth2Config) && !has(self.oidcConfig)) : false"
    }
]))]
pub struct UpstreamProvider {
    /// Name of the provider, unique in the list.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// What the provider speaks.
    #[serde(rename = "type")]
    pub kind: UpstreamProviderType,
    /// For type oidc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_config: Option<OidcProvider>,
    /// For type oauth2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2_config: Option<Oauth2Provider>,
}

/// What a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum UpstreamProviderType {
    /// OpenID Connect.
    Oidc,
    /// OAuth 2.0 alone.
    Oauth2,
}

/// An OpenID provider; its endpoints are discovered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OidcProvider {
    /// Where OpenID discovery starts.
    #[schemars(regex(pattern = "^https://.*$"))]
    pub issuer_url: String,
    /// Client id of the authorization server at the provider.
    pub client_id: String,
    /// Where the client secret is; PKCE alone when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<SecretKeyReference>,
    /// Where the provider sends users back to; /oauth/callback of the server when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// Scopes that are asked for; openid and offline_access when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub scopes: Option<Vec<String>>,
    /// Further query parameters of the authorization request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 16))]
    pub additional_authorization_params: Option<BTreeMap<String, String>>,
    /// The claim of the ID token that identifies the user; sub when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), regex(pattern = "^([a-zA-Z_][a-zA-Z0-9_]*)?$"))]
    pub subject_claim: Option<String>,
    /// Where and how the user is asked for, when discovery does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_info_override: Option<UserInfo>,
}

/// An OAuth 2.0 provider without discovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "set clientId or dcrConfig, exactly one of them",
        "rule": "(has(self.clientId) && size(self.clientId) > 0) ? !has(self.dcrConfig) : has(self.dcrConfig)"
    },
    {
        "message": "clientSecretRef must not be set beside dcrConfig, which obtains the secret",
        "rule": "!(has(self.dcrConfig) && has(self.clientSecretRef))"
    }
]))]
pub struct Oauth2Provider {
    /// The authorization endpoint.
    #[schemars(regex(pattern = "^https?://.*$"))]
    pub authorization_endpoint: String,
    /// The token endpoint.
    #[schemars(regex(pattern = "^https?://.*$"))]
    pub token_endpoint: String,
    /// Client id of the authorization server at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Where the client secret is; PKCE alone when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<SecretKeyReference>,
    /// Registers a client at the provider; instead of clientId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dcr_config: Option<DynamicRegistration>,
    /// Where the provider sends users back to; /oauth/callback of the server when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// Scopes that are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub scopes: Option<Vec<String>>,
    /// Further query parameters of the authorization request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 16))]
    pub additional_authorization_params: Option<BTreeMap<String, String>>,
    /// Permits the provider at a private address.
    #[serde(default, rename = "allowPrivateIPs", skip_serializing_if = "Option::is_none")]
    pub allow_private_ips: Option<bool>,
    /// Permits the provider without TLS; for tests only.
    #[serde(default, rename = "insecureAllowHTTP", skip_serializing_if = "Option::is_none")]
    pub insecure_allow_http: Option<bool>,
    /// Where and how the user is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_info: Option<UserInfo>,
    /// Where the user is in the answer of the token endpoint; instead of userInfo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_from_token: Option<IdentityFromToken>,
    /// Where the tokens are in that answer, when it is not as OAuth says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_response_mapping: Option<TokenResponseMapping>,
}

/// Registers a client at the provider (RFC 7591).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "set discoveryUrl or registrationEndpoint, exactly one of them",
        "rule": "has(self.discoveryUrl) != has(self.registrationEndpoint)"
    }
]))]
pub struct DynamicRegistration {
    /// The provider's metadata document, which names the registration endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048), regex(pattern = r"^https://[^\s?#]+[^/\s?#]$"))]
    pub discovery_url: Option<String>,
    /// The registration endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048), regex(pattern = r"^https://[^\s?#]+[^/\s?#]$"))]
    pub registration_endpoint: Option<String>,
    /// Where the token is that registering takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_access_token_ref: Option<SecretKeyReference>,
    /// Identifies the software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub software_id: Option<String>,
    /// A signed statement about the software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub software_statement: Option<String>,
}

/// Where the user is in the answer of the token endpoint: paths with dots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityFromToken {
    /// Path of what identifies the user.
    #[schemars(length(min = 1, max = 256))]
    pub subject_path: String,
    /// Path of the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub name_path: Option<String>,
    /// Path of the mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub email_path: Option<String>,
}

/// Where the tokens are in the answer of the token endpoint: paths with dots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenResponseMapping {
    /// Path of the access token.
    #[schemars(length(min = 1))]
    pub access_token_path: String,
    /// Path of the refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token_path: Option<String>,
    /// Path of the seconds until expiry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_path: Option<String>,
    /// Path of the scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_path: Option<String>,
}

/// Where and how the user is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserInfo {
    /// The endpoint.
    #[schemars(regex(pattern = "^https?://.*$"))]
    pub endpoint_url: String,
    /// The HTTP method; GET when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_method: Option<UserInfoMethod>,
    /// Headers of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_headers: Option<BTreeMap<String, String>>,
    /// Where the user is in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_mapping: Option<UserInfoFields>,
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UserInfoMethod {
    /// GET.
    GET,
    /// POST.
    POST,
}

/// Names of the fields that tell the user; the first that is not empty counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserInfoFields {
    /// What identifies the user; sub when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub subject_fields: Option<Vec<String>>,
    /// The name; name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub name_fields: Option<Vec<String>>,
    /// The mail address; email when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub email_fields: Option<Vec<String>>,
}
