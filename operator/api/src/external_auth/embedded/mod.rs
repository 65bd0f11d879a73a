//! The authorization server that runs beside a server, and sends its clients to upstream providers.

mod storage;
mod trusted_issuer;
mod upstream;

pub use storage::{
    AclUser, AuthServerStorage, AuthServerStorageType, RedisStorage, RedisTls, Sentinel, SentinelService,
};
pub use trusted_issuer::{JwtBearerGrant, SubjectBinding, TrustedIssuer};
pub use upstream::{
    DynamicRegistration, IdentityFromToken, Oauth2Provider, OidcProvider, TokenResponseMapping, UpstreamProvider,
    UpstreamProviderType, UserInfo, UserInfoFields, UserInfoMethod,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vmcp_config::Duration;

use crate::SecretKeyReference;

/// An authorization server for the clients of one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "allowConfidentialClientRegistration hands out client secrets: insecureAllowHTTP must not be set with it",
        "rule": "!(has(self.allowConfidentialClientRegistration) && self.allowConfidentialClientRegistration && has(self.insecureAllowHTTP) && self.insecureAllowHTTP)"
    },
    {
        "message": "delegateClients send their secrets to the issuer: it must be https://",
        "rule": "!has(self.delegateClients) || size(self.delegateClients) == 0 || !self.issuer.startsWith('http://')"
    },
    {
        "message": "forceConfidentialRedirectUris takes allowConfidentialClientRegistration",
        "rule": "(!has(self.forceConfidentialRedirectUris) || size(self.forceConfidentialRedirectUris) == 0) || (has(self.allowConfidentialClientRegistration) && self.allowConfidentialClientRegistration)"
    }
]))]
#[expect(clippy::struct_excessive_bools, reason = "so the kind is written")]
pub struct EmbeddedAuthServer {
    /// The iss of the tokens that it issues, and the base of its endpoints.
    #[schemars(regex(pattern = r"^https?://[^\s?#]+[^/\s?#]$"))]
    pub issuer: String,
    /// Base of the authorization endpoint, where browsers reach it by another name than the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s?#]+[^/\s?#]$"))]
    pub authorization_endpoint_base_url: Option<String>,
    /// Permits an issuer without TLS on another host than localhost; for trusted networks only.
    #[serde(default, rename = "insecureAllowHTTP")]
    pub insecure_allow_http: bool,
    /// Where users log in.
    #[schemars(length(min = 1), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub upstream_providers: Vec<UpstreamProvider>,
    /// The upstream provider whose token holds the claims that policies read; the first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub primary_upstream_provider: Option<String>,
    /// Keeps the tokens of upstream providers from being sent to the server; it gets none at all.
    #[serde(default)]
    pub disable_upstream_token_injection: bool,
    /// Where the keys are that sign tokens: the first signs, the others verify. A key that does not outlive the pod is
    /// made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "atomic"))]
    pub signing_key_secret_refs: Option<Vec<SecretKeyReference>>,
    /// Where the secrets are that sign codes and refresh tokens: the first signs, the others verify. One that does not
    /// outlive the pod is made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub hmac_secret_refs: Option<Vec<SecretKeyReference>>,
    /// How long tokens and codes are valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_lifespans: Option<TokenLifespans>,
    /// Where clients, codes and tokens are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<AuthServerStorage>,
    /// Lets clients that register themselves (RFC 7591) have a secret.
    #[serde(default)]
    pub allow_confidential_client_registration: bool,
    /// Permits that with an issuer on localhost without TLS.
    #[serde(default, rename = "insecureAllowConfidentialOverLoopbackHTTP")]
    pub insecure_allow_confidential_over_loopback_http: bool,
    /// Redirect URIs whose clients get a secret, whatever they ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10), inner(regex(pattern = r"^https://[^\s?#]+$")), extend("x-kubernetes-list-type" = "atomic"))]
    pub force_confidential_redirect_uris: Option<Vec<String>>,
    /// Scopes that every client which registers itself may ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10), inner(length(min = 1), regex(pattern = r"^[\x21\x23-\x5B\x5D-\x7E]+$")), extend("x-kubernetes-list-type" = "atomic"))]
    pub baseline_client_scopes: Option<Vec<String>>,
    /// Clients that are identified by the URL of a metadata document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cimd: Option<ClientMetadataDocuments>,
    /// Clients that may exchange tokens (RFC 8693).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "atomic"))]
    pub delegate_clients: Option<Vec<DelegateClient>>,
    /// Other issuers whose tokens may be exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub trusted_issuers: Option<Vec<TrustedIssuer>>,
}

/// How long tokens and codes are valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenLifespans {
    /// Of access tokens; an hour when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_lifespan: Option<Duration>,
    /// Of refresh tokens; a week when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token_lifespan: Option<Duration>,
    /// Of authorization codes; ten minutes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_code_lifespan: Option<Duration>,
}

/// Clients that are identified by the URL of a metadata document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientMetadataDocuments {
    /// Whether such clients are served.
    #[schemars(extend("default" = false))]
    pub enabled: bool,
    /// How many documents are kept; 256 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("format" = null))]
    pub cache_max_size: Option<i64>,
    /// How long a document is kept; five minutes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_fallback_ttl: Option<Duration>,
}

/// A client that may exchange tokens (RFC 8693).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "clientSecretRef needs a name and a key",
        "rule": "has(self.clientSecretRef) && size(self.clientSecretRef.name) > 0 && size(self.clientSecretRef.key) > 0"
    }
]))]
pub struct DelegateClient {
    /// Its client id.
    #[schemars(length(min = 1, max = 256))]
    pub client_id: String,
    /// Where its client secret is.
    pub client_secret_ref: SecretKeyReference,
    /// Resources that it may ask tokens for (RFC 8707).
    #[schemars(length(min = 1, max = 10), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "atomic"))]
    pub audiences: Vec<String>,
    /// Scopes that it may ask for.
    #[schemars(length(min = 1, max = 10), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "atomic"))]
    pub scopes: Vec<String>,
}
