//! Which objects a change concerns: the object itself, and those that refer to it.
//!
//! Both versions of a changed object count, so that what it no longer refers to hears of it too.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::{Resource, api::DynamicObject, core::PartialObjectMeta};
use operator_api::{
    CaBundleReference, HeaderForward, MCPExternalAuthConfig, MCPGroup, MCPOIDCConfig, MCPRemoteProxy, MCPServerEntry,
    MCPTelemetryConfig, MCPToolConfig, VirtualMCPCompositeToolDefinition, VirtualMCPServer,
};

use super::{
    Kind, ObjectKey, Target,
    cache::Change,
    index::Referent,
    observed::{Cached, Observed, Reconciled},
    references::referred,
};
use crate::controllers::virtual_server::{
    build::gateway_of,
    configuration::is_inline,
    resolve::{self, Inputs},
};

/// A kind whose changes concern objects to reconcile.
pub trait Watched: Cached {
    /// The objects that `change` concerns.
    fn concerned(observed: &Observed, change: &Change<Self>) -> Vec<Target>;
}

fn targets(kind: Kind, keys: impl Iterator<Item = ObjectKey>) -> impl Iterator<Item = Target> {
    keys.map(move |key| Target::new(kind, key))
}

/// The entries that refer to the object `key` of the kind `referent`.
fn entries(observed: &Observed, referent: Referent, key: &ObjectKey) -> impl Iterator<Item = Target> {
    targets(Kind::Entry, observed.entries.referring(referent, key).map(|entry| ObjectKey::of(entry.as_ref())))
}

/// The MCPRemoteProxies of a namespace for which `refers` holds.
fn remote_proxies<'a>(
    observed: &'a Observed,
    namespace: &'a str,
    refers: impl Fn(&MCPRemoteProxy) -> bool + 'a,
) -> impl Iterator<Item = Target> + 'a {
    let found = observed.remote_proxies.in_namespace(namespace).filter(move |proxy| refers(proxy));
    targets(Kind::RemoteProxy, found.map(|proxy| ObjectKey::of(proxy.as_ref())))
}

/// The VirtualMCPServers of a namespace for which `refers` holds.
fn virtual_servers<'a>(
    observed: &'a Observed,
    namespace: &'a str,
    refers: impl Fn(&VirtualMCPServer) -> bool + 'a,
) -> impl Iterator<Item = Target> + 'a {
    let found = observed.virtual_servers.in_namespace(namespace).filter(move |server| refers(server));
    targets(Kind::VirtualServer, found.map(|server| ObjectKey::of(server.as_ref())))
}

/// The key of the changed object.
fn changed<K: Resource>(change: &Change<K>) -> ObjectKey {
    change.versions().next().map_or_else(|| ObjectKey::new("", ""), ObjectKey::of)
}

fn bundle_name(bundle: Option<&CaBundleReference>) -> Option<&str> {
    Some(bundle?.config_map_ref.as_ref()?.name.as_str())
}

impl Watched for MCPGroup {
    fn concerned(observed: &Observed, change: &Change<Self>) -> Vec<Target> {
        let key = changed(change);
        let mut concerned = vec![Target::new(Kind::Group, key.clone())];
        // Members look at nothing else of a group; the list of its members changes with each of them.
        let face = |group: &Arc<Self>| {
            let phase = group.status.as_ref().and_then(|status| status.phase);
            (phase, group.metadata.deletion_timestamp.is_some())
        };
        if change.old.as_ref().map(face) != change.new.as_ref().map(face) {
            concerned.extend(entries(observed, Referent::Group, &key));
            concerned.extend(remote_proxies(observed, &key.namespace, |proxy| {
                proxy.spec.group_ref.as_ref().is_some_and(|group| group.name == key.name)
            }));
            concerned
                .extend(virtual_servers(observed, &key.namespace, |server| server.spec.group_ref.name == key.name));
        }
        concerned
    }
}

impl Watched for MCPServerEntry {
    fn concerned(observed: &Observed, change: &Change<Self>) -> Vec<Target> {
        let key = changed(change);
        let mut concerned = vec![Target::new(Kind::Entry, key.clone())];
        for entry in change.versions() {
            let group = &entry.spec.group_ref.name;
            concerned.push(Target::new(Kind::Group, key.sibling(group)));
            concerned.extend(virtual_servers(observed, &key.namespace, |server| server.spec.group_ref.name == *group));
        }
        concerned.extend(referred(change));
        concerned
    }
}

/// The changed configuration, and the objects that refer to it.
fn configuration<K: Reconciled>(observed: &Observed, change: &Change<K>) -> Vec<Target> {
    let config = Target::new(K::KIND, changed(change));
    let referrers = observed.referrers(&config);
    [config].into_iter().chain(referrers).collect()
}

impl Watched for MCPExternalAuthConfig {
    fn concerned(observed: &Observed, change: &Change<Self>) -> Vec<Target> {
        let mut concerned = configuration(observed, change);
        // The gateway's Role names the Secrets of its members' auth configs.
        let group = |member: &Target| match member.kind {
            Kind::Entry => Some(&observed.entries.get(&member.key)?.spec.group_ref),
            Kind::RemoteProxy => observed.remote_proxies.get(&member.key)?.spec.group_ref.as_ref(),
            _ => None,
        };
        let groups: BTreeSet<_> = concerned.iter().filter_map(group).map(|group| group.name.as_str()).collect();
        let namespace = changed(change).namespace;
        concerned.extend(virtual_servers(observed, &namespace, |server| {
            groups.contains(server.spec.group_ref.name.as_str())
        }));
        concerned
    }
}

macro_rules! configurations {
    ($($kind:ty),+ $(,)?) => {$(
        impl Watched for $kind {
            fn concerned(observed: &Observed, change: &Change<Self>) -> Vec<Target> {
                configuration(observed, change)
            }
        }
    )+};
}

configurations!(MCPOIDCConfig, MCPToolConfig, MCPTelemetryConfig, VirtualMCPCompositeToolDefinition);

impl Watched for MCPRemoteProxy {
    fn concerned(observed: &Observed, change: &Change<Self>) -> Vec<Target> {
        let key = changed(change);
        let groups: Vec<_> = change.versions().filter_map(|proxy| proxy.spec.group_ref.as_ref()).collect();
        let mut concerned = vec![Target::new(Kind::RemoteProxy, key.clone())];
        concerned.extend(groups.iter().map(|group| Target::new(Kind::Group, key.sibling(&group.name))));
        concerned.extend(referred(change));
        // Gateways look at nothing else of a proxy: its status changes with each of its pods.
        let face = |proxy: &Arc<Self>| (proxy.spec.group_ref.clone(), proxy.spec.external_auth_config_ref.clone());
        if change.old.as_ref().map(face) != change.new.as_ref().map(face) {
            concerned
                .extend(virtual_servers(observed, &key.namespace, |server| groups.contains(&&server.spec.group_ref)));
        }
        concerned
    }
}

impl Watched for VirtualMCPServer {
    fn concerned(_: &Observed, change: &Change<Self>) -> Vec<Target> {
        [Target::new(Kind::VirtualServer, changed(change))].into_iter().chain(referred(change)).collect()
    }
}

fn oidc_name(server: &VirtualMCPServer) -> Option<&str> {
    Some(server.spec.incoming_auth.oidc_config_ref.as_ref()?.name.as_str())
}

impl Watched for PartialObjectMeta<Secret> {
    fn concerned(observed: &Observed, change: &Change<Self>) -> Vec<Target> {
        let key = changed(change);
        let names = |forward: Option<&HeaderForward>| {
            let headers = forward.into_iter().flat_map(|forward| &forward.add_headers_from_secret);
            headers.into_iter().any(|header| header.value_secret_ref.name == key.name)
        };
        let proxies = remote_proxies(observed, &key.namespace, |proxy| names(proxy.spec.header_forward.as_ref()));
        let gateways = inline_servers(observed, &key.namespace, |inputs| inputs.secrets.contains_key(&key.name));
        entries(observed, Referent::Secret, &key).chain(proxies).chain(gateways).collect()
    }
}

impl Watched for PartialObjectMeta<ConfigMap> {
    fn concerned(observed: &Observed, change: &Change<Self>) -> Vec<Target> {
        let key = changed(change);
        let name = Some(key.name.as_str());
        let mut concerned: Vec<_> = entries(observed, Referent::ConfigMap, &key).collect();
        concerned.extend(remote_proxies(observed, &key.namespace, |proxy| {
            let inline = proxy.spec.oidc_config.as_ref().and_then(|config| config.inline.as_ref());
            inline.is_some_and(|inline| bundle_name(inline.provider.ca_bundle_ref.as_ref()) == name)
        }));
        for config in observed.oidc_configs.in_namespace(&key.namespace) {
            let inline = config.spec.inline.as_ref();
            if inline.is_some_and(|inline| bundle_name(inline.ca_bundle_ref.as_ref()) == name) {
                let config = config.metadata.name.as_deref();
                concerned.extend(virtual_servers(observed, &key.namespace, |server| oidc_name(server) == config));
                concerned.extend(remote_proxies(observed, &key.namespace, |proxy| {
                    proxy.spec.oidc_config_ref.as_ref().map(|oidc| oidc.name.as_str()) == config
                }));
            }
        }
        let needs = |inputs: &Inputs| inputs.config_maps.contains_key(&key.name);
        concerned.extend(inline_servers(observed, &key.namespace, needs));
        concerned
    }
}

impl Watched for Pod {
    fn concerned(_: &Observed, change: &Change<Self>) -> Vec<Target> {
        let key = changed(change);
        let gateways = change.versions().filter_map(gateway_of);
        gateways.map(|name| Target::new(Kind::VirtualServer, key.sibling(name))).collect()
    }
}

/// The VirtualMCPServers of a namespace whose pods take what is in Secrets and ConfigMaps when they start, and for whose
/// `needs` that holds.
fn inline_servers<'a>(
    observed: &'a Observed,
    namespace: &'a str,
    needs: impl Fn(&Inputs) -> bool + 'a,
) -> impl Iterator<Item = Target> + 'a {
    virtual_servers(observed, namespace, move |server| is_inline(server) && needs(&resolve::needs(observed, server)))
}

/// The objects of ours that own either version of an object that the operator made.
pub fn owners(change: &Change<DynamicObject>) -> Vec<Target> {
    let of = |object: &DynamicObject| {
        let key = ObjectKey::of(object);
        let owners = object.metadata.owner_references.clone().unwrap_or_default();
        owners
            .into_iter()
            .filter(|owner| owner.controller == Some(true))
            .filter_map(move |owner| {
                let kind =
                    [Kind::RemoteProxy, Kind::VirtualServer].into_iter().find(|kind| kind.name() == owner.kind)?;
                Some(Target::new(kind, key.sibling(owner.name)))
            })
            .collect::<Vec<_>>()
    };
    change.versions().flat_map(of).collect()
}
