//! Which objects belong to a controller: it adopts what its selector selects and nobody controls, and releases what it
//! owns and its selector no longer selects.

use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};
use kube::api::{ListParams, Patch};
use kube::core::{Selector, SelectorExt};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::runtime::{ControllerError, controller_reference, has_code, patch};

/// What a controller does about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    Keep,
    Adopt,
    Release,
    Leave,
}

/// An object that controllers own.
pub(super) trait Owned:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned
{
}

impl<K> Owned for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned
{
}

/// The objects of `owner`'s namespace that it controls and its selector selects, once adoption and release are done.
///
/// `adoptable` says which of the objects that nobody controls may be taken over at all.
pub(super) async fn claimed<C: Owned, K: Resource<DynamicType = ()>>(
    api: &Api<C>,
    owner: &K,
    selector: &LabelSelector,
    adoptable: impl Fn(&C) -> bool,
) -> Result<Vec<C>, ControllerError> {
    let selector = parsed(selector)?;
    let mut own = Vec::new();
    for object in api.list(&ListParams::default()).await?.items {
        match claim(&object, owner, &selector) {
            Claim::Keep => own.push(object),
            Claim::Adopt if adoptable(&object) => {
                let mut owners = object.owner_references().to_vec();
                owners.push(controller_reference(owner));
                own.extend(write_owners(api, &object, &owners).await?);
            }
            Claim::Release => {
                let mut owners = object.owner_references().to_vec();
                owners.retain(|reference| Some(&reference.uid) != owner.meta().uid.as_ref());
                write_owners(api, &object, &owners).await?;
            }
            Claim::Adopt | Claim::Leave => {}
        }
    }
    Ok(own)
}

/// The selector in the form that can be matched.
pub(super) fn parsed(selector: &LabelSelector) -> Result<Selector, ControllerError> {
    selector.clone().try_into().map_err(|error| ControllerError::Selector(format!("{error}")))
}

fn claim<C: Resource, K: Resource>(object: &C, owner: &K, selector: &Selector) -> Claim {
    let is_selected = selector.matches(object.labels());
    let is_ending =
        |metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta| metadata.deletion_timestamp.is_some();
    match object.owner_references().iter().find(|reference| reference.controller == Some(true)) {
        Some(reference) if Some(&reference.uid) != owner.meta().uid.as_ref() => Claim::Leave,
        Some(_) if is_selected => Claim::Keep,
        Some(_) if is_ending(owner.meta()) => Claim::Leave,
        Some(_) => Claim::Release,
        None if is_selected && !is_ending(owner.meta()) && !is_ending(object.meta()) => Claim::Adopt,
        None => Claim::Leave,
    }
}

/// Writes the owners of an object, unless it is gone or another one by now.
async fn write_owners<C: Owned>(
    api: &Api<C>,
    object: &C,
    owners: &[OwnerReference],
) -> Result<Option<C>, ControllerError> {
    let owners = if owners.is_empty() { json!(null) } else { json!(owners) };
    let metadata = json!({
        "uid": object.uid(), "resourceVersion": object.resource_version(), "ownerReferences": owners,
    });
    match api.patch(&object.name_any(), &patch(), &Patch::Merge(json!({"metadata": metadata}))).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if has_code(&error, 404) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Leads from an object to its controller of kind `K`, or to all that may adopt it.
pub(super) fn concerned<C, K>(
    owners: Store<K>,
    selector: fn(&K) -> Option<LabelSelector>,
) -> impl Fn(C) -> Vec<ObjectRef<K>> + Send + Sync + 'static
where
    C: Resource<DynamicType = ()>,
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Send + Sync + 'static,
{
    move |object: C| {
        let namespace = object.namespace().unwrap_or_default();
        if let Some(reference) = object.owner_references().iter().find(|reference| reference.controller == Some(true)) {
            let is_ours = reference.kind == K::kind(&()) && reference.api_version == K::api_version(&());
            return is_ours.then(|| ObjectRef::new(&reference.name).within(&namespace)).into_iter().collect();
        }
        let selects = |owner: &Arc<K>| {
            let selector = selector(owner).and_then(|selector| parsed(&selector).ok());
            owner.namespace().as_deref() == Some(namespace.as_str())
                && selector.is_some_and(|selector| selector.matches(object.labels()))
        };
        owners.state().iter().filter(|owner| selects(owner)).map(|owner| ObjectRef::from_obj(owner.as_ref())).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::api::apps::v1::ReplicaSet;
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::{Value, json};

    use super::*;

    fn judged(labels: &Value, owners: &Value, pod_ends: bool, set_ends: bool) -> Claim {
        let ending = |ends: bool| ends.then_some("2026-01-01T00:00:00Z");
        let pod: Pod = serde_json::from_value(json!({"metadata": {
            "name": "p", "labels": labels, "ownerReferences": owners, "deletionTimestamp": ending(pod_ends)}}))
        .unwrap();
        let set: ReplicaSet = serde_json::from_value(json!({"metadata": {
            "name": "s", "uid": "1", "deletionTimestamp": ending(set_ends)}}))
        .unwrap();
        let selector: LabelSelector = serde_json::from_value(json!({"matchLabels": {"app": "a"}})).unwrap();
        claim(&pod, &set, &parsed(&selector).unwrap())
    }

    #[test]
    fn a_controller_keeps_adopts_and_releases_by_its_selector() {
        let owner = |uid: &str| json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "s", "uid": uid, "controller": true}]);
        let (ours, other) = (json!({"app": "a"}), json!({"app": "b"}));
        for (labels, owners, pod_ends, set_ends, expected) in [
            (&ours, owner("1"), false, false, Claim::Keep),
            (&ours, owner("1"), true, true, Claim::Keep),
            (&other, owner("1"), false, false, Claim::Release),
            (&other, owner("1"), false, true, Claim::Leave),
            (&ours, owner("2"), false, false, Claim::Leave),
            (&ours, json!([]), false, false, Claim::Adopt),
            (&ours, json!([]), true, false, Claim::Leave),
            (&ours, json!([]), false, true, Claim::Leave),
            (&other, json!([]), false, false, Claim::Leave),
        ] {
            let claim = judged(labels, &owners, pod_ends, set_ends);
            assert_eq!(claim, expected, "{labels} {owners} {pod_ends} {set_ends}");
        }
    }
}
