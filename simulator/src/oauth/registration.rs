//! Clients that register themselves (RFC 7591).

use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::error::{ErrorCode, OAuthError};
use super::issuer::Issuer;
use super::memory::unguessable;
use crate::wire::{Outcome, Received, json_response};
use crate::world::{Client, ClientAuthentication, ClientKeys, GrantType, RedirectUri};

/// The metadata of a client that are understood; others are ignored, as RFC 7591 (2) asks.
#[derive(Deserialize)]
pub(super) struct ClientMetadata {
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    grant_types: Option<Vec<String>>,
    #[serde(default)]
    response_types: Option<Vec<String>>,
    #[serde(default)]
    application_type: Option<String>,
    #[serde(default)]
    client_name: Option<String>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    jwks: Option<Map<String, Value>>,
    #[serde(default)]
    jwks_uri: Option<String>,
}

impl Issuer {
    /// Registers a client. It is forgotten when many others come after it.
    pub(super) fn register(&self, received: &Received) -> Result<Outcome, OAuthError> {
        if received.media_type().as_deref() != Some("application/json") {
            return Err(invalid("expected a body of type application/json"));
        }
        let metadata: ClientMetadata = serde_json::from_slice(&received.body)
            .map_err(|error| invalid(format!("the body is not the metadata of a client: {error}")))?;
        let client = metadata.client(&Uuid::new_v4().to_string())?;
        let answer = information(&metadata, &client, self.now());
        self.memory().registered.insert(client.id.clone(), client);
        let mut response = json_response(StatusCode::CREATED, &answer);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(Outcome::answered(response))
    }
}

fn invalid(description: impl Into<String>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClientMetadata, description)
}

impl ClientMetadata {
    /// The client of this id that the metadata describe, if it wants one with a new secret.
    pub(super) fn client(&self, id: &str) -> Result<Client, OAuthError> {
        let mut client = Client::public(id);
        // RFC 7591, 2: without a wish, the code grant and HTTP Basic.
        let grants: Vec<&str> = self
            .grant_types
            .as_ref()
            .map_or(vec!["authorization_code"], |grants| grants.iter().map(String::as_str).collect());
        let known =
            |name: &&str| GrantType::parse(name).ok_or_else(|| invalid(format!("the grant `{name}` is not supported")));
        let grants: Vec<GrantType> = grants.iter().map(known).collect::<Result<_, _>>()?;
        if self.response_types.iter().flatten().any(|name| name != "code") {
            return Err(invalid("the only response type is `code`"));
        }
        if let Some(kind) = self.application_type.as_ref().filter(|kind| !["web", "native"].contains(&kind.as_str())) {
            return Err(invalid(format!("`application_type` is `{kind}`: expected `web` or `native`")));
        }
        for uri in &self.redirect_uris {
            let uri = RedirectUri::parse(uri)
                .map_err(|error| OAuthError::new(ErrorCode::InvalidRedirectUri, error.to_string()))?;
            client.redirect_uris.push(uri);
        }
        if grants.contains(&GrantType::AuthorizationCode) && client.redirect_uris.is_empty() {
            return Err(OAuthError::new(ErrorCode::InvalidRedirectUri, "the code grant needs `redirect_uris`"));
        }
        client.grants = Some(grants);
        if self.jwks_uri.is_some() {
            return Err(invalid("`jwks_uri` is not fetched: send the keys as `jwks`"));
        }
        if let Some(keys) = &self.jwks {
            client.keys =
                Some(ClientKeys::try_from(keys.clone()).map_err(|error| invalid(format!("`jwks`: {error}")))?);
        }
        match self.token_endpoint_auth_method.as_deref().unwrap_or("client_secret_basic") {
            "none" => client.keys = None,
            name => {
                let method = ClientAuthentication::ALL.into_iter().find(|method| method.identifier() == name);
                let method =
                    method.ok_or_else(|| invalid(format!("clients do not authenticate with `{name}` here")))?;
                if method != ClientAuthentication::PrivateKeyJwt {
                    client.secret = Some(unguessable().into());
                } else if client.keys.is_none() {
                    return Err(invalid("`private_key_jwt` needs `jwks`"));
                }
                client.authentication = Some(vec![method]);
            }
        }
        Ok(client)
    }
}

/// What the client is told about itself (RFC 7591, 3.2.1).
fn information(metadata: &ClientMetadata, client: &Client, now: i64) -> Value {
    let method = client.authentication.iter().flatten().next();
    let grants = client.grants.iter().flatten().map(|grant| grant.identifier());
    let mut answer = json!({
        "client_id": *client.id,
        "client_id_issued_at": now,
        "redirect_uris": client.redirect_uris.iter().map(RedirectUri::as_str).collect::<Vec<_>>(),
        "grant_types": grants.collect::<Vec<_>>(),
        "token_endpoint_auth_method": method.map_or("none", |method| method.identifier()),
        "response_types": metadata.response_types.clone().unwrap_or_else(|| vec!["code".to_owned()]),
        "application_type": metadata.application_type.as_deref().unwrap_or("web"),
    });
    if let Some(secret) = &client.secret {
        answer["client_secret"] = json!(secret.reveal());
        answer["client_secret_expires_at"] = json!(0);
    }
    for (name, value) in [("client_name", &metadata.client_name), ("scope", &metadata.scope)] {
        if let Some(value) = value {
            answer[name] = json!(value);
        }
    }
    answer
}
