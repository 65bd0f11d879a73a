//! Which objects a change concerns: the object itself, and those that refer to it.
//!
//! Both versions of a changed object count, so that what it no longer refers to hears of it too.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::{Resource, api::DynamicObject, core::PartialObjectMeta};
use operator_api::{
    MCPAuthzConfig, MCPExternalAuthConfig, MCPGroup, MCPOIDCConfig, MCPRemoteProxy, MCPServer, MCPServerEntry,
    MCPTelemetryConfig, MCPToolConfig, VirtualMCPCompositeToolDefinition, VirtualMCPServer,
};

use super::{
    Kind, ObjectKey, Target,
    cache::Change,
    index::Referent,
    observed::{Cached, Observed, Reconciled},
    references::{Refers, referred},
};
use crate::controllers::{
    virtual_server::{configuration::is_inline, workloads::Workload},
    workload::pods,
};

/// A kind whose changes concern objects to reconcile.
pub trait Watched: Cached {
    /// The objects that `change` concerns.
    fn concerned(observed: &Observed, change: &Change<Self>) -> Vec<Target>;
}

/// The key of the changed object.
fn changed<K: Resource>(change: &Change<K>) -> ObjectKey {
    change.versions().next().map_or_else(|| ObjectKey::new("", ""), ObjectKey::of)
}

/// The gateways of the group `name`, in the namespace of `key`.
fn gateways_of(observed: &Observed, key: &ObjectKey, name: &str) -> Vec<Target> {
    observed.referring::<VirtualMCPServer>(Referent::Ours(Kind::Group), &key.sibling(name))
}

/// The gateways of the group that `member` belongs to.
fn gateways(observed: &Observed, member: &Target) -> Vec<Target> {
    let key = &member.key;
    let group = match member.kind {
        Kind::Entry => observed.entries.get(key).map(|entry| &entry.spec.group_ref),
        Kind::RemoteProxy => observed.remote_proxies.get(key).and_then(|proxy| proxy.spec.group_ref.as_ref()),
        Kind::Server => observed.servers.get(key).and_then(|server| server.spec.group_ref.as_ref()),
        _ => None,
    };
    group.map(|group| gateways_of(observed, key, &group.name)).unwrap_or_default()
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
            concerned.extend(observed.referrers(Referent::Ours(Kind::Group), &key));
        }
        concerned
    }
}

impl Watched for MCPServerEntry {
    fn concerned(observed: &Observed, change: &Change<Self>) -> Vec<Target> {
        let key = changed(change);
        let mut concerned = vec![Target::new(Kind::Entry, key.clone())];
        for entry in change.versions() {
            concerned.extend(gateways_of(observed, &key, &entry.spec.group_ref.name));
        }
        concerned.extend(referred(change));
        concerned
    }
}

/// The changed configuration, and the objects that refer to it.
fn configuration<K: Reconciled>(observed: &Observed, change: &Change<K>) -> Vec<Target> {
    let key = changed(change);
    let referrers = observed.referrers(Referent::Ours(K::KIND), &key);
    [Target::new(K::KIND, key)].into_iter().chain(referrers).collect()
}

impl Watched for MCPExternalAuthConfig {
    fn concerned(observed: &Observed, change: &Change<Self>) -> Vec<Target> {
        let mut concerned = configuration(observed, change);
        // The gateway's Role names the Secrets of its members' auth configs.
        let gateways: BTreeSet<_> = concerned.iter().flat_map(|member| gateways(observed, member)).collect();
        concerned.extend(gateways);
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

configurations!(MCPOIDCConfig, MCPToolConfig, MCPTelemetryConfig, MCPAuthzConfig, VirtualMCPCompositeToolDefinition);

/// The changed workload, what it refers to, and the gateways of its group if they look at what changed.
fn workload<K: Refers>(observed: &Observed, change: &Change<K>) -> Vec<Target>
where
    for<'a> Workload: From<&'a K>,
{
    let key = changed(change);
    let mut concerned = vec![Target::new(K::KIND, key.clone())];
    concerned.extend(referred(change));
    if change.old.as_deref().map(Workload::from) != change.new.as_deref().map(Workload::from) {
        let groups = change.versions().filter_map(|workload| Workload::from(workload).group);
        concerned.extend(groups.flat_map(|group| gateways_of(observed, &key, &group.name)));
    }
    concerned
}

impl Watched for MCPRemoteProxy {
    fn concerned(observed: &Observed, change: &Change<Self>) -> Vec<Target> {
        workload(observed, change)
    }
}

impl Watched for MCPServer {
    fn concerned(observed: &Observed, change: &Change<Self>) -> Vec<Target> {
        workload(observed, change)
    }
}

impl Watched for VirtualMCPServer {
    fn concerned(_: &Observed, change: &Change<Self>) -> Vec<Target> {
        // A group does not look at its gateways.
        let referred = referred(change).filter(|target| target.kind != Kind::Group);
        [Target::new(Kind::VirtualServer, changed(change))].into_iter().chain(referred).collect()
    }
}

impl Watched for PartialObjectMeta<Secret> {
    fn concerned(observed: &Observed, change: &Change<Self>) -> Vec<Target> {
        readers(observed, Referent::Secret, &changed(change)).into_iter().collect()
    }
}

impl Watched for PartialObjectMeta<ConfigMap> {
    fn concerned(observed: &Observed, change: &Change<Self>) -> Vec<Target> {
        readers(observed, Referent::ConfigMap, &changed(change)).into_iter().collect()
    }
}

/// The objects whose state depends on what is in a Secret or a ConfigMap. Configurations name both and look into neither:
/// those do that refer to them.
fn readers(observed: &Observed, referent: Referent, key: &ObjectKey) -> BTreeSet<Target> {
    let mut readers = BTreeSet::new();
    for referrer in observed.referrers(referent, key) {
        let users = || observed.referrers(Referent::Ours(referrer.kind), &referrer.key);
        match referrer.kind {
            Kind::Oidc => readers.extend(users()),
            // Whoever else refers to an auth config has pods that read its Secrets live.
            Kind::ExternalAuth => {
                for user in users() {
                    readers.extend(fixed_gateways(observed, &user));
                }
            }
            _ => {
                readers.extend(fixed_gateways(observed, &referrer));
                readers.insert(referrer);
            }
        }
    }
    readers
}

/// The gateways whose pods take, when they start, what the member of their group or the gateway `target` says.
fn fixed_gateways(observed: &Observed, target: &Target) -> impl Iterator<Item = Target> {
    let gateways = match target.kind {
        Kind::Entry | Kind::RemoteProxy | Kind::Server => gateways(observed, target),
        Kind::VirtualServer => vec![target.clone()],
        _ => Vec::new(),
    };
    let is_fixed = |target: &Target| observed.virtual_servers.get(&target.key).is_some_and(|server| is_inline(server));
    gateways.into_iter().filter(is_fixed)
}

impl Watched for Pod {
    fn concerned(_: &Observed, change: &Change<Self>) -> Vec<Target> {
        change.versions().filter_map(pods::target).collect()
    }
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
                let kinds = [Kind::RemoteProxy, Kind::Server, Kind::VirtualServer];
                let kind = kinds.into_iter().find(|kind| kind.name() == owner.kind)?;
                Some(Target::new(kind, key.sibling(owner.name)))
            })
            .collect::<Vec<_>>()
    };
    change.versions().flat_map(of).collect()
}
