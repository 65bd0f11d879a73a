//! The checks of a VirtualMCPServer, and the gateway that comes out of them.

mod notices;
mod references;
mod spec;

pub(super) use notices::{deprecated_upstream, unused_selections};

use std::borrow::Cow;

use operator_api::{
    IncomingAuthType, ServiceType, SessionAffinity, VirtualMCPServer, VirtualServerCondition, VirtualServerPhase,
    VirtualServerReason,
};
use serde_json::Value;

use super::{
    build,
    configuration::{self, Configuration},
    resolve::{self, Inputs, References},
};
use crate::{controllers::workload::shared_sessions::SharedSessions, runtime::ObjectKey};

/// A gateway that can be built.
#[derive(Debug, Clone, PartialEq)]
pub struct Gateway {
    /// Namespace and name of the VirtualMCPServer.
    pub key: ObjectKey,
    /// Its uid: the owner of every object.
    pub uid: String,
    /// What the gateway is told, and what its pods must have for it.
    pub configuration: Configuration,
    /// Whether its pods discover the members of the group themselves.
    pub discovers: bool,
    /// The ConfigMap and the key with the CA bundle of the OpenID provider.
    pub oidc_ca: Option<(String, String)>,
    /// The Secrets and ConfigMaps that its backends need.
    pub inputs: Inputs,
    /// Type of the Service.
    pub service_type: ServiceType,
    /// Session affinity of the Service.
    pub session_affinity: SessionAffinity,
    /// Number of pods, unless that is left to others.
    pub replicas: Option<i32>,
    /// Whether there is more than one pod, whoever says so.
    pub has_several_pods: bool,
    /// The ServiceAccount of the pods, when it is not to be made.
    pub service_account: Option<String>,
    /// Names of Secrets with credentials of image registries.
    pub image_pull_secrets: Vec<String>,
    /// What the user merges into the pod template.
    pub pod_template: Option<Value>,
    /// What its pods need to share their sessions, if they do.
    pub shared_sessions: Option<SharedSessions>,
}

/// What one check found. One that is not passed keeps the gateway from being built.
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

/// Something that people should know, and that keeps no gateway from being built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The condition that says so.
    pub kind: Cow<'static, str>,
    /// Whether it holds.
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
    /// What else there is to say.
    pub notices: Vec<Notice>,
    /// The gateway, when every check is passed.
    pub gateway: Option<Gateway>,
    /// Hash of the OpenID provider's spec.
    pub oidc_hash: Option<String>,
    /// Hash of the MCPAuthzConfig's spec.
    pub authz_hash: Option<String>,
    /// Hash of the MCPTelemetryConfig's spec.
    pub telemetry_hash: Option<String>,
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
        spec::spec(server, references),
        spec::pod_template(server.spec.pod_template_spec.as_ref()),
        references::group(&server.spec.group_ref.name, references),
    ];
    let oidc = server.spec.incoming_auth.kind == IncomingAuthType::Oidc;
    if oidc {
        checks.push(references::oidc_config(server, references));
    }
    let authz = server.spec.incoming_auth.authz_config_ref.as_ref();
    checks.extend(authz.map(|config| references::authz_config(&config.name, references)));
    if resolve::workflow_names(server).next().is_some() {
        checks.push(references::workflows(server, references));
    }
    let telemetry = server.spec.telemetry_config_ref.as_ref();
    checks.extend(telemetry.map(|config| references::telemetry(&config.name, references)));
    checks.push(references::authentication(
        server,
        references,
        checks.iter().all(|check| check.kind != VirtualServerCondition::OIDCConfigRefValidated || check.holds),
    ));
    let passed = checks.iter().all(|check| check.holds);
    let provider = references.oidc.as_deref().filter(|_| oidc);
    Verdict {
        gateway: passed.then(|| gateway(server, references)),
        oidc_hash: provider.and_then(|provider| provider.status.as_ref()?.config_hash.clone()),
        authz_hash: references.authz.as_ref().and_then(|config| config.status.as_ref()?.config_hash.clone()),
        telemetry_hash: references.telemetry.as_ref().and_then(|config| config.status.as_ref()?.config_hash.clone()),
        notices: notices::of(server, references),
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

/// How many pods `server` has: what its spec says, or what others said to its Deployment.
fn pods(server: &VirtualMCPServer, references: &References) -> i32 {
    server.spec.replicas.or(references.deployment_replicas).unwrap_or(1)
}

/// The gateway of a server that passed every check.
fn gateway(server: &VirtualMCPServer, references: &References) -> Gateway {
    let spec = &server.spec;
    let bundle = references.oidc.as_deref().and_then(resolve::ca_bundle);
    let names = spec.image_pull_secrets.iter().flatten().map(|secret| secret.name.clone());
    Gateway {
        key: ObjectKey::of(server),
        uid: server.metadata.uid.clone().unwrap_or_default(),
        configuration: configuration::of(server, references),
        discovers: !configuration::is_inline(server),
        oidc_ca: bundle.map(|bundle| (bundle.name.clone(), bundle.key.clone())),
        inputs: references.inputs.clone(),
        service_type: spec.service_type,
        session_affinity: spec.session_affinity,
        replicas: spec.replicas,
        has_several_pods: pods(server, references) > 1,
        service_account: spec.service_account.clone().filter(|name| !name.is_empty()),
        image_pull_secrets: names.filter(|name| !name.is_empty()).collect(),
        pod_template: spec.pod_template_spec.clone(),
        shared_sessions: configuration::shares_sessions(server).then(|| {
            let service = build::name(server.metadata.name.as_deref().unwrap_or_default());
            SharedSessions::of(&service, spec.session_storage.as_ref(), references.seal_key.clone())
        }),
    }
}
