//! What a gateway is told: `spec.config`, with what the spec says elsewhere, and what its pods must have for it.

mod inline;
mod outgoing;

use operator_api::{IncomingAuthType, OutgoingAuthSource, VirtualMCPServer};
use vmcp_config::{Aggregation, Config, IncomingAuth, IncomingAuthKind, Oidc, SessionProvider};

use super::{build, resolve, resolve::References};
use crate::{
    controllers::workload::{config_volume::Bundle, pod::checksum, shared_sessions},
    runtime::ObjectKey,
};

/// What a gateway is told, and what its pods must have so that it can follow.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    /// The file.
    pub config: Config,
    /// Secrets that are environment variables.
    pub variables: Vec<Variable>,
    /// CA bundles of backends.
    pub bundles: Vec<Bundle>,
}

/// An environment variable with the value of a Secret's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Variable {
    /// Name of the variable.
    pub name: String,
    /// Name of the Secret.
    pub secret: String,
    /// Key in the Secret.
    pub key: String,
}

impl Variable {
    /// The variable for a key of a Secret. Its name depends on these two alone, so that other changes do not start new
    /// pods, and has no characters of theirs, so that no two collide.
    fn of(secret: &str, key: &str) -> Self {
        let name = format!("VMCP_SECRET_{}", checksum(&format!("{secret}/{key}")).to_uppercase());
        Self { name, secret: secret.to_owned(), key: key.to_owned() }
    }
}

/// Whether the members of the group are part of the configuration of `server`, and not discovered by its pods.
pub fn is_inline(server: &VirtualMCPServer) -> bool {
    server.spec.outgoing_auth.as_ref().is_some_and(|auth| auth.source == OutgoingAuthSource::Inline)
}

/// The configuration of the gateway of `server`. What the spec says elsewhere replaces what `spec.config` says of it.
pub fn of(server: &VirtualMCPServer, references: &References) -> Configuration {
    let mut config = written(server);
    config.name = server.metadata.name.clone().unwrap_or_default();
    config.group_ref.clone_from(&server.spec.group_ref.name);
    config.incoming_auth = Some(match server.spec.incoming_auth.kind {
        IncomingAuthType::Anonymous => IncomingAuth { kind: IncomingAuthKind::Anonymous, oidc: None, authz: None },
        IncomingAuthType::Oidc => {
            IncomingAuth { kind: IncomingAuthKind::Oidc, oidc: Some(oidc(server, references)), authz: None }
        }
    });
    select_tools(config.aggregation.get_or_insert_with(Aggregation::default), references);
    if is_inline(server) {
        return inline::of(server, references, config);
    }
    config.outgoing_auth = Some(outgoing::discovered(server));
    Configuration { config, ..Configuration::default() }
}

/// Puts what the MCPToolConfigs say in the place of their names. Filter and overrides beside a name do not count (D-28).
fn select_tools(aggregation: &mut Aggregation, references: &References) {
    for workload in aggregation.tools.iter_mut().flatten() {
        let Some(reference) = workload.tool_config_ref.take() else { continue };
        // The checks see to it that the object is there.
        let Some(config) = references.tool_configs.get(&reference.name) else { continue };
        workload.filter.clone_from(&config.spec.tools_filter);
        workload.overrides.clone_from(&config.spec.tools_override);
    }
}

/// `spec.config` with the fields that may also stand beside it.
pub(super) fn written(server: &VirtualMCPServer) -> Config {
    let mut config = server.spec.config.as_deref().cloned().unwrap_or_default();
    let spec = &server.spec;
    config.aggregation = spec.aggregation.clone().or(config.aggregation);
    config.composite_tools = spec.composite_tools.clone().or(config.composite_tools);
    config.operational = spec.operational.clone().or(config.operational);
    config.passthrough_headers = spec.passthrough_headers.clone().or(config.passthrough_headers);
    config.session_storage =
        spec.session_storage.as_ref().map(shared_sessions::configuration).or(config.session_storage);
    config
}

/// Whether the pods of `server` share their sessions.
pub(super) fn shares_sessions(server: &VirtualMCPServer) -> bool {
    written(server).session_storage.is_some_and(|storage| storage.provider == SessionProvider::Redis)
}

/// Where the user wrote the `path` of [`written`].
pub(super) fn place(server: &VirtualMCPServer, path: &str) -> String {
    let spec = &server.spec;
    let beside = [
        ("aggregation", spec.aggregation.is_some()),
        ("compositeTools", spec.composite_tools.is_some()),
        ("operational", spec.operational.is_some()),
        ("passthroughHeaders", spec.passthrough_headers.is_some()),
        ("sessionStorage", spec.session_storage.is_some()),
    ];
    if beside.into_iter().any(|(name, there)| there && path.starts_with(name)) {
        format!("spec.{path}")
    } else {
        format!("spec.config.{path}")
    }
}

fn oidc(server: &VirtualMCPServer, references: &References) -> Oidc {
    let reference = server.spec.incoming_auth.oidc_config_ref.clone().unwrap_or_default();
    let provider = references.oidc.as_deref();
    let inline = provider.and_then(|provider| provider.spec.inline.clone()).unwrap_or_default();
    let bundle = provider.and_then(resolve::ca_bundle);
    Oidc {
        issuer: inline.issuer,
        audience: reference.audience,
        resource: Some(reference.resource_url.unwrap_or_else(|| build::url(&ObjectKey::of(server)))),
        scopes: Some(reference.scopes.unwrap_or_else(|| vec!["openid".to_owned()])),
        jwks_url: inline.jwks_url,
        jwks_allow_private_ip: inline.jwks_allow_private_ip,
        protected_resource_allow_private_ip: inline.protected_resource_allow_private_ip,
        insecure_allow_http: inline.insecure_allow_http,
        ca_bundle_path: bundle.map(|bundle| Bundle::of_provider(&bundle.name, &bundle.key).path),
        ..Oidc::default()
    }
}
