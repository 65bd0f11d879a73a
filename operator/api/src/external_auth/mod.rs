//! MCPExternalAuthConfig: how gateways and proxies authenticate to servers, and how they authenticate clients for them.

mod embedded;
mod outgoing;

pub use embedded::{
    AclUser, AuthServerStorage, AuthServerStorageType, ClientMetadataDocuments, DelegateClient, DynamicRegistration,
    EmbeddedAuthServer, IdentityFromToken, JwtBearerGrant, Oauth2Provider, OidcProvider, RedisStorage, RedisTls,
    Sentinel, SentinelService, SubjectBinding, TokenLifespans, TokenResponseMapping, TrustedIssuer, UpstreamProvider,
    UpstreamProviderType, UserInfo, UserInfoFields, UserInfoMethod,
};
pub use outgoing::{
    AwsRoleMapping, AwsSts, BearerToken, CrossApplicationAccess, CrossApplicationSubjectTokenType, HeaderInjection,
    OnBehalfOf, TokenExchange, UpstreamInject,
};

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ConfigStatus, SecretKeyReference};

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
    status = "ConfigStatus",
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
        "message": "bearerToken configuration must be set if and only if type is 'bearerToken'",
        "rule": "self.type == 'bearerToken' ? has(self.bearerToken) : !has(self.bearerToken)"
    },
    {
        "message": "embeddedAuthServer configuration must be set if and only if type is 'embeddedAuthServer'",
        "rule": "self.type == 'embeddedAuthServer' ? has(self.embeddedAuthServer) : !has(self.embeddedAuthServer)"
    },
    {
        "message": "awsSts configuration must be set if and only if type is 'awsSts'",
        "rule": "self.type == 'awsSts' ? has(self.awsSts) : !has(self.awsSts)"
    },
    {
        "message": "upstreamInject configuration must be set if and only if type is 'upstreamInject'",
        "rule": "self.type == 'upstreamInject' ? has(self.upstreamInject) : !has(self.upstreamInject)"
    },
    {
        "message": "obo configuration must be set if and only if type is 'obo'",
        "rule": "self.type == 'obo' ? has(self.obo) : !has(self.obo)"
    },
    {
        "message": "xaa configuration must be set if and only if type is 'xaa'",
        "rule": "self.type == 'xaa' ? has(self.xaa) : !has(self.xaa)"
    },
    {
        "message": "no configuration must be set when type is 'unauthenticated'",
        "rule": "self.type == 'unauthenticated' ? (!has(self.tokenExchange) && !has(self.headerInjection) && !has(self.bearerToken) && !has(self.embeddedAuthServer) && !has(self.awsSts) && !has(self.upstreamInject) && !has(self.obo) && !has(self.xaa)) : true"
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
    /// For type bearerToken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token: Option<BearerToken>,
    /// For type embeddedAuthServer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded_auth_server: Option<EmbeddedAuthServer>,
    /// For type awsSts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_sts: Option<AwsSts>,
    /// For type upstreamInject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_inject: Option<UpstreamInject>,
    /// For type obo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obo: Option<OnBehalfOf>,
    /// For type xaa.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xaa: Option<CrossApplicationAccess>,
}

impl MCPExternalAuthConfigSpec {
    /// The Secrets that hold what is sent to a server, or to the authorization server that exchanges tokens for it.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretKeyReference> {
        let exchange = self.token_exchange.as_ref().and_then(|block| block.client_secret_ref.as_ref());
        let header = self.header_injection.as_ref().map(|block| &block.value_secret_ref);
        let bearer = self.bearer_token.as_ref().map(|block| &block.token_secret_ref);
        exchange.into_iter().chain(header).chain(bearer)
    }
}

/// The ways to authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExternalAuthType {
    /// The client's token is exchanged for one of the remote server (RFC 8693).
    TokenExchange,
    /// One header carries a secret.
    HeaderInjection,
    /// The Authorization header carries a secret token.
    BearerToken,
    /// Nothing is sent.
    Unauthenticated,
    /// Clients authenticate at an authorization server that runs beside the server.
    EmbeddedAuthServer,
    /// Requests are signed with temporary credentials of AWS.
    AwsSts,
    /// The token of an upstream provider is sent.
    UpstreamInject,
    /// The client's token is exchanged on behalf of its user (Microsoft Entra).
    Obo,
    /// An identity assertion is exchanged at the remote server's authorization server.
    Xaa,
}
