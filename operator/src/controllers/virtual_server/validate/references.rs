//! The objects that a VirtualMCPServer refers to: its group, the provider that authenticates its clients, its
//! workflows, and where its signals go.

use std::collections::BTreeSet;

use operator_api::{GroupPhase, IncomingAuthType, VirtualMCPServer, VirtualServerCondition, VirtualServerReason};

use super::{Check, check};
use crate::controllers::{
    authorization::{self, Problem},
    ca_bundle::{self, Bundle},
    configuration,
    virtual_server::{
        configuration::written,
        resolve::{self, References},
    },
};

pub(super) fn group(name: &str, references: &References) -> Check {
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

pub(super) fn oidc_config(server: &VirtualMCPServer, references: &References) -> Check {
    let name = server.spec.incoming_auth.oidc_config_ref.as_ref().map_or("", |reference| reference.name.as_str());
    let (reason, problem) = match &references.oidc {
        None => (
            VirtualServerReason::OIDCConfigRefNotFound,
            Some(format!(
                "MCPOIDCConfig {name:?} does not exist in this namespace: create it, or change \
                 incomingAuth.oidcConfigRef.name"
            )),
        ),
        Some(config) => (
            VirtualServerReason::OIDCConfigRefNotValid,
            configuration::problem(config.status.as_ref())
                .map(|why| format!("MCPOIDCConfig {name:?} is not Valid: {why}")),
        ),
    };
    let fine = format!("MCPOIDCConfig {name:?} is Valid");
    let reasons = (VirtualServerReason::OIDCConfigRefValid, reason);
    check(VirtualServerCondition::OIDCConfigRefValidated, problem, reasons, &fine)
}

pub(super) fn authz_config(name: &str, references: &References) -> Check {
    let (reason, problem) = match &references.authz {
        None => (
            VirtualServerReason::AuthzConfigRefNotFound,
            Some(format!(
                "MCPAuthzConfig {name:?} does not exist in this namespace: create it, or change \
                 incomingAuth.authzConfigRef.name"
            )),
        ),
        Some(config) => (
            VirtualServerReason::AuthzConfigRefNotValid,
            configuration::problem(config.status.as_ref())
                .map(|why| format!("MCPAuthzConfig {name:?} is not Valid: {why}")),
        ),
    };
    let fine = format!("MCPAuthzConfig {name:?} is Valid");
    let reasons = (VirtualServerReason::AuthzConfigRefValid, reason);
    check(VirtualServerCondition::AuthzConfigRefValidated, problem, reasons, &fine)
}

/// Whether the workflows of `config.compositeToolRefs` can be run, each under a name of its own.
pub(super) fn workflows(server: &VirtualMCPServer, references: &References) -> Check {
    let mut reason = VirtualServerReason::CompositeToolRefsValid;
    let mut problems = Vec::new();
    let written = written(server).composite_tools.unwrap_or_default();
    let mut taken: BTreeSet<_> = written.iter().map(|workflow| workflow.name.as_str()).collect();
    for (index, name) in resolve::workflow_names(server).enumerate() {
        let place = format!("spec.config.compositeToolRefs[{index}]: VirtualMCPCompositeToolDefinition {name:?}");
        let Some(workflow) = references.workflows.get(name) else {
            reason = VirtualServerReason::CompositeToolRefNotFound;
            problems.push(format!("{place} does not exist in this namespace: create it, or remove the reference"));
            continue;
        };
        let tool = &workflow.spec.workflow.name;
        let problem = match configuration::unusable(workflow.as_ref()) {
            Some(why) => format!("{place} cannot be run: {why}"),
            None if !taken.insert(tool) => {
                format!("{place}: another workflow is named {tool:?} too: rename one of them")
            }
            None => continue,
        };
        problems.push(problem);
        if reason == VirtualServerReason::CompositeToolRefsValid {
            reason = VirtualServerReason::CompositeToolRefInvalid;
        }
    }
    check(
        VirtualServerCondition::CompositeToolRefsValidated,
        (!problems.is_empty()).then(|| problems.join("; ")),
        (VirtualServerReason::CompositeToolRefsValid, reason),
        "The workflows can be run",
    )
}

pub(super) fn telemetry(name: &str, references: &References) -> Check {
    let (reason, problem) = match &references.telemetry {
        None => (
            VirtualServerReason::TelemetryConfigRefNotFound,
            Some(format!(
                "MCPTelemetryConfig {name:?} does not exist in this namespace: create it, or change \
                 telemetryConfigRef.name"
            )),
        ),
        Some(config) => (
            VirtualServerReason::TelemetryConfigRefInvalid,
            configuration::problem(config.status.as_ref())
                .map(|why| format!("MCPTelemetryConfig {name:?} is not Valid: {why}")),
        ),
    };
    let fine = format!("MCPTelemetryConfig {name:?} is Valid");
    let reasons = (VirtualServerReason::TelemetryConfigRefValid, reason);
    check(VirtualServerCondition::TelemetryConfigRefValidated, problem, reasons, &fine)
}

pub(super) fn authentication(server: &VirtualMCPServer, references: &References, provider_valid: bool) -> Check {
    let (reason, problem) = match provider_problem(server, references, provider_valid) {
        Some(problem) => (VirtualServerReason::AuthInvalid, Some(problem)),
        None => match policies(server, references).into_iter().next() {
            Some(Problem::MapNotFound(problem)) => (VirtualServerReason::AuthzConfigMapNotFound, Some(problem)),
            Some(Problem::MapInvalid(problem)) => (VirtualServerReason::AuthzConfigMapInvalid, Some(problem)),
            // What is wrong in the spec itself the condition Valid says.
            Some(Problem::Inline(_)) | None => (VirtualServerReason::AuthInvalid, None),
        },
    };
    check(
        VirtualServerCondition::AuthConfigured,
        problem,
        (VirtualServerReason::AuthValid, reason),
        "Clients can be authenticated",
    )
}

/// What is wrong with the policies of `incomingAuth.authzConfig`.
pub(super) fn policies(server: &VirtualMCPServer, references: &References) -> Vec<Problem> {
    let authz = server.spec.incoming_auth.authz_config.as_ref();
    let place = "spec.incomingAuth.authzConfig";
    authz.map(|authz| authorization::problems(authz, place, references.policies.as_deref())).unwrap_or_default()
}

/// Why tokens of clients cannot be checked, if so.
fn provider_problem(server: &VirtualMCPServer, references: &References, provider_valid: bool) -> Option<String> {
    if server.spec.incoming_auth.kind == IncomingAuthType::Anonymous {
        return None;
    }
    if !provider_valid {
        return Some("the OpenID provider of incomingAuth cannot be used".to_owned());
    }
    let bundle = references.oidc.as_deref().and_then(resolve::ca_bundle)?;
    match ca_bundle::judge(bundle, references.oidc_ca.as_deref()) {
        Bundle::Present(_) | Bundle::NotNeeded(_) => None,
        Bundle::NotFound(message) | Bundle::Invalid(message) => {
            Some(format!("the MCPOIDCConfig's caBundleRef: {message}"))
        }
    }
}
