//! What an authorization server says about itself: `OpenID` Connect discovery, RFC 8414, and its key set.

use serde_json::{Value, json};

use super::grants::{CLIENT_CREDENTIALS, TOKEN_EXCHANGE};
use super::issuer::Issuer;

impl Issuer {
    /// Paths of the metadata: `OpenID` Connect appends to the issuer's path, RFC 8414 inserts before it.
    pub(super) fn metadata_paths(&self) -> [String; 3] {
        let issuer_path = self.url().path().trim_end_matches('/').to_owned();
        [
            format!("{issuer_path}/.well-known/openid-configuration"),
            format!("/.well-known/openid-configuration{issuer_path}"),
            format!("/.well-known/oauth-authorization-server{issuer_path}"),
        ]
    }

    /// The metadata document. It names only what the server does.
    pub(super) fn metadata(&self) -> Value {
        let mut document = json!({
            "issuer": self.identifier(),
            "token_endpoint": self.endpoint(&self.definition.token_path),
            "jwks_uri": self.endpoint(&self.definition.jwks_path),
            "grant_types_supported": [TOKEN_EXCHANGE, CLIENT_CREDENTIALS],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        });
        if let Some(scopes) = &self.definition.scopes {
            document["scopes_supported"] = json!(scopes);
        }
        document
    }

    /// The published keys (RFC 7517).
    pub(super) fn key_set(&self) -> Value {
        let keys: Vec<Value> = self.published_keys().iter().map(|key| key.jwk().clone()).collect();
        json!({ "keys": keys })
    }
}
