//! How clients authenticate to the gateway.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Authentication and authorization of clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncomingAuth {
    /// Who may connect.
    #[serde(rename = "type")]
    pub kind: IncomingAuthKind,
    /// Which tokens are accepted; required for type oidc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,
    /// What an authenticated client may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authz: Option<Authorization>,
}

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum IncomingAuthKind {
    /// Everyone.
    Anonymous,
    /// Who presents a token of the issuer.
    Oidc,
    /// The user who runs the gateway.
    Local,
}

/// Which tokens are accepted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Oidc {
    /// The `iss` of accepted tokens, and where OpenID discovery starts.
    #[schemars(regex(pattern = r"^https?://"))]
    pub issuer: String,
    /// The `aud` of accepted tokens.
    pub audience: String,
    /// Client id for introspection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Environment variable with the client secret for introspection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_env: Option<String>,
    /// The resource identifier of this gateway (RFC 9728); its metadata is published when it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Where the signing keys are; OpenID discovery finds it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// Where opaque tokens are introspected (RFC 7662).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_url: Option<String>,
    /// Scopes that are advertised to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Allows the issuer and its endpoints at private addresses.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protected_resource_allow_private_ip: bool,
    /// Allows the issuer and its endpoints at private addresses; either field does.
    #[serde(default, skip_serializing_if = "is_false")]
    pub jwks_allow_private_ip: bool,
    /// Allows an issuer that is served without TLS.
    #[serde(default, skip_serializing_if = "is_false")]
    pub insecure_allow_http: bool,
    /// Absolute path of a PEM file with authorities to trust for the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_path: Option<String>,
}

/// What an authenticated client may do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authorization {
    /// `cedar` or `none`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Cedar policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<String>>,
    /// Cedar entities as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entities_json: Option<String>,
    /// The upstream provider whose token holds the claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_upstream_provider: Option<String>,
    /// The claim that lists groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_claim_name: Option<String>,
    /// The claim that lists roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_claim_name: Option<String>,
    /// The Cedar entity type of groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_entity_type: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}
