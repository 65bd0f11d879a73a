//! What an authorization server says about itself: `OpenID` Connect discovery, RFC 8414, and its key set.

use serde_json::{Value, json};

use super::issuer::Issuer;
use crate::world::{AuthorizationServer, Client, ClientAuthentication, GrantType};

/// Algorithms of client assertions.
const ASSERTION_ALGORITHMS: [&str; 9] =
    ["ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"];

/// What `authorization_grant_profiles_supported` calls identity assertions.
const ID_JAG_PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";

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

    /// The metadata document. It names what the server does, unless the world file changes it.
    pub(super) fn metadata(&self) -> Value {
        let definition = self.definition();
        let methods = json!(authentication_methods(&definition));
        let mut document = json!({
            "issuer": self.identifier(),
            "authorization_endpoint": self.endpoint(&definition.authorization_path),
            "token_endpoint": self.endpoint(&definition.token_path),
            "jwks_uri": self.endpoint(&definition.jwks_path),
            "introspection_endpoint": self.endpoint(&definition.introspection_path),
            "revocation_endpoint": self.endpoint(&definition.revocation_path),
            "grant_types_supported": GrantType::ALL.map(GrantType::identifier),
            "authorization_grant_profiles_supported": [ID_JAG_PROFILE],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [definition.signing.as_str()],
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
            "introspection_endpoint_auth_methods_supported": ClientAuthentication::ALL.map(ClientAuthentication::identifier),
            "introspection_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
        });
        if let Some(scopes) = &definition.scopes {
            document["scopes_supported"] = json!(scopes);
        }
        if definition.registration {
            document["registration_endpoint"] = json!(self.endpoint(&definition.registration_path));
        }
        if definition.client_metadata_documents {
            document["client_id_metadata_document_supported"] = json!(true);
        }
        json_patch::merge(&mut document, &Value::Object(definition.metadata.clone()));
        document
    }

    /// The published keys (RFC 7517).
    pub(super) fn key_set(&self) -> Value {
        let keys: Vec<Value> = self.published_keys().iter().map(|key| key.jwk().clone()).collect();
        json!({ "keys": keys })
    }
}

/// The ways in which its clients may authenticate; all of them where any client may register. Clients of documents have no secrets.
fn authentication_methods(definition: &AuthorizationServer) -> Vec<&'static str> {
    let everybody = definition.registration || definition.clients.is_empty();
    let documents = definition.client_metadata_documents;
    let used = |method: &ClientAuthentication| {
        (documents && *method == ClientAuthentication::PrivateKeyJwt)
            || definition.clients.iter().any(|client| client.methods().contains(method))
    };
    let mut methods: Vec<&str> = ClientAuthentication::ALL
        .into_iter()
        .filter(|method| everybody || used(method))
        .map(ClientAuthentication::identifier)
        .collect();
    if everybody || documents || definition.clients.iter().any(Client::is_public) {
        methods.push("none");
    }
    methods
}
