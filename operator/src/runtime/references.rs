//! Which configurations an object refers to, and which objects refer to a configuration.
//!
//! Finalizers, DeletionBlocked and watches follow from this alone: a kind that refers to configurations says so here.

use std::collections::BTreeMap;

use operator_api::{MCPRemoteProxy, MCPServerEntry, VirtualMCPServer};

use super::{
    Kind, ObjectKey, Target,
    cache::{Cache, Change},
    observed::{Observed, Reconciled},
};

/// A kind whose objects refer to configurations.
pub trait Refers: Reconciled {
    /// Kinds and names of the configurations that the object refers to, all of its own namespace.
    fn configurations(&self) -> Vec<(Kind, &str)>;
}

impl Refers for MCPServerEntry {
    fn configurations(&self) -> Vec<(Kind, &str)> {
        let auth = self.spec.external_auth_config_ref.iter();
        auth.map(|auth| (Kind::ExternalAuth, auth.name.as_str())).collect()
    }
}

impl Refers for MCPRemoteProxy {
    fn configurations(&self) -> Vec<(Kind, &str)> {
        let auth = self.spec.external_auth_config_ref.iter().map(|auth| auth.name.as_str());
        let server = self.spec.auth_server_ref.iter().map(|server| server.name.as_str());
        let oidc = self.spec.oidc_config_ref.iter().map(|oidc| (Kind::Oidc, oidc.name.as_str()));
        let tools = self.spec.tool_config_ref.iter().map(|config| (Kind::ToolConfig, config.name.as_str()));
        let telemetry = self.spec.telemetry_config_ref.iter();
        let telemetry = telemetry.map(|config| (Kind::TelemetryConfig, config.name.as_str()));
        auth.chain(server).map(|name| (Kind::ExternalAuth, name)).chain(oidc).chain(tools).chain(telemetry).collect()
    }
}

impl Refers for VirtualMCPServer {
    fn configurations(&self) -> Vec<(Kind, &str)> {
        let spec = &self.spec;
        let mut named = Vec::new();
        named.extend(spec.incoming_auth.oidc_config_ref.iter().map(|oidc| (Kind::Oidc, oidc.name.as_str())));
        named.extend(spec.telemetry_config_ref.iter().map(|config| (Kind::TelemetryConfig, config.name.as_str())));
        if let Some(outgoing) = &spec.outgoing_auth {
            let strategies = outgoing.default.iter().chain(outgoing.backends.iter().flat_map(BTreeMap::values));
            let auth = strategies.filter_map(|strategy| strategy.external_auth_config_ref.as_ref());
            named.extend(auth.map(|auth| (Kind::ExternalAuth, auth.name.as_str())));
        }
        let aggregation = spec.config.as_ref().and_then(|config| config.aggregation.as_ref());
        for workload in
            aggregation.into_iter().chain(&spec.aggregation).flat_map(|aggregation| &aggregation.tools).flatten()
        {
            named.extend(workload.tool_config_ref.iter().map(|config| (Kind::ToolConfig, config.name.as_str())));
        }
        let workflows = spec.config.iter().flat_map(|config| &config.composite_tool_refs).flatten();
        named.extend(workflows.map(|workflow| (Kind::CompositeTool, workflow.name.as_str())));
        named
    }
}

impl Observed {
    /// The objects that refer to the configuration `config`, by kind and name.
    pub fn referrers(&self, config: &Target) -> Vec<Target> {
        referring(&self.entries, config)
            .chain(referring(&self.remote_proxies, config))
            .chain(referring(&self.virtual_servers, config))
            .collect()
    }
}

fn referring<'a, K: Refers>(objects: &'a Cache<K>, config: &'a Target) -> impl Iterator<Item = Target> + 'a {
    let named = (config.kind, config.key.name.as_str());
    let objects = objects.in_namespace(&config.key.namespace);
    let objects = objects.filter(move |object| object.configurations().contains(&named));
    objects.map(|object| Target::new(K::KIND, ObjectKey::of(object.as_ref())))
}

/// The configurations that the changed object refers to, or referred to before.
pub(super) fn referred<K: Refers>(change: &Change<K>) -> impl Iterator<Item = Target> {
    change.versions().flat_map(|object| {
        let key = ObjectKey::of(object);
        let configurations = object.configurations().into_iter();
        configurations.map(move |(kind, name)| Target::new(kind, key.sibling(name))).collect::<Vec<_>>()
    })
}
