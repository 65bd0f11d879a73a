//! The objects that a VirtualMCPServer refers to: its group, and the provider that authenticates its clients.

use operator_api::{GroupPhase, IncomingAuthType, VirtualMCPServer, VirtualServerCondition, VirtualServerReason};

use super::{Check, check};
use crate::{
    controllers::{
        configuration,
        virtual_server::resolve::{self, References},
    },
    runtime::contents,
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

pub(super) fn authentication(server: &VirtualMCPServer, references: &References, provider_valid: bool) -> Check {
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
