//! The ways to authenticate to a server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SecretKeyReference;

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
        pattern = "^(access_token|id_token|jwt|urn:ietf:params:oauth:token-type:(access_token|id_token|jwt))?$"
    ))]
    pub subject_token_type: Option<String>,
    /// The upstream provider whose token is exchanged; the client's own token when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_provider_name: Option<String>,
    /// Header that carries the exchanged token; Authorization when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_token_header_name: Option<String>,
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

/// Sends a secret token in the Authorization header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BearerToken {
    /// Where the token is.
    pub token_secret_ref: SecretKeyReference,
}

/// Signs requests with temporary credentials, for which the client's token is presented to AWS STS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsSts {
    /// AWS region, such as us-east-1.
    #[schemars(length(min = 1), regex(pattern = r"^[a-z]{2}(-[a-z]+)+-\d+$"))]
    pub region: String,
    /// AWS service to sign for.
    #[serde(default = "default_service")]
    pub service: String,
    /// Role when no mapping matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:(aws|aws-cn|aws-us-gov):iam::\d{12}:role/[\w+=,.@\-_/]+$"))]
    pub fallback_role_arn: Option<String>,
    /// Roles by claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub role_mappings: Option<Vec<AwsRoleMapping>>,
    /// The claim that the mappings read.
    #[serde(default = "default_role_claim")]
    pub role_claim: String,
    /// Seconds for which credentials are valid.
    #[serde(default = "default_session_duration")]
    #[schemars(range(min = 900, max = 43200))]
    pub session_duration: i32,
    /// The claim that names the session.
    #[serde(default = "default_session_name_claim")]
    pub session_name_claim: String,
    /// The upstream provider whose token is presented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_provider_name: Option<String>,
}

/// One role, and who gets it: by claim or by matcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsRoleMapping {
    /// Value of the role claim that selects this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub claim: Option<String>,
    /// CEL expression over claims that selects this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub matcher: Option<String>,
    /// The role.
    #[schemars(regex(pattern = r"^arn:(aws|aws-cn|aws-us-gov):iam::\d{12}:role/[\w+=,.@\-_/]+$"))]
    pub role_arn: String,
    /// Lower numbers are tried first; a mapping without one comes last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub priority: Option<i32>,
}

/// Sends the token of an upstream provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamInject {
    /// Name of the provider.
    #[schemars(length(min = 1))]
    pub provider_name: String,
}

/// Exchanges the client's token on behalf of its user, at Microsoft Entra.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnBehalfOf {
    /// The directory: a GUID or a domain name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 253),
        regex(
            pattern = r"^([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z]{2,})$"
        )
    )]
    pub tenant_id: Option<String>,
    /// Host of the login service, for sovereign clouds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https://[^\s?#@]+[^/\s?#@]$"))]
    pub authority: Option<String>,
    /// Client id of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Where the client secret is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<SecretKeyReference>,
    /// The server that the token is for; used when there are no scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Scopes of the requested token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "atomic"))]
    pub scopes: Option<Vec<String>>,
    /// Time before expiry at which a cached token is replaced, such as 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_skew: Option<String>,
    /// The upstream provider whose token is exchanged; the client's own token when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub subject_token_provider_name: Option<String>,
}

/// Cross-application access: an identity assertion of the identity provider is exchanged at the remote server's
/// authorization server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrossApplicationAccess {
    /// Token endpoint of the identity provider.
    #[schemars(regex(pattern = "^https://.*$"))]
    pub idp_token_url: String,
    /// Client id at the identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idp_client_id: Option<String>,
    /// Where that client secret is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idp_client_secret_ref: Option<SecretKeyReference>,
    /// Token endpoint of the remote server's authorization server.
    pub target_token_url: String,
    /// Permits that endpoint without TLS; for tests only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure_target_token_url: Option<bool>,
    /// Client id at that authorization server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_client_id: Option<String>,
    /// Where that client secret is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_client_secret_ref: Option<SecretKeyReference>,
    /// Audience of the assertion: the URL of that authorization server.
    pub target_audience: String,
    /// Resource of the requested token (RFC 8707): the URL of the remote server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_resource: Option<String>,
    /// Scopes of the requested tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub scopes: Option<Vec<String>>,
    /// The upstream provider whose token is exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_provider_name: Option<String>,
    /// Type of the subject token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_token_type: Option<CrossApplicationSubjectTokenType>,
}

/// Type of the subject token of cross-application access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum CrossApplicationSubjectTokenType {
    /// An ID token.
    #[serde(rename = "urn:ietf:params:oauth:token-type:id_token")]
    IdToken,
}

fn default_service() -> String {
    "aws-mcp".to_owned()
}

fn default_role_claim() -> String {
    "groups".to_owned()
}

const fn default_session_duration() -> i32 {
    3600
}

fn default_session_name_claim() -> String {
    "sub".to_owned()
}
