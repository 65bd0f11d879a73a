//! The spec of a VirtualMCPServer itself: what its schema does not say.

use operator_api::{
    BackendAuth, BackendAuthType, GatewayConfig, VirtualMCPServer, VirtualMCPServerSpec, VirtualServerCondition,
    VirtualServerReason,
};
use serde_json::Value;
use vmcp_config::{header_problem, is_header_value};

use super::{Check, check, references};
use crate::{
    controllers::{
        authorization::Problem,
        configuration as verdicts, unsupported,
        virtual_server::{
            build, configuration,
            resolve::{self, References},
        },
        workload::{name_problem, pod, shared_sessions},
    },
    runtime::ObjectKey,
};

/// Whether the spec can be used.
pub(super) fn spec(server: &VirtualMCPServer, references: &References) -> Check {
    let key = ObjectKey::of(server);
    let mut problems: Vec<_> = name_problem(&key.name, build::name("").len()).into_iter().collect();
    let unserved = unsupported::problems(&server.spec, unsupported::VIRTUAL_SERVER);
    problems.extend(unserved.iter().map(|sentence| format!("spec.{sentence}")));
    problems.extend(written_twice(&server.spec));
    problems.extend(written_in_vain(&server.spec));
    problems.extend(outgoing(&server.spec));
    problems.extend(config(server));
    let storage = server.spec.session_storage.as_ref();
    problems.extend(shared_sessions::password_problems(storage, &references.storage_secrets));
    problems.extend(tool_configs(server, references));
    problems.extend(references::policies(server, references).into_iter().filter_map(|problem| match problem {
        Problem::Inline(message) => Some(message),
        Problem::MapNotFound(_) | Problem::MapInvalid(_) => None,
    }));
    check(
        VirtualServerCondition::Valid,
        (!problems.is_empty()).then(|| problems.join("; ")),
        (VirtualServerReason::ValidationSucceeded, VirtualServerReason::ValidationFailed),
        "The spec can be used",
    )
}

/// Whether the pod template can be used.
pub(super) fn pod_template(template: Option<&Value>) -> Check {
    check(
        VirtualServerCondition::PodTemplateSpecValid,
        template.and_then(|template| pod::template_problem(template, build::CONTAINER)),
        (VirtualServerReason::PodTemplateSpecValid, VirtualServerReason::InvalidPodTemplateSpec),
        "The pod template can be used",
    )
}

/// What is wrong with the configuration, said where the user wrote it.
fn config(server: &VirtualMCPServer) -> Vec<String> {
    let place = |path: &str| configuration::place(server, path);
    let unknown = server.spec.config.iter().flat_map(GatewayConfig::unknown_keys);
    let mut problems: Vec<_> = unknown.map(|key| format!("spec.config.{}: {}", key.path, key.message())).collect();
    let written = configuration::written(server);
    let violations = written.field_problems();
    problems.extend(violations.iter().map(|violation| format!("{}: {violation}", place(violation.path()))));
    let effective = configuration::of(server, &References::default()).config;
    problems.extend(effective.unsupported().iter().map(|sentence| place(sentence)));
    problems
}

/// Selections of tools that cannot be used.
fn tool_configs(server: &VirtualMCPServer, references: &References) -> Vec<String> {
    let written = configuration::written(server);
    let problem = |(index, name): (usize, &str)| {
        let place = configuration::place(server, &format!("aggregation.tools[{index}].toolConfigRef"));
        match references.tool_configs.get(name) {
            None => Some(format!(
                "{place}: MCPToolConfig {name:?} does not exist in this namespace: create it, or change the name"
            )),
            Some(config) => verdicts::problem(config.status.as_ref())
                .map(|why| format!("{place}: MCPToolConfig {name:?} is not Valid: {why}")),
        }
    };
    resolve::tool_config_names(&written).filter_map(problem).collect()
}

/// Fields that may stand in two places, and do.
fn written_twice(spec: &VirtualMCPServerSpec) -> Vec<String> {
    let config = spec.config.as_deref();
    let config = |is: fn(&vmcp_config::Config) -> bool| config.is_some_and(is);
    [
        ("aggregation", spec.aggregation.is_some() && config(|config| config.aggregation.is_some())),
        ("compositeTools", spec.composite_tools.is_some() && config(|config| config.composite_tools.is_some())),
        ("operational", spec.operational.is_some() && config(|config| config.operational.is_some())),
        ("telemetryConfigRef", spec.telemetry_config_ref.is_some() && config(|config| config.telemetry.is_some())),
    ]
    .into_iter()
    .filter(|(_, twice)| *twice)
    .map(|(name, _)| {
        let other = if name == "telemetryConfigRef" { "telemetry" } else { name };
        format!("spec.{name} and spec.config.{other} are both set: keep one of them")
    })
    .collect()
}

/// Blocks of a gateway's own file that are written here in the spec alone: who relies on them must not be let down.
fn written_in_vain(spec: &VirtualMCPServerSpec) -> Vec<String> {
    let config = spec.config.as_deref();
    [
        ("incomingAuth", config.is_some_and(|config| config.incoming_auth.is_some())),
        ("outgoingAuth", config.is_some_and(|config| config.outgoing_auth.is_some())),
    ]
    .into_iter()
    .filter(|(_, written)| *written)
    .map(|(name, _)| format!("spec.config.{name} does not count: remove it, and write spec.{name}"))
    .collect()
}

/// What is wrong with `outgoingAuth`.
fn outgoing(spec: &VirtualMCPServerSpec) -> Vec<String> {
    let Some(outgoing) = &spec.outgoing_auth else { return Vec::new() };
    let mut problems = Vec::new();
    if let Some(auth) = &outgoing.default {
        problems.extend(backend_auth(auth).map(|problem| format!("spec.outgoingAuth.default{problem}")));
    }
    let character = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    for (name, auth) in outgoing.backends.iter().flatten() {
        let path = format!("spec.outgoingAuth.backends[{name:?}]");
        if name.is_empty() || name.len() > 253 || !name.chars().all(character) {
            problems.push(format!("{path} names no backend: write the name of a member of the group"));
        }
        problems.extend(backend_auth(auth).map(|problem| format!("{path}{problem}")));
    }
    problems
}

/// The block of the type is there, and no other.
fn backend_auth(auth: &BackendAuth) -> impl Iterator<Item = String> {
    let reference = auth.external_auth_config_ref.as_ref();
    let account = auth.service_account.as_ref();
    let (by_reference, by_account) = match auth.kind {
        BackendAuthType::Discovered => (false, false),
        BackendAuthType::ExternalAuthConfigRef => (true, false),
        BackendAuthType::ServiceAccount => (false, true),
    };
    let mut problems = Vec::new();
    if by_reference && reference.is_none_or(|reference| reference.name.is_empty()) {
        problems.push(".externalAuthConfigRef.name is required for type externalAuthConfigRef".to_owned());
    } else if !by_reference && reference.is_some() {
        problems.push(".externalAuthConfigRef counts for type externalAuthConfigRef only: remove it".to_owned());
    }
    match account {
        None if by_account => {
            problems.push(".serviceAccount.credentialsRef is required for type service_account".to_owned());
        }
        Some(_) if !by_account => {
            problems.push(".serviceAccount counts for type service_account only: remove it".to_owned());
        }
        Some(account) => {
            let secret = &account.credentials_ref;
            if secret.name.is_empty() || secret.key.is_empty() {
                problems.push(".serviceAccount.credentialsRef needs the name of a Secret and a key in it".to_owned());
            }
            if let Some(reason) = header_problem(&account.header_name) {
                let name = &account.header_name;
                problems.push(format!(".serviceAccount.headerName {name:?} cannot be set: {reason}"));
            }
            if !account.header_format.contains("{token}") || !is_header_value(&account.header_format) {
                problems.push(
                    ".serviceAccount.headerFormat must be text with {token}, which stands for the secret: for example \
                     \"Bearer {token}\""
                        .to_owned(),
                );
            }
        }
        None => {}
    }
    problems.into_iter()
}
