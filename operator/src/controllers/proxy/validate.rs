//! The checks of an object in front of whose server a proxy runs, and the proxy that comes out of them.

use std::collections::BTreeSet;

use operator_api::{ConfigStatus, ExternalAuthType, GroupPhase, ProxyCondition, ProxyReason};
use vmcp_config::proxy::ProxyConfig;

use super::{Proxied, configuration, front::Front, resolve, resolve::References};
use crate::controllers::{
    authorization::{self, Problem},
    ca_bundle::{self, Bundle},
    configuration as configurations, headers, oidc,
    workload::{
        pod,
        shared_sessions::{self, SharedSessions},
    },
};

/// A proxy that can be built.
#[derive(Debug, Clone, PartialEq)]
pub struct Proxy<'a> {
    /// What the spec says of it.
    pub front: Front<'a>,
    /// What it is told.
    pub config: ProxyConfig,
    /// The ConfigMap and the key with the CA bundle of the OpenID provider.
    pub oidc_ca: Option<(String, String)>,
    /// Secrets that it reads.
    pub secrets: BTreeSet<String>,
    /// What its pods need to share their sessions, if they do.
    pub shared_sessions: Option<SharedSessions>,
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
pub struct Verdict<'a> {
    /// What each check found.
    pub checks: Vec<Check>,
    /// The proxy, when no check blocks it.
    pub proxy: Option<Proxy<'a>>,
    /// Hashes of what the object refers to.
    pub hashes: Hashes,
}

/// Hashes of the specs of the configurations that an object refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hashes {
    /// Of the OpenID provider.
    pub oidc: Option<String>,
    /// Of the MCPExternalAuthConfig.
    pub auth: Option<String>,
    /// Of the configuration of the authorization server.
    pub auth_server: Option<String>,
    /// Of the MCPToolConfig.
    pub tools: Option<String>,
    /// Of the MCPAuthzConfig.
    pub authz: Option<String>,
    /// Of the MCPTelemetryConfig.
    pub telemetry: Option<String>,
}

impl Hashes {
    fn of(references: &References) -> Self {
        let hash = |status: Option<&ConfigStatus>| status?.config_hash.clone();
        Self {
            oidc: references.oidc.as_deref().and_then(|config| hash(config.status.as_ref())),
            auth: references.auth_config.as_deref().and_then(|config| hash(config.status.as_ref())),
            auth_server: references.auth_server.as_deref().and_then(|config| hash(config.status.as_ref())),
            tools: references.tools.as_deref().and_then(|config| hash(config.status.as_ref())),
            authz: references.authz.as_deref().and_then(|config| hash(config.status.as_ref())),
            telemetry: references.telemetry.as_deref().and_then(|config| hash(config.status.as_ref())),
        }
    }
}

/// Checks `object`, and makes a proxy of it when nothing is wrong.
pub fn judge<'a, K: Proxied>(object: &'a K, references: &References) -> Verdict<'a> {
    let front = object.front();
    let referred: Vec<_> = [
        oidc_config(&front, references),
        trust(&front, references),
        external_auth(&front, references),
        auth_server(&front, references),
        authz(&front, references),
    ]
    .into_iter()
    .flatten()
    .collect();
    let settings: Vec<_> = [tools(&front, references), telemetry(&front, references)].into_iter().flatten().collect();
    let usable = referred.iter().chain(&settings).all(|check| check.holds);
    let config = configuration::of(&front, references);
    let own = object.problems(references);
    let mut checks =
        vec![configuration_valid(&front, references, own, usable.then_some(&config)), pod_template(&front)];
    checks.extend(group(&front, references));
    checks.push(authentication(&front, &referred));
    checks.extend(referred);
    checks.extend(settings);
    checks.push(sessions(&front));
    let passed = !checks.iter().any(Check::blocks);
    Verdict { proxy: passed.then(|| plan(front, references, config)), hashes: Hashes::of(references), checks }
}

/// Everything about the spec itself: what is wrong with the kind's `own` part of it, and with the rest. `config` is what
/// the proxy would be told, when what the spec refers to is usable.
fn configuration_valid(
    front: &Front<'_>,
    references: &References,
    own: Vec<(ProxyReason, String)>,
    config: Option<&ProxyConfig>,
) -> Check {
    use ProxyReason as Reason;
    let mut problems: Vec<(ProxyReason, String)> = Vec::new();
    if let Some(reference) = front.auth_config
        && references.auth_config.is_none()
    {
        problems.push((Reason::ExternalAuthConfigFetchError, auth_config_missing(&reference.name)));
    }
    problems.extend(own);
    if let Some(authz) = front.authz {
        let found = authorization::problems(authz, "spec.authzConfig", references.policies.as_deref());
        problems.extend(found.into_iter().map(|problem| match problem {
            Problem::MapNotFound(message) => (Reason::AuthzConfigMapNotFound, message),
            Problem::MapInvalid(message) => (Reason::AuthzConfigMapInvalid, message),
            Problem::Inline(message) => (Reason::AuthzPolicySyntaxInvalid, message),
        }));
    }
    let mut invalid = shared_sessions::password_problems(front.session_storage, &references.secrets);
    if let Some(forward) = front.headers {
        let missing = headers::secret_problems(forward, &references.secrets);
        problems.extend(missing.into_iter().map(|problem| (Reason::HeaderSecretNotFound, problem)));
        invalid.extend(headers::problems(forward));
    }
    if let Some(oidc) = front.oidc {
        let found = oidc.inline.as_ref().map(|inline| oidc::validate::inline_problems(&inline.provider));
        let found = found.unwrap_or_else(|| vec!["inline is required".to_owned()]);
        problems.extend(found.iter().map(|problem| (Reason::OIDCIssuerInvalid, format!("spec.oidcConfig.{problem}"))));
        if front.oidc_config.is_some() {
            invalid.push("spec.oidcConfig and spec.oidcConfigRef are both set: remove one of them".to_owned());
        }
    }
    problems.extend(invalid.into_iter().map(|problem| (Reason::ConfigurationInvalid, problem)));
    if let Some(config) = config.filter(|_| problems.is_empty()) {
        let found = config.problems();
        let found = found.iter().map(|violation| format!("{}: {violation}", violation.path()));
        let unserved = config.unsupported();
        problems.extend(found.chain(unserved).map(|problem| (Reason::ConfigurationInvalid, problem)));
    }
    // What has a reason of its own is said first, and is the reason of all.
    problems.sort_by_key(|(reason, _)| *reason == Reason::ConfigurationInvalid);
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

fn pod_template(front: &Front<'_>) -> Check {
    let kind = ProxyCondition::PodTemplateValid;
    match front.template.and_then(|user| pod::template_problem(user.template, user.container)) {
        None => Check::passed(kind, ProxyReason::ValidPodTemplateSpec, "The pod template can be used"),
        Some(problem) => Check::failed(kind, ProxyReason::InvalidPodTemplateSpec, problem),
    }
}

fn group(front: &Front<'_>, references: &References) -> Option<Check> {
    let kind = ProxyCondition::GroupRefValidated;
    let name = &front.group?.name;
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

fn oidc_config(front: &Front<'_>, references: &References) -> Option<Check> {
    let kind = ProxyCondition::OIDCConfigRefValidated;
    let name = &front.oidc_config?.name;
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

fn trust(front: &Front<'_>, references: &References) -> Option<Check> {
    let kind = ProxyCondition::CABundleRefValidated;
    let reference = resolve::ca_bundle(resolve::provider(front, references.oidc.as_deref())?)?;
    Some(match ca_bundle::judge(reference, references.oidc_ca.as_deref()) {
        Bundle::Present(message) | Bundle::NotNeeded(message) => {
            Check::passed(kind, ProxyReason::CABundleRefValid, message)
        }
        Bundle::NotFound(message) => Check::failed(kind, ProxyReason::CABundleRefNotFound, message),
        Bundle::Invalid(message) => Check::failed(kind, ProxyReason::CABundleRefInvalid, message),
    })
}

fn external_auth(front: &Front<'_>, references: &References) -> Option<Check> {
    let kind = ProxyCondition::ExternalAuthConfigValidated;
    let name = &front.auth_config?.name;
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

fn auth_server(front: &Front<'_>, references: &References) -> Option<Check> {
    let kind = ProxyCondition::AuthServerRefValidated;
    let name = &front.auth_server?.name;
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

fn tools(front: &Front<'_>, references: &References) -> Option<Check> {
    let kind = ProxyCondition::ToolConfigValidated;
    let name = &front.tool_config?.name;
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

fn telemetry(front: &Front<'_>, references: &References) -> Option<Check> {
    let kind = ProxyCondition::TelemetryConfigRefValidated;
    let name = &front.telemetry_config?.name;
    let Some(config) = &references.telemetry else {
        let message = format!(
            "MCPTelemetryConfig {name:?} does not exist in this namespace: create it, or change telemetryConfigRef.name"
        );
        return Some(Check::failed(kind, ProxyReason::TelemetryConfigRefNotFound, message));
    };
    Some(match configurations::problem(config.status.as_ref()) {
        None => {
            Check::passed(kind, ProxyReason::TelemetryConfigRefValid, format!("MCPTelemetryConfig {name:?} is Valid"))
        }
        Some(why) => {
            let message = format!("MCPTelemetryConfig {name:?} is not Valid: {why}");
            Check::failed(kind, ProxyReason::TelemetryConfigRefInvalid, message)
        }
    })
}

fn authz(front: &Front<'_>, references: &References) -> Option<Check> {
    let kind = ProxyCondition::AuthzConfigRefValidated;
    let name = &front.authz_config?.name;
    let Some(config) = &references.authz else {
        let message = format!(
            "MCPAuthzConfig {name:?} does not exist in this namespace: create it, or change authzConfigRef.name"
        );
        return Some(Check::failed(kind, ProxyReason::AuthzConfigRefNotFound, message));
    };
    Some(match configurations::problem(config.status.as_ref()) {
        None => Check::passed(kind, ProxyReason::AuthzConfigRefValid, format!("MCPAuthzConfig {name:?} is Valid")),
        Some(why) => {
            let message = format!("MCPAuthzConfig {name:?} is not Valid: {why}");
            Check::failed(kind, ProxyReason::AuthzConfigRefNotValid, message)
        }
    })
}

/// Whether clients can be authenticated at the proxy, and the proxy at the server.
fn authentication(front: &Front<'_>, referred: &[Check]) -> Check {
    let kind = ProxyCondition::AuthConfigured;
    let failures: Vec<_> = referred.iter().filter(|check| !check.holds).map(|check| check.message.as_str()).collect();
    if !failures.is_empty() {
        return Check::failed(kind, ProxyReason::AuthInvalid, failures.join("; "));
    }
    let message = if front.oidc_config.is_some() || front.oidc.is_some() {
        "Clients are authenticated by their tokens"
    } else {
        "Everyone is served: neither oidcConfigRef nor oidcConfig is set"
    };
    Check::passed(kind, ProxyReason::AuthValid, message)
}

fn sessions(front: &Front<'_>) -> Check {
    let kind = ProxyCondition::SessionStorageWarning;
    match front.replicas {
        Some(replicas) if replicas > 1 && front.shares_sessions() => {
            Check::failed(kind, ProxyReason::SessionStorageConfigured, format!("{replicas} pods share their sessions"))
        }
        Some(replicas) if replicas > 1 => Check::passed(
            kind,
            ProxyReason::SessionStorageMissingForReplicas,
            format!("{replicas} pods keep their sessions to themselves: clients must stay with one pod"),
        ),
        _ => Check::failed(kind, ProxyReason::SessionStorageWarningNotApplicable, "There are no several replicas"),
    }
}

/// The proxy of an object that passed every check.
fn plan<'a>(front: Front<'a>, references: &References, config: ProxyConfig) -> Proxy<'a> {
    let bundle = resolve::provider(&front, references.oidc.as_deref()).and_then(resolve::ca_bundle);
    Proxy {
        oidc_ca: bundle.map(|bundle| (bundle.name.clone(), bundle.key.clone())),
        secrets: config.secrets(),
        shared_sessions: front
            .shares_sessions()
            .then(|| SharedSessions::of(&front.service, front.session_storage, references.seal_key.clone())),
        front,
        config,
    }
}
