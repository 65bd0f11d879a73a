//! Garbage collection: what nobody owns any more is deleted.
//!
//! The three ways of deleting an owner: in the *background* its dependents go after it; in the *foreground* it stays,
//! with the finalizer `foregroundDeletion`, until those that block it are gone; as *orphans* its dependents lose the
//! reference, then the finalizer `orphan` goes. The API server sets the finalizers, this controller does the rest.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, Preconditions, PropagationPolicy};
use kube::core::{DynamicObject, PartialObjectMeta};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::objects::{Change, Object, Objects};
use super::runtime::{Context, has_code, patch};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// How often a change of metadata is tried again when another write was first.
const ATTEMPTS: usize = 8;

/// How soon an object is looked at again after a failure.
const RETRY: Duration = Duration::from_millis(50);

/// Runs until it is told to stop.
pub(super) async fn run(context: Arc<Context>, objects: Objects, stop: CancellationToken) {
    let mut changes = objects.subscribe();
    let mut collector = Collector { context, objects, failed: BTreeSet::new() };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            change = changes.recv() => match change {
                Ok(change) => collector.follow(change).await,
                Err(RecvError::Lagged(_)) => collector.look_at_all(|_| true).await,
                Err(RecvError::Closed) => return,
            },
            () = tokio::time::sleep(RETRY), if !collector.failed.is_empty() => {
                let failed = std::mem::take(&mut collector.failed);
                collector.look_at_all(|object| failed.contains(&object.uid)).await;
            }
        }
    }
}

struct Collector {
    context: Arc<Context>,
    objects: Objects,
    /// The uids of what is to be looked at again, since a request failed.
    failed: BTreeSet<String>,
}

/// What became of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Present,
    /// It waits for its dependents to go.
    Waiting,
    Absent,
}

impl Collector {
    async fn follow(&mut self, change: Change) {
        match change {
            Change::Applied(object) => self.look_at(&object).await,
            Change::Deleted(object) => {
                for dependent in self.objects.owned_by(&object.uid) {
                    self.look_at(&dependent).await;
                }
                self.look_at_waiting_owners(&object).await;
            }
            // What an owner waits for may have gone without having been heard of.
            Change::Listed => self.look_at_all(is_waiting).await,
        }
    }

    async fn look_at_all(&mut self, is_meant: impl Fn(&Object) -> bool) {
        for object in self.objects.all().into_iter().filter(|object| is_meant(object)) {
            self.look_at(&object).await;
        }
    }

    async fn look_at(&mut self, object: &Arc<Object>) {
        let released = self.release(object).await;
        self.note(object, released);
        if !object.owners.is_empty() {
            let judged = self.judge(object).await;
            self.note(object, judged);
            self.look_at_waiting_owners(object).await;
        }
    }

    /// A dependent changed or went: its owners may have waited for that.
    async fn look_at_waiting_owners(&mut self, object: &Object) {
        for owner in &object.owners {
            if let Some(owner) = self.objects.get(&owner.uid).filter(|owner| is_waiting(owner)) {
                let released = self.delete_dependents(&owner).await;
                self.note(&owner, released);
            }
        }
    }

    fn note(&mut self, object: &Object, result: kube::Result<()>) {
        if let Err(error) = result {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                name = object.name,
                "an object is looked at again"
            );
            self.failed.insert(object.uid.clone());
        }
    }

    /// Does what an ending owner's finalizers ask for.
    async fn release(&self, object: &Arc<Object>) -> kube::Result<()> {
        if object.is_deleting && object.has_finalizer(ORPHAN) {
            self.orphan_dependents(object).await
        } else if is_waiting(object) {
            self.delete_dependents(object).await
        } else {
            Ok(())
        }
    }

    /// Deletes an object whose owners are all gone, and takes away references to some that are.
    async fn judge(&self, seen: &Object) -> kube::Result<()> {
        if seen.owners.iter().all(|owner| self.known(seen, owner) == Some(Owner::Present)) {
            return Ok(());
        }
        // What was seen may be old: an object that has lost its references since is not to go.
        let api = seen.api(&self.context.client);
        let Some(live) = api.get_metadata_opt(&seen.name).await? else {
            return Ok(());
        };
        let Some(object) = Object::new(&seen.kind, &live).filter(|object| object.uid == seen.uid) else {
            return Ok(());
        };
        if object.is_deleting && !object.has_finalizer(FOREGROUND) {
            return Ok(());
        }
        let mut remaining = Vec::new();
        let mut is_waited_for = false;
        for owner in &object.owners {
            match self.find(&object, owner).await? {
                Owner::Present => remaining.push(owner.clone()),
                Owner::Waiting => is_waited_for = true,
                Owner::Absent => {}
            }
        }
        if remaining.len() == object.owners.len() {
            return Ok(());
        }
        if !remaining.is_empty() {
            let keep: Vec<String> = remaining.iter().map(|owner| owner.uid.clone()).collect();
            return self.change_owners(&object, |owner| keep.contains(&owner.uid)).await;
        }
        if object.is_deleting {
            return Ok(());
        }
        let policy =
            if (is_waited_for && !self.objects.owned_by(&object.uid).is_empty()) || object.has_finalizer(FOREGROUND) {
                PropagationPolicy::Foreground
            } else if object.has_finalizer(ORPHAN) {
                PropagationPolicy::Orphan
            } else {
                PropagationPolicy::Background
            };
        let preconditions = Preconditions { uid: Some(object.uid.clone()), resource_version: live.resource_version() };
        let params = DeleteParams {
            propagation_policy: Some(policy),
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        match api.delete(&object.name, &params).await {
            Err(error) if has_code(&error, 404) => Ok(()),
            result => result.map(drop),
        }
    }

    /// What the index says of an owner, if it has heard of it.
    fn known(&self, object: &Object, owner: &OwnerReference) -> Option<Owner> {
        let known = self.objects.get(&owner.uid)?;
        Some(if known.namespace.is_some() && known.namespace != object.namespace {
            // An owner in another namespace is none.
            Owner::Absent
        } else if is_waiting(&known) && owner.block_owner_deletion == Some(true) {
            Owner::Waiting
        } else {
            Owner::Present
        })
    }

    async fn find(&self, object: &Object, owner: &OwnerReference) -> kube::Result<Owner> {
        if let Some(owner) = self.known(object, owner) {
            return Ok(owner);
        }
        // The watch may not have told of it yet: the API knows.
        let Some(kind) = self.objects.kind_of(owner) else {
            // A kind that nobody serves proves nothing about its objects.
            return Ok(Owner::Present);
        };
        let api = kind.api(&self.context.client, object.namespace.as_deref());
        let found = api.get_metadata_opt(&owner.name).await?;
        Ok(match found {
            Some(found) if found.uid().as_deref() == Some(owner.uid.as_str()) => Owner::Present,
            _ => Owner::Absent,
        })
    }

    /// The owner waits for those that block it; when none is left it may go.
    async fn delete_dependents(&self, owner: &Arc<Object>) -> kube::Result<()> {
        let blocks = |dependent: &Arc<Object>| {
            let mut references = dependent.owners.iter();
            references.any(|reference| reference.uid == owner.uid && reference.block_owner_deletion == Some(true))
        };
        let mut blocking = self.objects.owned_by(&owner.uid);
        blocking.retain(blocks);
        if blocking.is_empty() {
            // That none is left is for the API to say.
            blocking = self.objects.dependents_of(owner).await?;
            blocking.retain(blocks);
        }
        if blocking.is_empty() {
            return self.remove_finalizer(owner, FOREGROUND).await;
        }
        for dependent in blocking {
            self.judge(&dependent).await?;
        }
        Ok(())
    }

    /// The dependents lose the reference, then the owner may go.
    async fn orphan_dependents(&self, owner: &Object) -> kube::Result<()> {
        for dependent in self.objects.dependents_of(owner).await? {
            self.change_owners(&dependent, |reference| reference.uid != owner.uid).await?;
        }
        self.remove_finalizer(owner, ORPHAN).await
    }

    /// Keeps the owner references that `keep` accepts.
    async fn change_owners(&self, object: &Object, keep: impl Fn(&OwnerReference) -> bool) -> kube::Result<()> {
        self.change(object, |live| {
            let kept = retained(live.owner_references(), &keep)?;
            Some(json!({"ownerReferences": kept}))
        })
        .await
    }

    async fn remove_finalizer(&self, object: &Object, finalizer: &str) -> kube::Result<()> {
        self.change(object, |live| {
            let kept = retained(live.finalizers(), |own| own != finalizer)?;
            Some(json!({"finalizers": kept}))
        })
        .await
    }

    /// Changes an object's metadata, if it is still there and there is something to change.
    async fn change(
        &self,
        object: &Object,
        change: impl Fn(&PartialObjectMeta<DynamicObject>) -> Option<Value>,
    ) -> kube::Result<()> {
        let api = object.api(&self.context.client);
        let mut attempts = 0;
        loop {
            let live = api.get_metadata_opt(&object.name).await?;
            let Some(live) = live.filter(|live| live.uid().as_deref() == Some(object.uid.as_str())) else {
                return Ok(());
            };
            let Some(mut metadata) = change(&live) else {
                return Ok(());
            };
            metadata["uid"] = json!(object.uid);
            metadata["resourceVersion"] = json!(live.resource_version());
            attempts += 1;
            match api.patch_metadata(&object.name, &patch(), &Patch::Merge(json!({"metadata": metadata}))).await {
                Err(error) if has_code(&error, 404) => return Ok(()),
                Err(error) if has_code(&error, 409) && attempts < ATTEMPTS => {}
                result => return result.map(drop),
            }
        }
    }
}

/// Whether an owner is deleted in the foreground: it waits for its dependents.
fn is_waiting(owner: &Object) -> bool {
    owner.is_deleting && owner.has_finalizer(FOREGROUND)
}

/// What `keep` accepts, as a merge patch says it: null for an empty list. None when it accepts everything.
fn retained<T: Serialize>(list: &[T], keep: impl Fn(&T) -> bool) -> Option<Value> {
    let kept: Vec<&T> = list.iter().filter(|item| keep(item)).collect();
    (kept.len() < list.len()).then(|| if kept.is_empty() { Value::Null } else { json!(kept) })
}
