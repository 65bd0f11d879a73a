//! The checks of an MCPRemoteProxy, and the proxy that comes out of them.

use std::collections::BTreeSet;

use operator_api::{
    ConfigStatus, ExternalAuthType, GroupPhase, MCPRemoteProxy, MCPRemoteProxySpec, ProxyCondition, ProxyReason,
};
use vmcp_config::proxy::ProxyConfig;

use super::{build, configuration, resolve, resolve::References};
use crate::{
    controllers::{
        ca_bundle::{self, Bundle},
        configuration as configurations, headers, oidc, unsupported,
        workload::{name_problem, pod},
    },
    remote_url::RemoteUrl,
    runtime::ObjectKey,
};

/// A proxy that can be built.
#[derive(Debug, Clone, PartialEq)]
pub struct Proxy {
    /// Namespace and name of the MCPRemoteProxy.
    pub key: ObjectKey,
    /// Its uid: the owner of every object.
    pub uid: String,
    /// Its spec.
    pub spec: MCPRemoteProxySpec,
    /// What the proxy is told.
    pub config: ProxyConfig,
    /// The ConfigMap and the key with the CA bundle of the OpenID provider.
    pub oidc_ca: Option<(String, String)>,
    /// Secrets that the proxy reads.
    pub secrets: BTreeSet<String>,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The condition that says so.
    pub kind: ProxyCondition,
    /// Whether the condition is True.
    pub holds: bool,
    /// Why.
    pub reason: ProxyReason,
    /// Why, for people.
    pub message: String,
}

impl Check {
    fn passed(kind: ProxyCondition, reason: ProxyReason, message: impl Into<String>) -> Self {
        Self { kind, holds: true, reason, message: message.into() }
    }

    fn failed(kind: ProxyCondition, reason: ProxyReason, message: impl Into<String>) -> Self {
        Self { kind, holds: false, reason, message: message.into() }
    }

    /// Whether the proxy must not run because of it. A group, and a warning, are advice.
    pub fn blocks(&self) -> bool {
        !self.holds && !matches!(self.kind, ProxyCondition::GroupRefValidated | ProxyCondition::SessionStorageWarning)
    }
}

/// What all checks found.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What each check found.
    pub checks: Vec<Check>,
    /// The proxy, when no check blocks it.
    pub proxy: Option<Proxy>,
    /// Hash of the OpenID provider's spec.
    pub oidc_hash: Option<String>,
    /// Hash of the MCPExternalAuthConfig's spec.
    pub auth_hash: Option<String>,
    /// Hash of the MCPToolConfig's spec.
    pub tools_hash: Option<String>,
    /// Hash of the spec of the authorization server's configuration.
    pub auth_server_hash: Option<String>,
}

/// Checks `proxy`, and makes a plan of it when nothing is wrong.
pub fn judge(proxy: &MCPRemoteProxy, references: &References) -> Verdict {
    let spec = &proxy.spec;
    let referred: Vec<_> = [
        oidc_config(spec, references),
        trust(spec, references),
        external_auth(spec, references),
        auth_server(spec, references),
    ]
    .into_iter()
    .flatten()
    .collect();
    let tools = tools(spec, references);
    let usable = referred.iter().chain(&tools).all(|check| check.holds);
    let config = configuration::of(proxy, references);
    let mut checks = vec![configuration_valid(proxy, references, usable.then_some(&config)), pod_template(spec)];
    checks.extend(group(spec, references));
    checks.push(authentication(spec, &referred));
    checks.extend(referred);
    checks.extend(tools);
    checks.push(sessions(spec));
    let passed = !checks.iter().any(Check::blocks);
    let hash = |status: Option<&ConfigStatus>| status?.config_hash.clone();
    Verdict {
        proxy: passed.then(|| plan(proxy, references, config)),
        oidc_hash: references.oidc.as_deref().and_then(|config| hash(config.status.as_ref())),
        auth_hash: references.auth_config.as_deref().and_then(|config| hash(config.status.as_ref())),
        tools_hash: references.tools.as_deref().and_then(|config| hash(config.status.as_ref())),
        auth_server_hash: references.auth_server.as_deref().and_then(|config| hash(config.status.as_ref())),
        checks,
    }
}

/// Everything about the spec itself. `config` is what the proxy would be told, when what the spec refers to is usable.
fn configuration_valid(proxy: &MCPRemoteProxy, references: &References, config: Option<&ProxyConfig>) -> Check {
    use ProxyReason as Reason;
    let spec = &proxy.spec;
    let mut problems: Vec<(ProxyReason, String)> = Vec::new();
    if let Some(reference) = &spec.external_auth_config_ref
        && references.auth_config.is_none()
    {
        problems.push((Reason::ExternalAuthConfigFetchError, auth_config_missing(&reference.name)));
    }
    // A proxy may stand before a server in a private network (mcpserverentry-guide, SSRF protection).
    if let Err(error) = RemoteUrl::judge(&spec.remote_url, true) {
        problems.push((Reason::RemoteURLInvalid, error.to_string()));
    }
    let mut invalid = name_problem(proxy.metadata.name.as_deref().unwrap_or_default(), build::service_name("").len())
        .into_iter()
        .collect::<Vec<_>>();
    if let Some(forward) = &spec.header_forward {
        let missing = headers::secret_problems(forward, &references.secrets);
        problems.extend(missing.into_iter().map(|problem| (Reason::HeaderSecretNotFound, problem)));
        invalid.extend(headers::problems(forward));
    }
    if let Some(oidc) = &spec.oidc_config {
        let found = oidc.inline.as_ref().map(|inline| oidc::validate::inline_problems(&inline.provider));
        let found = found.unwrap_or_else(|| vec!["inline is required".to_owned()]);
        problems.extend(found.iter().map(|problem| (Reason::OIDCIssuerInvalid, format!("spec.oidcConfig.{problem}"))));
        if spec.oidc_config_ref.is_some() {
            invalid.push("spec.oidcConfig and spec.oidcConfigRef are both set: remove one of them".to_owned());
        }
    }
    let unserved = unsupported::problems(spec, unsupported::REMOTE_PROXY);
    invalid.extend(unserved.iter().map(|sentence| format!("spec.{sentence}")));
    problems.extend(invalid.into_iter().map(|problem| (Reason::ConfigurationInvalid, problem)));
    if let Some(config) = config.filter(|_| problems.is_empty()) {
        let found = config.problems();
        let found = found.iter().map(|violation| format!("{}: {violation}", violation.path()));
        let unserved = config.unsupported();
        problems.extend(found.chain(unserved).map(|problem| (Reason::ConfigurationInvalid, problem)));
    }
    let kind = ProxyCondition::ConfigurationValid;
    match problems.first() {
        None => Check::passed(kind, Reason::ConfigurationValid, "The spec can be used"),
        Some((reason, _)) => {
            let messages: Vec<_> = problems.iter().map(|(_, message)| message.as_str()).collect();
            Check::failed(kind, *reason, messages.join("; "))
        }
    }
}

fn auth_config_missing(name: &str) -> String {
    format!(
        "MCPExternalAuthConfig {name:?} does not exist in this namespace: create it, or change \
         externalAuthConfigRef.name"
    )
}

fn pod_template(spec: &MCPRemoteProxySpec) -> Check {
    let kind = ProxyCondition::PodTemplateValid;
    match spec.pod_template_spec.as_ref().and_then(|template| pod::template_problem(template, build::CONTAINER)) {
        None => Check::passed(kind, ProxyReason::ValidPodTemplateSpec, "The pod template can be used"),
        Some(problem) => Check::failed(kind, ProxyReason::InvalidPodTemplateSpec, problem),
    }
}

fn group(spec: &MCPRemoteProxySpec, references: &References) -> Option<Check> {
    let kind = ProxyCondition::GroupRefValidated;
    let name = &spec.group_ref.as_ref()?.name;
    let Some(group) = &references.group else {
        let message = format!("MCPGroup {name:?} does not exist in this namespace: create it, or change groupRef.name");
        return Some(Check::failed(kind, ProxyReason::GroupRefNotFound, message));
    };
    Some(match group.status.as_ref().and_then(|status| status.phase).unwrap_or(GroupPhase::Pending) {
        GroupPhase::Ready => {
            Check::passed(kind, ProxyReason::GroupRefIsValid, format!("MCPGroup {name:?} exists and is Ready"))
        }
        phase => Check::failed(
            kind,
            ProxyReason::GroupRefNotReady,
            format!("MCPGroup {name:?} is {phase:?}, not Ready: the proxy runs without it"),
        ),
    })
}

fn oidc_config(spec: &MCPRemoteProxySpec, references: &References) -> Option<Check> {
    let kind = ProxyCondition::OIDCConfigRefValidated;
    let name = &spec.oidc_config_ref.as_ref()?.name;
    let Some(config) = &references.oidc else {
        let message =
            format!("MCPOIDCConfig {name:?} does not exist in this namespace: create it, or change oidcConfigRef.name");
        return Some(Check::failed(kind, ProxyReason::OIDCConfigRefNotFound, message));
    };
    Some(match configurations::problem(config.status.as_ref()) {
        None => Check::passed(kind, ProxyReason::OIDCConfigRefValid, format!("MCPOIDCConfig {name:?} is Valid")),
        Some(why) => Check::failed(
            kind,
            ProxyReason::OIDCConfigRefNotValid,
            format!("MCPOIDCConfig {name:?} is not Valid: {why}"),
        ),
    })
}

fn trust(spec: &MCPRemoteProxySpec, references: &References) -> Option<Check> {
    let kind = ProxyCondition::CABundleRefValidated;
    let reference = resolve::ca_bundle(resolve::provider(spec, references.oidc.as_deref())?)?;
    Some(match ca_bundle::judge(reference, references.oidc_ca.as_deref()) {
        Bundle::Present(message) | Bundle::NotNeeded(message) => {
            Check::passed(kind, ProxyReason::CABundleRefValid, message)
        }
        Bundle::NotFound(message) => Check::failed(kind, ProxyReason::CABundleRefNotFound, message),
        Bundle::Invalid(message) => Check::failed(kind, ProxyReason::CABundleRefInvalid, message),
    })
}

fn external_auth(spec: &MCPRemoteProxySpec, references: &References) -> Option<Check> {
    let kind = ProxyCondition::ExternalAuthConfigValidated;
    let name = &spec.external_auth_config_ref.as_ref()?.name;
    let Some(config) = &references.auth_config else {
        return Some(Check::failed(kind, ProxyReason::ExternalAuthConfigNotFound, auth_config_missing(name)));
    };
    Some(match configurations::problem(config.status.as_ref()) {
        None => {
            let message = format!("MCPExternalAuthConfig {name:?} is Valid");
            Check::passed(kind, ProxyReason::ExternalAuthConfigValid, message)
        }
        Some(why) => {
            let message = format!("MCPExternalAuthConfig {name:?} is not Valid: {why}");
            Check::failed(kind, ProxyReason::ValidationFailed, message)
        }
    })
}

fn auth_server(spec: &MCPRemoteProxySpec, references: &References) -> Option<Check> {
    let kind = ProxyCondition::AuthServerRefValidated;
    let name = &spec.auth_server_ref.as_ref()?.name;
    let (reason, message) = match &references.auth_server {
        None => (
            ProxyReason::AuthServerRefNotFound,
            format!(
                "MCPExternalAuthConfig {name:?} does not exist in this namespace: create it, or change \
                 authServerRef.name"
            ),
        ),
        Some(config) if config.spec.kind != ExternalAuthType::EmbeddedAuthServer => (
            ProxyReason::AuthServerRefInvalidType,
            format!("MCPExternalAuthConfig {name:?} is not of type embeddedAuthServer: choose one that is"),
        ),
        Some(_) => (
            ProxyReason::AuthServerRefInvalidConfig,
            "authServerRef is not supported by this release: remove it, and use oidcConfigRef".to_owned(),
        ),
    };
    Some(Check::failed(kind, reason, message))
}

fn tools(spec: &MCPRemoteProxySpec, references: &References) -> Option<Check> {
    let kind = ProxyCondition::ToolConfigValidated;
    let name = &spec.tool_config_ref.as_ref()?.name;
    let Some(config) = &references.tools else {
        let message =
            format!("MCPToolConfig {name:?} does not exist in this namespace: create it, or change toolConfigRef.name");
        return Some(Check::failed(kind, ProxyReason::ToolConfigNotFound, message));
    };
    Some(match configurations::problem(config.status.as_ref()) {
        None => Check::passed(kind, ProxyReason::ToolConfigValid, format!("MCPToolConfig {name:?} is Valid")),
        Some(why) => {
            Check::failed(kind, ProxyReason::ValidationFailed, format!("MCPToolConfig {name:?} is not Valid: {why}"))
        }
    })
}

/// Whether clients can be authenticated at the proxy, and the proxy at the server.
fn authentication(spec: &MCPRemoteProxySpec, referred: &[Check]) -> Check {
    let kind = ProxyCondition::AuthConfigured;
    let failures: Vec<_> = referred.iter().filter(|check| !check.holds).map(|check| check.message.as_str()).collect();
    if !failures.is_empty() {
        return Check::failed(kind, ProxyReason::AuthInvalid, failures.join("; "));
    }
    let message = if spec.oidc_config_ref.is_some() || spec.oidc_config.is_some() {
        "Clients are authenticated by their tokens"
    } else {
        "Everyone is served: neither oidcConfigRef nor oidcConfig is set"
    };
    Check::passed(kind, ProxyReason::AuthValid, message)
}

fn sessions(spec: &MCPRemoteProxySpec) -> Check {
    let kind = ProxyCondition::SessionStorageWarning;
    match spec.replicas {
        Some(replicas) if replicas > 1 => Check::passed(
            kind,
            ProxyReason::SessionStorageMissingForReplicas,
            format!("{replicas} pods keep their sessions to themselves: clients must stay with one pod"),
        ),
        _ => Check::failed(kind, ProxyReason::SessionStorageWarningNotApplicable, "There are no several replicas"),
    }
}

/// The plan of a proxy that passed every check.
fn plan(proxy: &MCPRemoteProxy, references: &References, config: ProxyConfig) -> Proxy {
    let outgoing = config.outgoing.as_ref();
    let exchange = outgoing.and_then(|outgoing| outgoing.token_exchange.as_ref()?.client_secret.as_ref());
    let injection = outgoing.and_then(|outgoing| Some(&outgoing.header_injection.as_ref()?.value));
    let bearer = outgoing.and_then(|outgoing| Some(&outgoing.bearer_token.as_ref()?.token));
    let secrets = exchange.into_iter().chain(injection).chain(bearer).map(|key| &key.secret);
    let headers = config.headers.iter().flat_map(|headers| &headers.from_secret).map(|header| &header.secret);
    let bundle = resolve::provider(&proxy.spec, references.oidc.as_deref()).and_then(resolve::ca_bundle);
    Proxy {
        key: ObjectKey::of(proxy),
        uid: proxy.metadata.uid.clone().unwrap_or_default(),
        oidc_ca: bundle.map(|bundle| (bundle.name.clone(), bundle.key.clone())),
        secrets: secrets.chain(headers).cloned().collect(),
        spec: proxy.spec.clone(),
        config,
    }
}
