//! One member and what it refers to, resolved into a backend.

use std::collections::BTreeMap;
use std::sync::Arc;

use operator_api::{
    ConfigMapKeyReference, ExternalAuthType, HeaderInjection, MCPExternalAuthConfig, MCPServerEntry,
    SecretKeyReference, TokenExchange as TokenExchangeSpec,
};
use vmcp_config::server_url;

use super::member::{Member, Served};
use super::strategy::{Choice, Strategies, Strategy, StrategyError, client, injected, token_url};
use crate::backend::{Backend, EgressClass, Transport, Trust};
use crate::outgoing::{ForwardedHeaders, OutgoingAuth, TokenExchange, TokenType, parse_name, parse_value};

/// What is known of an object that entries refer to by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lookup<T> {
    /// Reading it fails for now; the reason, for people.
    Waiting(String),
    /// There is no such object.
    Missing,
    /// Its contents.
    Found(T),
}

/// The auth configs that are accepted, by name.
pub(super) type AuthConfigs = BTreeMap<String, Arc<MCPExternalAuthConfig>>;

/// Values by key.
pub(super) type Contents = BTreeMap<String, Vec<u8>>;

/// Secrets and `ConfigMap`s by name; what is not in it has not been read yet.
#[derive(Debug, Default)]
pub(super) struct Referenced {
    pub(super) secrets: BTreeMap<String, Lookup<Contents>>,
    pub(super) config_maps: BTreeMap<String, Lookup<Contents>>,
}

/// Why an entry is no backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResolveError {
    /// Something is being read for the first time.
    #[error("{0} is being read")]
    Reading(String),
    /// Something is not there yet, or cannot be read for now.
    #[error("{0}")]
    Waiting(String),
    /// Something is wrong.
    #[error("{0}")]
    Broken(String),
}

pub(super) fn broken(reason: impl Into<String>) -> ResolveError {
    ResolveError::Broken(reason.into())
}

/// How the gateway authenticates to a backend whose own object refers to the auth config `own`; `auth_configs` has those
/// that are accepted.
fn authentication(
    backend: &str,
    own: Option<&str>,
    strategies: &Strategies,
    auth_configs: &AuthConfigs,
    referenced: &Referenced,
) -> Result<OutgoingAuth, ResolveError> {
    if let Some(name) = strategies.auth_config(backend, own) {
        return match auth_configs.get(name) {
            Some(config) => auth(config, referenced),
            None => Err(ResolveError::Waiting(format!("MCPExternalAuthConfig {name:?} is not there or not Valid yet"))),
        };
    }
    match strategies.choose(backend, own.is_some()) {
        Choice::Configured(Strategy::Fixed(auth)) => Ok(auth.clone()),
        Choice::Configured(Strategy::SecretHeader { secret, header }) => {
            injected(header, &referenced.secret(secret)?).map_err(|error| broken(error.to_string()))
        }
        // Pods that can have it are on their way.
        Choice::Configured(Strategy::Unusable(error @ StrategyError::Variable { .. })) => {
            Err(ResolveError::Waiting(error.to_string()))
        }
        Choice::Configured(Strategy::Unusable(error)) => Err(broken(error.to_string())),
        _ => Ok(OutgoingAuth::Unauthenticated),
    }
}

/// Resolves a member.
pub(super) fn member(
    name: &str,
    member: &Member,
    strategies: &Strategies,
    auth_configs: &AuthConfigs,
    referenced: &Referenced,
) -> Result<Backend, ResolveError> {
    let own = member.auth_config();
    let auth = authentication(name, own, strategies, auth_configs, referenced)?;
    let auth_config_ref = strategies.auth_config(name, own).map(str::to_owned);
    let backend = match member {
        Member::Entry(entry) => self::entry(name, entry, referenced)?,
        Member::Server(_) | Member::RemoteProxy(_) => workload(name, member)?,
    };
    let backend = Backend { auth, auth_config_ref, ..backend };
    Ok(backend.with_identity())
}

/// Gives a backend of the configuration its authentication.
pub(super) fn fixed(
    backend: &Backend,
    strategies: &Strategies,
    auth_configs: &AuthConfigs,
    referenced: &Referenced,
) -> Result<Backend, ResolveError> {
    let auth = authentication(&backend.name, None, strategies, auth_configs, referenced)?;
    let auth_config_ref = strategies.auth_config(&backend.name, None).map(str::to_owned);
    Ok(Backend { auth, auth_config_ref, ..backend.clone() }.with_identity())
}

/// A workload of the cluster, without its authentication.
fn workload(name: &str, member: &Member) -> Result<Backend, ResolveError> {
    let Some(Served { url, transport }) = member.served() else { return Err(broken("it serves nothing")) };
    let path = match transport {
        Transport::StreamableHttp => "/mcp",
        Transport::Sse => "/sse",
    };
    let url = format!("{}{path}", url.trim_end_matches('/'));
    let url = server_url(&url).map_err(|reason| broken(format!("status.url {reason}")))?;
    let is_remote_proxy = matches!(member, Member::RemoteProxy(_));
    Ok(Backend { is_remote_proxy, ..Backend::workload(name, url, transport) })
}

/// An entry, without its authentication.
fn entry(name: &str, entry: &MCPServerEntry, referenced: &Referenced) -> Result<Backend, ResolveError> {
    let spec = &entry.spec;
    let url = server_url(&spec.remote_url).map_err(|reason| broken(format!("remoteUrl {reason}")))?;
    let trust = match spec.ca_bundle_ref.as_ref().and_then(|bundle| bundle.config_map_ref.as_ref()) {
        None => Trust::system(),
        Some(reference) => referenced.ca_bundle(reference)?,
    };
    Ok(Backend {
        class: EgressClass::Remote,
        allow_private: spec.allow_private_endpoint,
        trust,
        headers: headers(entry, referenced)?,
        ..Backend::workload(name, url, spec.transport)
    })
}

fn headers(entry: &MCPServerEntry, referenced: &Referenced) -> Result<ForwardedHeaders, ResolveError> {
    let mut headers = ForwardedHeaders::default();
    let Some(forward) = &entry.spec.header_forward else { return Ok(headers) };
    for (name, value) in &forward.add_plaintext_headers {
        headers.insert(name, value).map_err(|error| broken(format!("headerForward: {error}")))?;
    }
    for header in &forward.add_headers_from_secret {
        let value = referenced.secret(&header.value_secret_ref)?;
        headers.insert(&header.header_name, &value).map_err(|error| broken(format!("headerForward: {error}")))?;
    }
    Ok(headers)
}

fn auth(config: &MCPExternalAuthConfig, referenced: &Referenced) -> Result<OutgoingAuth, ResolveError> {
    let name = config.metadata.name.as_deref().unwrap_or_default();
    let missing = |block: &str| broken(format!("MCPExternalAuthConfig {name:?} has no {block}"));
    match config.spec.kind {
        ExternalAuthType::Unauthenticated => Ok(OutgoingAuth::Unauthenticated),
        ExternalAuthType::HeaderInjection => {
            let block = config.spec.header_injection.as_ref().ok_or_else(|| missing("headerInjection"))?;
            header_injection(block, referenced)
        }
        ExternalAuthType::BearerToken => {
            let block = config.spec.bearer_token.as_ref().ok_or_else(|| missing("bearerToken"))?;
            let token = referenced.secret(&block.token_secret_ref)?;
            OutgoingAuth::bearer(&token).map_err(|error| broken(error.to_string()))
        }
        ExternalAuthType::TokenExchange => {
            let block = config.spec.token_exchange.as_ref().ok_or_else(|| missing("tokenExchange"))?;
            let source = config.metadata.uid.as_deref().unwrap_or(name);
            Ok(OutgoingAuth::TokenExchange(Arc::new(token_exchange(source, block, referenced)?)))
        }
        kind => Err(broken(format!("MCPExternalAuthConfig {name:?} is of a type that is not supported yet: {kind:?}"))),
    }
}

fn header_injection(block: &HeaderInjection, referenced: &Referenced) -> Result<OutgoingAuth, ResolveError> {
    let name = parse_name(&block.header_name).map_err(|error| broken(error.to_string()))?;
    let value =
        parse_value(&name, &referenced.secret(&block.value_secret_ref)?).map_err(|error| broken(error.to_string()))?;
    Ok(OutgoingAuth::HeaderInjection { name, value })
}

fn token_exchange(
    source: &str,
    block: &TokenExchangeSpec,
    referenced: &Referenced,
) -> Result<TokenExchange, ResolveError> {
    let secret = block.client_secret_ref.as_ref().map(|reference| referenced.secret(reference)).transpose()?;
    let kind = block.subject_token_type.as_deref().unwrap_or_default();
    Ok(TokenExchange {
        source: source.to_owned(),
        token_url: token_url(&block.token_url).map_err(broken)?,
        trust: Trust::system(),
        client: client(block.client_id.as_deref(), secret).map_err(|error| broken(error.to_string()))?,
        audience: Some(block.audience.clone()).filter(|audience| !audience.is_empty()),
        scopes: block.scopes.clone().unwrap_or_default(),
        subject_token_type: TokenType::parse(kind)
            .ok_or_else(|| broken(format!("subjectTokenType {kind:?} is not one that can be exchanged")))?,
    })
}

impl Referenced {
    /// The text of a Secret's key. A final line break, which files often end with, is no part of it.
    pub(super) fn secret(&self, reference: &SecretKeyReference) -> Result<String, ResolveError> {
        let SecretKeyReference { name, key } = reference;
        let contents = match self.secrets.get(name) {
            None => return Err(ResolveError::Reading(format!("Secret {name:?}"))),
            Some(Lookup::Waiting(reason)) => return Err(ResolveError::Waiting(format!("Secret {name:?}: {reason}"))),
            Some(Lookup::Missing) => return Err(broken(format!("Secret {name:?} does not exist"))),
            Some(Lookup::Found(contents)) => contents,
        };
        let value = contents.get(key).ok_or_else(|| broken(format!("Secret {name:?} has no key {key:?}")))?;
        let text = std::str::from_utf8(value)
            .map_err(|_| broken(format!("key {key:?} of Secret {name:?} is not UTF-8 text")))?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn ca_bundle(&self, reference: &ConfigMapKeyReference) -> Result<Trust, ResolveError> {
        let ConfigMapKeyReference { name, key, optional } = reference;
        let optional = *optional == Some(true);
        let contents = match self.config_maps.get(name) {
            None => return Err(ResolveError::Reading(format!("ConfigMap {name:?}"))),
            Some(Lookup::Waiting(reason)) => {
                return Err(ResolveError::Waiting(format!("ConfigMap {name:?}: {reason}")));
            }
            Some(Lookup::Missing) if optional => return Ok(Trust::system()),
            Some(Lookup::Missing) => return Err(broken(format!("ConfigMap {name:?} does not exist"))),
            Some(Lookup::Found(contents)) => contents,
        };
        match contents.get(key) {
            Some(pem) => {
                Trust::with_bundle(pem).map_err(|error| broken(format!("key {key:?} of ConfigMap {name:?}: {error}")))
            }
            None if optional => Ok(Trust::system()),
            None => Err(broken(format!("ConfigMap {name:?} has no key {key:?}"))),
        }
    }
}
