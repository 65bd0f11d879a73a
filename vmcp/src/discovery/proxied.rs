//! The one backend of a proxy: written into its configuration, but for the Secrets that it names.

use std::collections::BTreeMap;
use std::sync::Arc;

use operator_api::SecretKeyReference;
use vmcp_config::proxy::{ProxyClass, ProxyConfig, ProxyOutgoing, ProxyOutgoingKind, SecretKey};
use vmcp_config::server_url;

use super::Snapshot;
use super::configured::same_or;
use super::decide::{Decide, Needed, Objects};
use super::resolve::{Referenced, ResolveError, broken};
use super::strategy::{client, token_url};
use crate::backend::{Backend, Backends, EgressClass, Trust};
use crate::outgoing::{ForwardedHeaders, HeaderError, OutgoingAuth, TokenExchange, TokenType, parse_name, parse_value};
use crate::policy::Policy;
use crate::settings::Settings;

/// Why the backend of a proxy cannot be used, whatever the Secrets hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxiedError {
    /// A URL cannot be used.
    #[error("{place}: {reason}")]
    Url {
        /// The key of the configuration.
        place: &'static str,
        /// Why not.
        reason: String,
    },
    /// A header cannot be configured.
    #[error("{place}: {source}")]
    Header {
        /// The key of the configuration.
        place: &'static str,
        /// Why not.
        source: HeaderError,
    },
    /// Secrets are named, and there is no cluster to read them from.
    #[error("the configuration names Secrets, which needs Kubernetes: run in a pod of the operator")]
    NoSecrets,
}

/// The configuration of a proxy that was read.
#[derive(Debug, Clone)]
pub(super) struct Configured {
    config: ProxyConfig,
    /// Who may call.
    policy: Arc<Policy>,
    /// What requests go by.
    settings: Arc<Settings>,
}

impl Configured {
    /// Checks what can be checked of `config` without Secrets, which there are `in_cluster` only. Its `policy` was read already.
    pub(super) fn read(config: &ProxyConfig, policy: Policy, in_cluster: bool) -> Result<Self, ProxiedError> {
        if !in_cluster && !config.secrets().is_empty() {
            return Err(ProxiedError::NoSecrets);
        }
        server_url(&config.url).map_err(|reason| ProxiedError::Url { place: "url", reason: reason.to_owned() })?;
        if let Some(exchange) = config.outgoing.as_ref().and_then(|outgoing| outgoing.token_exchange.as_ref()) {
            token_url(&exchange.token_url)
                .map_err(|reason| ProxiedError::Url { place: "outgoing.tokenExchange.tokenUrl", reason })?;
        }
        let mut headers = ForwardedHeaders::default();
        for (name, value) in config.headers.iter().flat_map(|headers| &headers.plain) {
            headers.insert(name, value).map_err(|source| ProxiedError::Header { place: "headers.plain", source })?;
        }
        for header in config.headers.iter().flat_map(|headers| &headers.from_secret) {
            parse_name(&header.header)
                .map_err(|source| ProxiedError::Header { place: "headers.fromSecret", source })?;
        }
        if let Some(injection) = config.outgoing.as_ref().and_then(|outgoing| outgoing.header_injection.as_ref()) {
            parse_name(&injection.header_name)
                .map_err(|source| ProxiedError::Header { place: "outgoing.headerInjection.headerName", source })?;
        }
        let settings = Arc::new(Settings::of_proxy(config));
        Ok(Self { config: config.clone(), policy: Arc::new(policy), settings })
    }

    /// The same, with the policy and the settings of `before` where they are equal.
    #[must_use]
    pub(super) fn after(self, before: &Self) -> Self {
        let (policy, settings) = (same_or(self.policy, &before.policy), same_or(self.settings, &before.settings));
        Self { policy, settings, ..self }
    }
}

/// Decides about the backend of one proxy.
#[derive(Debug, Clone)]
pub(super) struct Proxied {
    configured: Configured,
    current: Option<Arc<Backend>>,
}

impl Proxied {
    /// Nothing is known yet but the configuration.
    pub(super) fn new(configured: Configured) -> Self {
        Self { configured, current: None }
    }

    fn resolve(&self, referenced: &Referenced) -> Result<Backend, ResolveError> {
        let config = &self.configured.config;
        let url = server_url(&config.url).map_err(broken)?;
        let backend = Backend {
            class: match config.class {
                ProxyClass::Proxied => EgressClass::Proxied,
                ProxyClass::Workload => EgressClass::Workload,
            },
            auth: config.outgoing.as_ref().map_or(Ok(OutgoingAuth::Unauthenticated), |own| auth(own, referenced))?,
            headers: self.headers(referenced)?,
            ..Backend::workload(config.name.clone(), url, config.transport)
        };
        Ok(backend.with_identity())
    }

    fn headers(&self, referenced: &Referenced) -> Result<ForwardedHeaders, ResolveError> {
        let mut headers = ForwardedHeaders::default();
        let Some(configured) = &self.configured.config.headers else { return Ok(headers) };
        for (name, value) in &configured.plain {
            headers.insert(name, value).map_err(|error| broken(error.to_string()))?;
        }
        for header in &configured.from_secret {
            let reference = SecretKeyReference { name: header.secret.clone(), key: header.key.clone() };
            let value = referenced.secret(&reference)?;
            headers.insert(&header.header, &value).map_err(|error| broken(error.to_string()))?;
        }
        Ok(headers)
    }
}

fn auth(outgoing: &ProxyOutgoing, referenced: &Referenced) -> Result<OutgoingAuth, ResolveError> {
    let missing = |block: &str| broken(format!("outgoing.{block} is missing"));
    let secret = |SecretKey { secret, key }: &SecretKey| {
        referenced.secret(&SecretKeyReference { name: secret.clone(), key: key.clone() })
    };
    match outgoing.kind {
        ProxyOutgoingKind::Unauthenticated => Ok(OutgoingAuth::Unauthenticated),
        ProxyOutgoingKind::HeaderInjection => {
            let block = outgoing.header_injection.as_ref().ok_or_else(|| missing("headerInjection"))?;
            let name = parse_name(&block.header_name).map_err(|error| broken(error.to_string()))?;
            let value = parse_value(&name, &secret(&block.value)?).map_err(|error| broken(error.to_string()))?;
            Ok(OutgoingAuth::HeaderInjection { name, value })
        }
        ProxyOutgoingKind::BearerToken => {
            let block = outgoing.bearer_token.as_ref().ok_or_else(|| missing("bearerToken"))?;
            OutgoingAuth::bearer(&secret(&block.token)?).map_err(|error| broken(error.to_string()))
        }
        ProxyOutgoingKind::TokenExchange => {
            let block = outgoing.token_exchange.as_ref().ok_or_else(|| missing("tokenExchange"))?;
            let client_secret = block.client_secret.as_ref().map(secret).transpose()?;
            let kind = block.subject_token_type.map_or("", vmcp_config::proxy::SubjectTokenType::as_str);
            Ok(OutgoingAuth::TokenExchange(Arc::new(TokenExchange {
                source: "outgoing.tokenExchange".to_owned(),
                token_url: token_url(&block.token_url).map_err(broken)?,
                trust: Trust::system(),
                client: client(block.client_id.as_deref(), client_secret).map_err(broken)?,
                audience: block.audience.clone().filter(|audience| !audience.is_empty()),
                scopes: block.scopes.clone(),
                subject_token_type: TokenType::parse(kind)
                    .ok_or_else(|| broken(format!("{kind:?} is not a subject token type")))?,
            })))
        }
    }
}

impl Decide for Proxied {
    type Configuration = Configured;

    fn configure(&mut self, configuration: Configured) {
        self.configured = configuration.after(&self.configured);
    }

    fn accept(&mut self, _objects: &Objects) -> Needed {
        Needed { secrets: self.configured.config.secrets(), ..Needed::default() }
    }

    /// For all that it refers to, while there is a backend: nobody may use it with credentials that were not written for them.
    fn awaits(&self, objects: &Objects) -> Option<ResolveError> {
        let error = self.resolve(&objects.referenced).err()?;
        (self.current.is_some() && !matches!(error, ResolveError::Broken(_))).then_some(error)
    }

    fn decide(&mut self, objects: &Objects) -> Snapshot {
        let Configured { config, policy, settings } = &self.configured;
        let (policy, settings) = (Arc::clone(policy), Arc::clone(settings));
        let mut snapshot = Snapshot { synced: true, policy, settings, ..Snapshot::default() };
        let name = config.name.clone();
        match self.resolve(&objects.referenced) {
            Ok(backend) => self.current = Some(Arc::new(backend)),
            Err(error @ (ResolveError::Reading(_) | ResolveError::Waiting(_))) => {
                // What was read before stays in force until there is an answer.
                if self.current.is_none() {
                    snapshot.synced = !matches!(error, ResolveError::Reading(_));
                    snapshot.left_out.insert(name.clone(), error.to_string());
                }
            }
            Err(ResolveError::Broken(reason)) => {
                self.current = None;
                snapshot.left_out.insert(name.clone(), reason);
            }
        }
        if let Some(backend) = &self.current {
            snapshot.backends = Backends::new(BTreeMap::from([(name, Arc::clone(backend))]));
        }
        snapshot
    }
}
