//! What the operator's caches are told of each kind.

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::{api::DynamicObject, core::PartialObjectMeta, runtime::watcher};
use operator::runtime::{
    ObjectKey, Target,
    cache::{Change, Part},
    observed::{Observed, OwnedKind, Reconciled},
    referrers::Watched,
};
use operator_api::{
    MCPAuthzConfig, MCPExternalAuthConfig, MCPGroup, MCPOIDCConfig, MCPRemoteProxy, MCPServer, MCPServerEntry,
    MCPTelemetryConfig, MCPToolConfig, VirtualMCPCompositeToolDefinition, VirtualMCPServer,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::NAMESPACE;

/// How the operator knows a kind.
pub(super) struct KnownKind {
    name: &'static str,
    /// An empty list of the kind has arrived.
    pub(super) listed: fn(&mut Observed),
    /// An object is there, or changed: returns what that concerns.
    tell: fn(&mut Observed, &Value) -> Vec<Target>,
    /// An object is gone: returns what that concerns.
    forget: fn(&mut Observed, &ObjectKey) -> Vec<Target>,
}

macro_rules! ours {
    ($($kind:ident),+ $(,)?) => {
        &[
            $(KnownKind {
                name: stringify!($kind),
                listed: listed::<$kind>,
                tell: tell_ours::<$kind>,
                forget: forget_one::<$kind>,
            },)+
            KnownKind {
                name: "Secret",
                listed: listed::<PartialObjectMeta<Secret>>,
                tell: tell_one::<PartialObjectMeta<Secret>>,
                forget: forget_one::<PartialObjectMeta<Secret>>,
            },
            KnownKind {
                name: "ConfigMap",
                listed: listed::<PartialObjectMeta<ConfigMap>>,
                tell: tell_one::<PartialObjectMeta<ConfigMap>>,
                forget: forget_one::<PartialObjectMeta<ConfigMap>>,
            },
            KnownKind { name: "Pod", listed: listed::<Pod>, tell: tell_one::<Pod>, forget: forget_one::<Pod> },
        ]
    };
}

/// Every kind that is watched for what users say.
pub(super) const ALL: &[KnownKind] = ours![
    MCPGroup,
    MCPExternalAuthConfig,
    MCPOIDCConfig,
    MCPToolConfig,
    MCPTelemetryConfig,
    MCPAuthzConfig,
    VirtualMCPCompositeToolDefinition,
    MCPServerEntry,
    MCPRemoteProxy,
    MCPServer,
    VirtualMCPServer,
];

/// The kind `name`.
fn named(name: &str) -> Option<&'static KnownKind> {
    ALL.iter().find(|kind| kind.name == name)
}

/// `object` is there, or changed: returns what that concerns.
pub(super) fn tell(observed: &mut Observed, object: &Value) -> Vec<Target> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let mut concerned = named(kind).map(|known| (known.tell)(observed, object)).unwrap_or_default();
    if let Some(owned) = OwnedKind::ALL.into_iter().find(|owned| owned.api_resource().kind == kind) {
        let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        let change = observed.owned.of_mut(owned).insert(object);
        concerned.extend(change.iter().flat_map(operator::runtime::referrers::owners));
    }
    concerned
}

/// `object` is gone: returns what that concerns.
pub(super) fn forget(observed: &mut Observed, object: &Value) -> Vec<Target> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let key = ObjectKey::new(NAMESPACE, object["metadata"]["name"].as_str().unwrap_or_default());
    let mut concerned = named(kind).map(|known| (known.forget)(observed, &key)).unwrap_or_default();
    if let Some(owned) = OwnedKind::ALL.into_iter().find(|owned| owned.api_resource().kind == kind) {
        let change = observed.owned.of_mut(owned).remove(&key);
        concerned.extend(change.iter().flat_map(operator::runtime::referrers::owners));
    }
    concerned
}

fn listed<K: Watched>(observed: &mut Observed) {
    let cache = K::cache_mut(observed);
    cache.expect(Part::All);
    cache.event(&Part::All, watcher::Event::InitDone);
}

fn concerned<K: Watched>(observed: &Observed, change: Option<&Change<K>>) -> Vec<Target> {
    change.map(|change| K::concerned(observed, change)).unwrap_or_default()
}

fn tell_one<K: Watched + DeserializeOwned>(observed: &mut Observed, object: &Value) -> Vec<Target> {
    let object = serde_json::from_value(object.clone()).unwrap();
    let change = K::cache_mut(observed).insert(object);
    concerned(observed, change.as_ref())
}

/// As the watches do, notes an object that cannot be read.
fn tell_ours<K: Watched + Reconciled + DeserializeOwned>(observed: &mut Observed, object: &Value) -> Vec<Target> {
    let target = Target::new(K::KIND, ObjectKey::new(NAMESPACE, object["metadata"]["name"].as_str().unwrap()));
    match serde_json::from_value(object.clone()) {
        Ok(object) => {
            observed.unreadable.remove(&target);
            let change = K::cache_mut(observed).insert(object);
            concerned(observed, change.as_ref())
        }
        Err(error) => {
            observed.unreadable.insert(target.clone(), error.to_string());
            vec![target]
        }
    }
}

fn forget_one<K: Watched>(observed: &mut Observed, key: &ObjectKey) -> Vec<Target> {
    let change = K::cache_mut(observed).remove(key);
    concerned(observed, change.as_ref())
}
