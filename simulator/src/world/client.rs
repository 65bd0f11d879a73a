//! Clients of authorization servers as a world file describes them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{ClientKeys, PublicKey, RedirectUri, Secret, VerifyingKey};

/// A client of an authorization server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Client {
    /// Its identifier.
    pub id: String,
    /// Its secret. Without `secret`, `publicKey` and `keys` it is a public client, which names itself by `client_id` alone.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// The key with which it signs its assertions (`private_key_jwt`), in PEM.
    #[serde(default)]
    pub public_key: Option<PublicKey>,
    /// The same as a JWK Set, for several keys or keys with a `kid`.
    #[serde(default)]
    pub keys: Option<ClientKeys>,
    /// How it may authenticate. Absent: in every way for which it has a secret or a key.
    #[serde(default)]
    pub authentication: Option<Vec<ClientAuthentication>>,
    /// Which grants it may use. Absent: all.
    #[serde(default)]
    pub grants: Option<Vec<GrantType>>,
    /// Where the authorization endpoint may send its users back to.
    #[serde(default)]
    pub redirect_uris: Vec<RedirectUri>,
}

impl Client {
    /// A client with a secret that may authenticate with HTTP Basic and in the form.
    #[must_use]
    pub fn new(id: &str, secret: &str) -> Self {
        Self { secret: Some(secret.into()), ..Self::public(id) }
    }

    /// A client that proves nothing.
    #[must_use]
    pub fn public(id: &str) -> Self {
        Self {
            id: id.into(),
            secret: None,
            public_key: None,
            keys: None,
            authentication: None,
            grants: None,
            redirect_uris: Vec::new(),
        }
    }

    /// Whether it has nothing to authenticate with (RFC 6749, 2.1).
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.secret.is_none() && self.verifying_keys().next().is_none()
    }

    /// How it may authenticate; empty for a public client.
    #[must_use]
    pub fn methods(&self) -> Vec<ClientAuthentication> {
        if let Some(methods) = &self.authentication {
            return methods.clone();
        }
        let mut methods = Vec::new();
        if self.secret.is_some() {
            methods.extend([ClientAuthentication::Basic, ClientAuthentication::Post]);
        }
        if self.verifying_keys().next().is_some() {
            methods.push(ClientAuthentication::PrivateKeyJwt);
        }
        methods
    }

    /// The keys that check its assertions.
    pub fn verifying_keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        let single = self.public_key.as_ref().map(PublicKey::verifying);
        single.into_iter().chain(self.keys.iter().flat_map(ClientKeys::verifying))
    }

    /// Whether it may use the grant.
    #[must_use]
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.grants.as_ref().is_none_or(|grants| grants.contains(&grant))
    }

    /// What contradicts itself in the description: the key that is wrong, and a sentence.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        let methods = self.authentication.as_ref()?;
        if methods.is_empty() && !self.is_public() {
            return Some(("authentication", "a client with a secret or a key needs a way to authenticate".to_owned()));
        }
        let has_key = self.verifying_keys().next().is_some();
        methods.iter().find_map(|method| match method {
            ClientAuthentication::PrivateKeyJwt if !has_key => {
                Some(("authentication", "`private-key-jwt` needs `publicKey` or `keys`".to_owned()))
            }
            ClientAuthentication::Basic | ClientAuthentication::Post if self.secret.is_none() => {
                Some(("authentication", format!("`{}` needs a `secret`", method.name())))
            }
            _ => None,
        })
    }
}

/// How a client proves its identity to the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuthentication {
    /// HTTP Basic (RFC 6749, 2.3.1).
    #[serde(alias = "client_secret_basic")]
    Basic,
    /// `client_id` and `client_secret` in the form (RFC 6749, 2.3.1).
    #[serde(alias = "client_secret_post")]
    Post,
    /// An assertion that the client signs (RFC 7523, 2.2).
    #[serde(alias = "private_key_jwt")]
    PrivateKeyJwt,
}

impl ClientAuthentication {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Basic, Self::Post, Self::PrivateKeyJwt];

    /// Its name in metadata and registrations.
    #[must_use]
    pub fn identifier(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Post => "post",
            Self::PrivateKeyJwt => "private-key-jwt",
        }
    }
}

/// A grant of the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GrantType {
    /// An authorization code for which a user signed in (RFC 6749, 4.1, with PKCE, RFC 7636).
    AuthorizationCode,
    /// A refresh token (RFC 6749, 6).
    RefreshToken,
    /// Token exchange (RFC 8693).
    TokenExchange,
    /// A token for the client itself (RFC 6749, 4.4).
    ClientCredentials,
    /// An assertion of an authorization server that is trusted (RFC 7523, 2.1), such as an ID-JAG.
    JwtBearer,
}

impl GrantType {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::AuthorizationCode, Self::RefreshToken, Self::TokenExchange, Self::ClientCredentials, Self::JwtBearer];

    /// Its `grant_type`.
    #[must_use]
    pub fn identifier(self) -> &'static str {
        match self {
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::ClientCredentials => "client_credentials",
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }

    /// The grant of that `grant_type`.
    #[must_use]
    pub fn parse(identifier: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.identifier() == identifier)
    }
}
