//! How a proxy authenticates to its server. The types are those of MCPExternalAuthConfig that are served.

use schemars::JsonSchema;
use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value::StrDeserializer},
};

/// Authentication towards the server: a type and the block that goes with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyOutgoing {
    /// The way to authenticate.
    #[serde(rename = "type")]
    pub kind: ProxyOutgoingKind,
    /// For type tokenExchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_exchange: Option<TokenExchange>,
    /// For type headerInjection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_injection: Option<HeaderInjection>,
    /// For type bearerToken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token: Option<BearerToken>,
}

impl ProxyOutgoing {
    /// What the proxy reads from Secrets for it.
    pub(super) fn secret_keys(&self) -> impl Iterator<Item = &SecretKey> {
        let exchange = self.token_exchange.as_ref().and_then(|block| block.client_secret.as_ref());
        let injection = self.header_injection.as_ref().map(|block| &block.value);
        let bearer = self.bearer_token.as_ref().map(|block| &block.token);
        exchange.into_iter().chain(injection).chain(bearer)
    }
}

/// The ways to authenticate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProxyOutgoingKind {
    /// Not at all.
    #[default]
    Unauthenticated,
    /// The client's token is exchanged (RFC 8693).
    TokenExchange,
    /// A header with a secret value.
    HeaderInjection,
    /// A secret token in the Authorization header.
    BearerToken,
}

/// One key of a Secret in the proxy's namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct SecretKey {
    /// Name of the Secret.
    pub secret: String,
    /// Key in the Secret.
    pub key: String,
}

/// Exchanges the client's token for one of the server (RFC 8693).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenExchange {
    /// The token endpoint.
    pub token_url: String,
    /// Audience of the requested token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Client id of the proxy at the token endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Where the client secret is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretKey>,
    /// Scopes of the requested token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Type of the subject token; an access token when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub subject_token_type: Option<SubjectTokenType>,
}

/// Type of the subject token of an exchange (RFC 8693, section 3), by its short or its full name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SubjectTokenType {
    /// An access token.
    #[serde(rename = "access_token", alias = "urn:ietf:params:oauth:token-type:access_token")]
    AccessToken,
    /// An ID token.
    #[serde(rename = "id_token", alias = "urn:ietf:params:oauth:token-type:id_token")]
    IdToken,
    /// A JWT.
    #[serde(rename = "jwt", alias = "urn:ietf:params:oauth:token-type:jwt")]
    Jwt,
}

impl SubjectTokenType {
    /// Reads either name.
    pub fn parse(name: &str) -> Option<Self> {
        let name: StrDeserializer<'_, serde::de::value::Error> = name.into_deserializer();
        Self::deserialize(name).ok()
    }

    /// The short name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::IdToken => "id_token",
            Self::Jwt => "jwt",
        }
    }
}

/// Sends a secret in a header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderInjection {
    /// Name of the header.
    pub header_name: String,
    /// Where the value is.
    pub value: SecretKey,
}

/// Sends a secret token in the Authorization header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BearerToken {
    /// Where the token is.
    pub token: SecretKey,
}
