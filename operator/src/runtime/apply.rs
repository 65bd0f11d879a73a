//! The one place that writes: server-side apply, and only what differs.

use std::fmt::Debug;

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions},
    core::{NamespaceResourceScope, TypeMeta},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    ObjectKey,
    managed::{Applied, is_applied},
    observed::{OwnedKind, Shared},
    referrers::{Watched, owners},
    worker::Work,
};
use crate::NAME;

/// Why a write failed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The write is refused, mostly by the API server, which understood it: repeating it does not help until something changes.
    #[error("write {what}: {reason}")]
    Refused {
        /// What was to be written.
        what: String,
        /// Why it is refused.
        reason: String,
    },
    /// The API server could not be asked.
    #[error("write {what}")]
    Failed {
        /// What was to be written.
        what: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// What was to be written is no JSON.
    #[error("write {what}")]
    Encode {
        /// What was to be written.
        what: String,
        /// Why not.
        source: serde_json::Error,
    },
}

impl ApplyError {
    /// What people should know, when the write is refused.
    pub fn refusal(&self) -> Option<String> {
        matches!(self, Self::Refused { .. }).then(|| self.to_string())
    }

    fn new(what: String, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if matches!(status.code, 400 | 403 | 409 | 422) => {
                Self::Refused { what, reason: status.message.clone() }
            }
            error => Self::Failed { what, source: Box::new(error) },
        }
    }
}

/// What is needed of a kind whose status is written.
pub trait Writable:
    Watched + Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize + DeserializeOwned + Clone + Debug
{
}

impl<K> Writable for K where
    K: Watched
        + Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Serialize
        + DeserializeOwned
        + Clone
        + Debug
{
}

/// Writes to the API. What it wrote goes into the caches at once, as if a watch had told, so that nothing is written
/// twice.
#[derive(Clone)]
pub struct Applier {
    client: Client,
    shared: Shared,
    work: Work,
}

impl Applier {
    /// Writes by `client`, and asks `work` to reconcile what that concerns.
    pub fn new(client: Client, shared: Shared, work: Work) -> Self {
        Self { client, shared, work }
    }

    /// Makes `status` the operator's part of the status of `live`, unless that has changed meanwhile. Returns whether it
    /// wrote.
    ///
    /// A status says what its object was like. It must not reach a later version, least of all another object of the same
    /// name: the later one is reconciled in turn, and gets a status of its own.
    pub async fn status<K: Writable>(&self, live: &K, status: &impl Serialize) -> Result<bool, ApplyError> {
        let key = ObjectKey::of(live);
        let what = format!("the status of {} {key}", K::kind(&()));
        let encode = |source| ApplyError::Encode { what: what.clone(), source };
        let types = TypeMeta::resource::<K>();
        let wanted = json!({
            "apiVersion": types.api_version,
            "kind": types.kind,
            // An API server does not compare the uid of a status: only the version keeps the write from another object.
            "metadata": {"name": key.name, "namespace": key.namespace, "resourceVersion": live.meta().resource_version},
            "status": serde_json::to_value(status).map_err(encode)?,
        });
        let current = serde_json::to_value(live).map_err(encode)?;
        // Of a version that is no longer the one in the cache nothing is known, and the write finds out.
        let applied = K::cache(&self.shared.read()).applied_to(live);
        if applied.is_some_and(|applied| is_applied(&wanted, &current, &applied, Some("status"))) {
            return Ok(false);
        }
        let api = Api::<K>::namespaced(self.client.clone(), &key.namespace);
        let parameters = PatchParams::apply(NAME).force();
        let result = api.patch_status(&key.name, &parameters, &Patch::Apply(wanted)).await;
        self.written(live, result, what)
    }

    /// The client, for reading.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The same for an object that is known as JSON alone.
    pub async fn raw_status(
        &self,
        resource: &ApiResource,
        live: &DynamicObject,
        status: &Value,
    ) -> Result<bool, ApplyError> {
        let name = live.metadata.name.clone().unwrap_or_default();
        let namespace = live.metadata.namespace.clone().unwrap_or_default();
        let wanted = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name, "namespace": namespace, "resourceVersion": live.metadata.resource_version},
            "status": status,
        });
        if is_applied(&wanted, &live.data, &Applied::of(&live.metadata), Some("status")) {
            return Ok(false);
        }
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, resource);
        let result = api.patch_status(&name, &PatchParams::apply(NAME).force(), &Patch::Apply(wanted)).await;
        match result {
            Ok(_) => Ok(true),
            Err(error) if is_late(&error) => Ok(false),
            Err(error) => Err(ApplyError::new(format!("the status of {} {namespace}/{name}", resource.kind), error)),
        }
    }

    /// Sets the finalizers of `live`, unless it has changed meanwhile. Returns whether it wrote.
    pub async fn finalizers<K: Writable>(&self, live: &K, finalizers: &[String]) -> Result<bool, ApplyError> {
        let key = ObjectKey::of(live);
        let what = format!("the finalizers of {} {key}", K::kind(&()));
        if live.meta().finalizers.as_deref().unwrap_or_default() == finalizers {
            return Ok(false);
        }
        let patch = json!({"metadata": {
            "finalizers": finalizers,
            "resourceVersion": live.meta().resource_version,
        }});
        let api = Api::<K>::namespaced(self.client.clone(), &key.namespace);
        let parameters = PatchParams { field_manager: Some(NAME.to_owned()), ..PatchParams::default() };
        let result = api.patch(&key.name, &parameters, &Patch::Merge(patch)).await;
        self.written(live, result, what)
    }

    /// What became of a write to `live`, which holds for that version alone.
    fn written<K: Writable>(&self, live: &K, result: kube::Result<K>, what: String) -> Result<bool, ApplyError> {
        match result {
            Ok(object) => {
                tracing::debug!(what, "wrote");
                // An object whose last finalizer went is gone; the watch tells.
                if object.meta().deletion_timestamp.is_none() {
                    let mut observed = self.shared.write();
                    if let Some(change) = K::cache_mut(&mut observed).insert(object) {
                        self.work.add(K::concerned(&observed, &change));
                    }
                }
                Ok(true)
            }
            // The watch tells what is there now, or has told already; that asks for the object again.
            Err(error) if is_late(&error) => {
                tracing::debug!(what, version = live.meta().resource_version, "not written: that version is gone");
                Ok(false)
            }
            Err(error) => Err(ApplyError::new(what, error)),
        }
    }

    /// Makes the object `wanted`, which names its kind, namespace and name. Returns whether it wrote.
    ///
    /// An object that the operator made before is repaired, whoever changed it; one that it did not make, or made for
    /// another object, is not taken over.
    pub async fn object(&self, kind: OwnedKind, wanted: &Value) -> Result<bool, ApplyError> {
        let metadata = &wanted["metadata"];
        let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
        let key = ObjectKey::new(text("namespace"), text("name"));
        let what = format!("the {kind:?} {key}");
        let live = {
            let observed = self.shared.read();
            let cache = observed.owned.of(kind);
            cache.get(&key).map(|live| (live.clone(), cache.applied_to(live)))
        };
        if let Some((live, applied)) = &live {
            if let Some(other) = another_owner(live, wanted) {
                return Err(ApplyError::Refused {
                    what,
                    reason: format!("it belongs to {other}: rename one of the two"),
                });
            }
            let mut current = live.data.clone();
            if let Some(current) = current.as_object_mut() {
                let metadata = serde_json::to_value(&live.metadata)
                    .map_err(|source| ApplyError::Encode { what: what.clone(), source })?;
                current.insert("metadata".to_owned(), metadata);
            }
            if applied.as_ref().is_some_and(|applied| is_applied(wanted, &current, applied, None)) {
                return Ok(false);
            }
        }
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), &key.namespace, &kind.api_resource());
        let parameters = PatchParams::apply(NAME);
        let parameters = if live.is_some() { parameters.force() } else { parameters };
        let object =
            api.patch(&key.name, &parameters, &Patch::Apply(wanted)).await.map_err(|e| ApplyError::new(what, e))?;
        tracing::debug!(%key, ?kind, "wrote");
        if let Some(change) = self.shared.write().owned.of_mut(kind).insert(object) {
            self.work.add(owners(&change));
        }
        Ok(true)
    }

    /// Makes `secret`, which is never written again, unless it is there. Returns the metadata of the one that is there now.
    pub async fn secret(&self, secret: &Secret) -> Result<ObjectMeta, ApplyError> {
        let key = ObjectKey::of(secret);
        let what = format!("the Secret {key}");
        let api = Api::<Secret>::namespaced(self.client.clone(), &key.namespace);
        let parameters = PostParams { field_manager: Some(NAME.to_owned()), ..PostParams::default() };
        let found = match api.create(&parameters, secret).await {
            Ok(made) => {
                tracing::debug!(%key, "wrote");
                Ok(made.metadata)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                api.get_metadata(&key.name).await.map(|found| found.metadata)
            }
            Err(error) => Err(error),
        };
        let found = found.map_err(|error| ApplyError::new(what.clone(), error))?;
        let owners = |metadata: &ObjectMeta| -> Vec<String> {
            metadata.owner_references.iter().flatten().map(|reference| reference.uid.clone()).collect()
        };
        if owners(&found) == owners(&secret.metadata) {
            return Ok(found);
        }
        let reason = "it was not made for this object: rename it, so that it can be made".to_owned();
        Err(ApplyError::Refused { what, reason })
    }

    /// Deletes the object `key` when it was made for the object with the uid `owner`. Returns whether it wrote.
    pub async fn delete(&self, kind: OwnedKind, key: &ObjectKey, owner: &str) -> Result<bool, ApplyError> {
        let live = self.shared.read().owned.of(kind).get(key).cloned();
        let ours = |live: &DynamicObject| live.owner_references().iter().any(|reference| reference.uid == owner);
        let Some(live) = live.filter(|live| live.metadata.deletion_timestamp.is_none() && ours(live)) else {
            return Ok(false);
        };
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), &key.namespace, &kind.api_resource());
        let preconditions = Preconditions { uid: live.uid(), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match api.delete(&key.name, &parameters).await {
            Ok(_) => {
                tracing::debug!(%key, ?kind, "deleted");
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(ApplyError::new(format!("the {kind:?} {key}"), error)),
        }
    }
}

/// Whether a write that depends on the version of an object came after that version.
fn is_late(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 404 | 409))
}

/// The kind and name of the object that `live` was made for, when that is another one than `wanted` is made for.
fn another_owner(live: &DynamicObject, wanted: &Value) -> Option<String> {
    let owner = live.owner_references().iter().find(|reference| reference.controller == Some(true))?;
    let owners = wanted["metadata"]["ownerReferences"].as_array()?;
    let ours = owners.iter().any(|reference| reference["uid"] == owner.uid.as_str());
    (!ours).then(|| format!("{} {:?}", owner.kind, owner.name))
}
