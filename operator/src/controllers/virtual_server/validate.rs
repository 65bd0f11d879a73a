//! The checks of a VirtualMCPServer, and the gateway that comes out of them.

use std::collections::BTreeSet;

use operator_api::{
    ConfigCondition, GroupPhase, IncomingAuthType, ServiceType, SessionAffinity, VirtualMCPServer,
    VirtualServerCondition, VirtualServerPhase, VirtualServerReason, find_condition, is_true,
};
use serde_json::Value;
use vmcp_config::Config;

use super::{build, configuration, resolve, resolve::References};
use crate::{
    controllers::{
        unsupported,
        workload::{name_problem, pod},
    },
    runtime::{ObjectKey, contents},
};

/// A gateway that can be built.
#[derive(Debug, Clone, PartialEq)]
pub struct Gateway {
    /// Namespace and name of the VirtualMCPServer.
    pub key: ObjectKey,
    /// Its uid: the owner of every object.
    pub uid: String,
    /// What the gateway is told.
    pub config: Config,
    /// The ConfigMap and the key with the CA bundle of the OpenID provider.
    pub oidc_ca: Option<(String, String)>,
    /// Secrets that the gateway reads.
    pub secrets: BTreeSet<String>,
    /// ConfigMaps that the gateway reads.
    pub config_maps: BTreeSet<String>,
    /// Type of the Service.
    pub service_type: ServiceType,
    /// Session affinity of the Service.
    pub session_affinity: SessionAffinity,
    /// What the user merges into the pod template.
    pub pod_template: Option<Value>,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The condition that says so.
    pub kind: VirtualServerCondition,
    /// Whether the VirtualMCPServer passes.
    pub holds: bool,
    /// Why.
    pub reason: VirtualServerReason,
    /// Why, for people.
    pub message: String,
}

/// What all checks found.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What each check found.
    pub checks: Vec<Check>,
    /// The gateway, when every check is passed.
    pub gateway: Option<Gateway>,
    /// Hash of the OpenID provider's spec.
    pub oidc_hash: Option<String>,
}

impl Verdict {
    /// The phase of a VirtualMCPServer that did not pass every check.
    pub fn phase(&self) -> VirtualServerPhase {
        let waiting = |check: &Check| check.holds || check.reason == VirtualServerReason::GroupRefNotReady;
        if self.checks.iter().all(waiting) { VirtualServerPhase::Pending } else { VirtualServerPhase::Failed }
    }
}

/// Checks `server`, and makes a gateway of it when nothing is wrong.
pub fn judge(server: &VirtualMCPServer, references: &References) -> Verdict {
    let mut checks = vec![
        spec(server),
        pod_template(server.spec.pod_template_spec.as_ref()),
        group(&server.spec.group_ref.name, references),
    ];
    let oidc = server.spec.incoming_auth.kind == IncomingAuthType::Oidc;
    if oidc {
        checks.push(oidc_config(server, references));
    }
    checks.push(authentication(
        server,
        references,
        checks.iter().all(|check| check.kind != VirtualServerCondition::OIDCConfigRefValidated || check.holds),
    ));
    let passed = checks.iter().all(|check| check.holds);
    let provider = references.oidc.as_deref().filter(|_| oidc);
    Verdict {
        gateway: passed.then(|| gateway(server, references)),
        oidc_hash: provider.and_then(|provider| provider.status.as_ref()?.config_hash.clone()),
        checks,
    }
}

fn check(
    kind: VirtualServerCondition,
    problem: Option<String>,
    (yes, no): (VirtualServerReason, VirtualServerReason),
    fine: &str,
) -> Check {
    match problem {
        None => Check { kind, holds: true, reason: yes, message: fine.to_owned() },
        Some(message) => Check { kind, holds: false, reason: no, message },
    }
}

fn spec(server: &VirtualMCPServer) -> Check {
    let mut problems = Vec::new();
    let key = ObjectKey::of(server);
    problems.extend(name_problem(&key.name, build::name("").len()));
    let unserved = unsupported::problems(&server.spec, unsupported::VIRTUAL_SERVER);
    problems.extend(unserved.iter().map(|sentence| format!("spec.{sentence}")));
    if let Some(config) = &server.spec.config {
        problems.extend(config.unknown_keys().iter().map(|key| format!("spec.config.{}: {}", key.path, key.message())));
        let violations = config.field_problems();
        problems.extend(violations.iter().map(|violation| format!("spec.config.{}: {violation}", violation.path())));
        let effective = configuration::of(server, &References::default());
        problems.extend(effective.unsupported().iter().map(|sentence| format!("spec.config.{sentence}")));
    }
    check(
        VirtualServerCondition::Valid,
        (!problems.is_empty()).then(|| problems.join("; ")),
        (VirtualServerReason::ValidationSucceeded, VirtualServerReason::ValidationFailed),
        "The spec can be used",
    )
}

fn pod_template(template: Option<&Value>) -> Check {
    check(
        VirtualServerCondition::PodTemplateSpecValid,
        template.and_then(|template| pod::template_problem(template, build::CONTAINER)),
        (VirtualServerReason::PodTemplateSpecValid, VirtualServerReason::InvalidPodTemplateSpec),
        "The pod template can be used",
    )
}

fn group(name: &str, references: &References) -> Check {
    let (reason, problem) = match &references.group {
        None => (
            VirtualServerReason::GroupRefNotFound,
            Some(format!("MCPGroup {name:?} does not exist in this namespace: create it, or change groupRef.name")),
        ),
        Some(group) => match group.status.as_ref().and_then(|status| status.phase).unwrap_or(GroupPhase::Pending) {
            GroupPhase::Ready => (VirtualServerReason::GroupRefValid, None),
            phase => {
                (VirtualServerReason::GroupRefNotReady, Some(format!("MCPGroup {name:?} is {phase:?}, not Ready")))
            }
        },
    };
    let fine = format!("MCPGroup {name:?} exists and is Ready");
    check(VirtualServerCondition::GroupRefValidated, problem, (VirtualServerReason::GroupRefValid, reason), &fine)
}

fn oidc_config(server: &VirtualMCPServer, references: &References) -> Check {
    let name = server.spec.incoming_auth.oidc_config_ref.as_ref().map_or("", |reference| reference.name.as_str());
    let valid = ConfigCondition::Valid.as_str();
    let (reason, problem) = match &references.oidc {
        None => (
            VirtualServerReason::OIDCConfigRefNotFound,
            Some(format!(
                "MCPOIDCConfig {name:?} does not exist in this namespace: create it, or change \
                 incomingAuth.oidcConfigRef.name"
            )),
        ),
        Some(config) => {
            let conditions = config.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
            let why = match find_condition(conditions, valid) {
                Some(condition) => condition.message.as_str(),
                None => "it has not been checked yet",
            };
            let problem = (!is_true(conditions, valid)).then(|| format!("MCPOIDCConfig {name:?} is not Valid: {why}"));
            (VirtualServerReason::OIDCConfigRefNotValid, problem)
        }
    };
    let fine = format!("MCPOIDCConfig {name:?} is Valid");
    let reasons = (VirtualServerReason::OIDCConfigRefValid, reason);
    check(VirtualServerCondition::OIDCConfigRefValidated, problem, reasons, &fine)
}

fn authentication(server: &VirtualMCPServer, references: &References, provider_valid: bool) -> Check {
    let problem = if server.spec.incoming_auth.kind == IncomingAuthType::Anonymous {
        None
    } else if provider_valid {
        references.oidc.as_deref().and_then(resolve::ca_bundle).and_then(|bundle| {
            let (name, key) = (&bundle.name, &bundle.key);
            match references.oidc_ca.as_deref().map(|keys| keys.get(key)) {
                Some(Some(contents::Value::Certificates)) => None,
                None | Some(None) if bundle.optional == Some(true) => None,
                None => Some(format!("ConfigMap {name:?} of the MCPOIDCConfig does not exist in this namespace")),
                Some(None) => Some(format!("ConfigMap {name:?} of the MCPOIDCConfig has no key {key:?}")),
                Some(Some(_)) => {
                    Some(format!("ConfigMap {name:?} of the MCPOIDCConfig has no PEM certificate under {key:?}"))
                }
            }
        })
    } else {
        Some("the OpenID provider of incomingAuth cannot be used".to_owned())
    };
    check(
        VirtualServerCondition::AuthConfigured,
        problem,
        (VirtualServerReason::AuthValid, VirtualServerReason::AuthInvalid),
        "Clients can be authenticated",
    )
}

/// The gateway of a server that passed every check.
fn gateway(server: &VirtualMCPServer, references: &References) -> Gateway {
    let mut secrets = BTreeSet::new();
    let mut config_maps = BTreeSet::new();
    for entry in &references.entries {
        let headers = entry.spec.header_forward.iter().flat_map(|forward| &forward.add_headers_from_secret);
        secrets.extend(headers.map(|header| header.value_secret_ref.name.clone()));
        let bundle = entry.spec.ca_bundle_ref.as_ref().and_then(|bundle| bundle.config_map_ref.as_ref());
        config_maps.extend(bundle.map(|bundle| bundle.name.clone()));
    }
    for config in references.auth_configs.values() {
        let exchange = config.spec.token_exchange.as_ref().and_then(|exchange| exchange.client_secret_ref.as_ref());
        let header = config.spec.header_injection.as_ref().map(|header| &header.value_secret_ref);
        secrets.extend(exchange.into_iter().chain(header).map(|reference| reference.name.clone()));
    }
    // A rule with an empty name would match nothing, and the API server refuses it.
    secrets.remove("");
    config_maps.remove("");
    let bundle = references.oidc.as_deref().and_then(resolve::ca_bundle);
    Gateway {
        key: ObjectKey::of(server),
        uid: server.metadata.uid.clone().unwrap_or_default(),
        config: configuration::of(server, references),
        oidc_ca: bundle.map(|bundle| (bundle.name.clone(), bundle.key.clone())),
        secrets,
        config_maps,
        service_type: server.spec.service_type,
        session_affinity: server.spec.session_affinity,
        pod_template: server.spec.pod_template_spec.clone(),
    }
}
