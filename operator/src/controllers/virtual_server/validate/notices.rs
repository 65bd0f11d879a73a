//! What people should know of a VirtualMCPServer although it can be built: sessions that pods do not share, and auth
//! configs that cannot be used.

use std::borrow::Cow;

use operator_api::{BackendAuth, BackendAuthType, VirtualMCPServer, VirtualServerCondition, VirtualServerReason};

use super::{Notice, pods};
use crate::controllers::{
    configuration as verdicts,
    virtual_server::{configuration, resolve::References},
};

pub(super) fn of(server: &VirtualMCPServer, references: &References) -> Vec<Notice> {
    let mut notices = vec![session_storage(server, references)];
    if let Some(outgoing) = &server.spec.outgoing_auth {
        let default = outgoing.default.iter().map(|auth| (VirtualServerCondition::DefaultAuthConfig.into(), auth));
        let backends = outgoing.backends.iter().flatten().map(|(name, auth)| (backend_condition(name), auth));
        notices.extend(default.chain(backends).filter_map(|(kind, auth)| auth_config(kind, auth, references)));
    }
    notices
}

/// Selections of tools that do not count because an MCPToolConfig is named beside them (D-28).
pub(in crate::controllers::virtual_server) fn unused_selections(server: &VirtualMCPServer) -> Vec<String> {
    let written = configuration::written(server);
    let tools = written.aggregation.into_iter().filter_map(|aggregation| aggregation.tools).flatten().enumerate();
    tools
        .filter_map(|(index, workload)| {
            let name = workload.tool_config_ref?.name;
            let place = configuration::place(server, &format!("aggregation.tools[{index}]"));
            (workload.filter.is_some() || workload.overrides.is_some()).then(|| {
                format!("{place}: filter and overrides do not count, MCPToolConfig {name:?} decides: keep one of them")
            })
        })
        .collect()
}

/// What to write instead of the deprecated `primaryUpstreamProvider`, where it is used.
pub(in crate::controllers::virtual_server) fn deprecated_upstream(server: &VirtualMCPServer) -> Option<&'static str> {
    let inline = server.spec.incoming_auth.authz_config.as_ref()?.inline.as_ref()?;
    inline.primary_upstream_provider.as_ref()?;
    Some(
        "spec.incomingAuth.authzConfig.inline.primaryUpstreamProvider is deprecated: set \
         spec.authServerConfig.primaryUpstreamProvider instead",
    )
}

/// The condition about the auth config of the backend `name`.
fn backend_condition(name: &str) -> Cow<'static, str> {
    // A condition's type takes the characters of names. What is none is refused by the check of the spec.
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).take(253).collect();
    let name = name.trim_end_matches(['-', '.']);
    format!("{}-{name}", VirtualServerCondition::BackendAuthConfig).trim_end_matches('-').to_owned().into()
}

/// Sessions are kept by the pod that opened them unless there is a storage that all pods share.
fn session_storage(server: &VirtualMCPServer, references: &References) -> Notice {
    let shared = configuration::shares_sessions(server);
    let pods = pods(server, references);
    let (holds, reason, message) = match (pods > 1, shared) {
        (true, false) => (
            true,
            VirtualServerReason::SessionStorageMissingForReplicas,
            format!(
                "{pods} pods share no session storage: a client must stay with the pod that opened its session, so keep \
                 sessionAffinity ClientIP, or set sessionStorage.provider to redis"
            ),
        ),
        (true, true) => {
            (false, VirtualServerReason::SessionStorageConfigured, format!("{pods} pods share their sessions"))
        }
        (false, _) => (
            false,
            VirtualServerReason::SessionStorageWarningNotApplicable,
            "There is one pod at most, which needs no shared session storage".to_owned(),
        ),
    };
    Notice { kind: VirtualServerCondition::SessionStorageWarning.into(), holds, reason, message }
}

/// Whether the auth config that `auth` names can be used. Backends that need one that cannot are left out.
fn auth_config(kind: Cow<'static, str>, auth: &BackendAuth, references: &References) -> Option<Notice> {
    if auth.kind != BackendAuthType::ExternalAuthConfigRef {
        return None;
    }
    let name = &auth.external_auth_config_ref.as_ref()?.name;
    let problem = match references.auth_configs.get(name) {
        None => Some(format!(
            "MCPExternalAuthConfig {name:?} does not exist in this namespace, and backends that need it are left out: \
             create it, or change externalAuthConfigRef.name"
        )),
        Some(config) => verdicts::problem(config.status.as_ref()).map(|why| {
            format!("MCPExternalAuthConfig {name:?} is not Valid, and backends that need it are left out: {why}")
        }),
    };
    let holds = problem.is_none();
    let reason = if holds { VirtualServerReason::ConversionSucceeded } else { VirtualServerReason::ConversionFailed };
    let message = problem.unwrap_or_else(|| format!("MCPExternalAuthConfig {name:?} is Valid"));
    Some(Notice { kind, holds, reason, message })
}
