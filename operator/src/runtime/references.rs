//! What the objects of each kind refer to, and which objects refer to something.
//!
//! Finalizers, DeletionBlocked and watches follow from this alone: a kind that refers to something says so here.

use std::collections::BTreeMap;

use operator_api::{
    CaBundleReference, HeaderForward, MCPExternalAuthConfig, MCPOIDCConfig, MCPRemoteProxy, MCPServer, MCPServerEntry,
    SharedSessionStorage, VirtualMCPServer,
};

use super::{
    Kind, ObjectKey, Target,
    cache::Change,
    index::Referent,
    observed::{Observed, Reconciled},
};
use crate::controllers::virtual_server::configuration::is_inline;

/// A kind whose objects refer to others.
pub trait Refers: Reconciled {
    /// Kinds and names of what the object refers to, all of its own namespace. A Secret or a ConfigMap counts when the
    /// object's own state, or that of its pods, depends on what is in it.
    fn references(&self) -> Vec<(Referent, &str)>;
}

const GROUP: Referent = Referent::Ours(Kind::Group);
const AUTH: Referent = Referent::Ours(Kind::ExternalAuth);
const OIDC: Referent = Referent::Ours(Kind::Oidc);
const TOOLS: Referent = Referent::Ours(Kind::ToolConfig);
const TELEMETRY: Referent = Referent::Ours(Kind::TelemetryConfig);
const AUTHZ: Referent = Referent::Ours(Kind::AuthzConfig);
const WORKFLOW: Referent = Referent::Ours(Kind::CompositeTool);

/// The ConfigMap of a CA bundle.
fn bundle(bundle: Option<&CaBundleReference>) -> Option<(Referent, &str)> {
    Some((Referent::ConfigMap, bundle?.config_map_ref.as_ref()?.name.as_str()))
}

/// The Secret with the password of a session storage.
fn password(storage: Option<&SharedSessionStorage>) -> Option<(Referent, &str)> {
    Some((Referent::Secret, storage?.password_ref.as_ref()?.name.as_str()))
}

/// The Secrets of headers.
fn headers(forward: Option<&HeaderForward>) -> impl Iterator<Item = (Referent, &str)> {
    let headers = forward.into_iter().flat_map(|forward| &forward.add_headers_from_secret);
    headers.map(|header| (Referent::Secret, header.value_secret_ref.name.as_str()))
}

impl Refers for MCPExternalAuthConfig {
    fn references(&self) -> Vec<(Referent, &str)> {
        self.spec.secrets().map(|secret| (Referent::Secret, secret.name.as_str())).collect()
    }
}

impl Refers for MCPOIDCConfig {
    fn references(&self) -> Vec<(Referent, &str)> {
        let inline = self.spec.inline.as_ref();
        bundle(inline.and_then(|inline| inline.ca_bundle_ref.as_ref())).into_iter().collect()
    }
}

impl Refers for MCPServerEntry {
    fn references(&self) -> Vec<(Referent, &str)> {
        let spec = &self.spec;
        let auth = spec.external_auth_config_ref.iter().map(|auth| (AUTH, auth.name.as_str()));
        let bundle = bundle(spec.ca_bundle_ref.as_ref());
        let group = (GROUP, spec.group_ref.name.as_str());
        [group].into_iter().chain(auth).chain(bundle).chain(headers(spec.header_forward.as_ref())).collect()
    }
}

/// What the kinds have in common in front of whose server a proxy runs.
macro_rules! of_proxy {
    ($spec:expr) => {{
        let spec = $spec;
        let named = [
            (GROUP, spec.group_ref.as_ref().map(|group| &group.name)),
            (AUTH, spec.external_auth_config_ref.as_ref().map(|auth| &auth.name)),
            (AUTH, spec.auth_server_ref.as_ref().map(|server| &server.name)),
            (OIDC, spec.oidc_config_ref.as_ref().map(|oidc| &oidc.name)),
            (TOOLS, spec.tool_config_ref.as_ref().map(|tools| &tools.name)),
            (TELEMETRY, spec.telemetry_config_ref.as_ref().map(|telemetry| &telemetry.name)),
            (AUTHZ, spec.authz_config_ref.as_ref().map(|authz| &authz.name)),
        ];
        let policies = spec.authz_config.as_ref().and_then(|authz| authz.config_map.as_ref());
        let policies = policies.map(|map| (Referent::ConfigMap, map.name.as_str()));
        let named = named.into_iter().filter_map(|(referent, name)| Some((referent, name?.as_str())));
        named.chain(policies).chain(password(spec.session_storage.as_ref()))
    }};
}

impl Refers for MCPRemoteProxy {
    fn references(&self) -> Vec<(Referent, &str)> {
        let spec = &self.spec;
        let inline = spec.oidc_config.as_ref().and_then(|config| config.inline.as_ref());
        let bundle = bundle(inline.and_then(|inline| inline.provider.ca_bundle_ref.as_ref()));
        of_proxy!(spec).chain(bundle).chain(headers(spec.header_forward.as_ref())).collect()
    }
}

impl Refers for MCPServer {
    fn references(&self) -> Vec<(Referent, &str)> {
        let secrets = self.spec.secrets.iter().flatten().map(|secret| (Referent::Secret, secret.name.as_str()));
        of_proxy!(&self.spec).chain(secrets).collect()
    }
}

impl Refers for VirtualMCPServer {
    fn references(&self) -> Vec<(Referent, &str)> {
        let spec = &self.spec;
        let mut named = vec![(GROUP, spec.group_ref.name.as_str())];
        named.extend(spec.incoming_auth.oidc_config_ref.iter().map(|oidc| (OIDC, oidc.name.as_str())));
        named.extend(spec.incoming_auth.authz_config_ref.iter().map(|config| (AUTHZ, config.name.as_str())));
        let policies = spec.incoming_auth.authz_config.as_ref().and_then(|authz| authz.config_map.as_ref());
        named.extend(policies.map(|map| (Referent::ConfigMap, map.name.as_str())));
        named.extend(spec.telemetry_config_ref.iter().map(|config| (TELEMETRY, config.name.as_str())));
        if let Some(outgoing) = &spec.outgoing_auth {
            let strategies = outgoing.default.iter().chain(outgoing.backends.iter().flat_map(BTreeMap::values));
            let auth = strategies.clone().filter_map(|strategy| strategy.external_auth_config_ref.as_ref());
            named.extend(auth.map(|auth| (AUTH, auth.name.as_str())));
            // The pods read them live unless they are variables.
            let accounts = strategies.filter_map(|strategy| strategy.service_account.as_ref());
            let secrets = accounts.map(|account| (Referent::Secret, account.credentials_ref.name.as_str()));
            named.extend(secrets.filter(|_| is_inline(self)));
        }
        let aggregation = spec.config.as_ref().and_then(|config| config.aggregation.as_ref());
        let aggregations = aggregation.into_iter().chain(&spec.aggregation);
        for workload in aggregations.flat_map(|aggregation| &aggregation.tools).flatten() {
            named.extend(workload.tool_config_ref.iter().map(|config| (TOOLS, config.name.as_str())));
        }
        let workflows = spec.config.iter().flat_map(|config| &config.composite_tool_refs).flatten();
        named.extend(workflows.map(|workflow| (WORKFLOW, workflow.name.as_str())));
        named.extend(password(spec.session_storage.as_ref()));
        named
    }
}

impl Observed {
    /// Keeps account of what objects refer to, for [`Self::referrers`].
    pub(super) fn index(&mut self) {
        self.auth_configs.index_by(Refers::references);
        self.oidc_configs.index_by(Refers::references);
        self.entries.index_by(Refers::references);
        self.remote_proxies.index_by(Refers::references);
        self.servers.index_by(Refers::references);
        self.virtual_servers.index_by(Refers::references);
    }

    /// The objects that refer to the object `key` of the kind `referent`, by kind and name.
    pub fn referrers(&self, referent: Referent, key: &ObjectKey) -> Vec<Target> {
        [
            self.referring::<MCPExternalAuthConfig>(referent, key),
            self.referring::<MCPOIDCConfig>(referent, key),
            self.referring::<MCPServerEntry>(referent, key),
            self.referring::<MCPRemoteProxy>(referent, key),
            self.referring::<MCPServer>(referent, key),
            self.referring::<VirtualMCPServer>(referent, key),
        ]
        .concat()
    }

    /// The objects of the kind `K` that refer to the object `key` of the kind `referent`, by name.
    pub fn referring<K: Refers + 'static>(&self, referent: Referent, key: &ObjectKey) -> Vec<Target> {
        let objects = K::cache(self).referring(referent, key);
        objects.map(|object| Target::new(K::KIND, ObjectKey::of(object.as_ref()))).collect()
    }
}

/// The objects of ours that the changed object refers to, or referred to before.
pub(super) fn referred<K: Refers>(change: &Change<K>) -> impl Iterator<Item = Target> {
    change.versions().flat_map(|object| {
        let key = ObjectKey::of(object);
        let references = object.references().into_iter().filter_map(|(referent, name)| match referent {
            Referent::Ours(kind) => Some(Target::new(kind, key.sibling(name))),
            Referent::Secret | Referent::ConfigMap => None,
        });
        references.collect::<Vec<_>>()
    })
}
