//! Garbage collection: what nobody owns any more is deleted.
//!
//! The three ways of deleting an owner: in the *background* its dependents go after it; in the *foreground* it stays,
//! with the finalizer `foregroundDeletion`, until those that block it are gone; as *orphans* its dependents lose the
//! reference, then the finalizer `orphan` goes. The API server sets the finalizers, this controller does the rest.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, Preconditions, PropagationPolicy};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::objects::{Change, Object, Objects};
use super::runtime::{Context, has_code, patch};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// How often a change of metadata is tried again when another write was first.
const ATTEMPTS: usize = 8;

/// Runs until it is told to stop.
pub(super) async fn run(context: Arc<Context>, objects: Objects, stop: CancellationToken) {
    let mut changes = objects.subscribe();
    let collector = Collector { context, objects };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            change = changes.recv() => match change {
                Ok(change) => collector.follow(change).await,
                Err(RecvError::Lagged(_)) => collector.look_at_everything().await,
                Err(RecvError::Closed) => return,
            }
        }
    }
}

struct Collector {
    context: Arc<Context>,
    objects: Objects,
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
    async fn follow(&self, change: Change) {
        match change {
            Change::Applied(object) => self.look_at(&object).await,
            Change::Deleted(object) => {
                for dependent in self.objects.owned_by(&object.uid) {
                    self.judge(&dependent).await;
                }
                self.look_at_waiting_owners(&object).await;
            }
        }
    }

    async fn look_at_everything(&self) {
        for object in self.objects.all() {
            self.look_at(&object).await;
        }
    }

    async fn look_at(&self, object: &Arc<Object>) {
        if object.is_deleting && object.has_finalizer(ORPHAN) {
            self.orphan_dependents(object).await;
        } else if object.is_deleting && object.has_finalizer(FOREGROUND) {
            self.delete_dependents(object).await;
        }
        if !object.owners.is_empty() {
            self.judge(object).await;
            self.look_at_waiting_owners(object).await;
        }
    }

    /// A dependent changed or went: its owners may have waited for that.
    async fn look_at_waiting_owners(&self, object: &Object) {
        for owner in &object.owners {
            if let Some(owner) = self.objects.get(&owner.uid)
                && owner.is_deleting
                && owner.has_finalizer(FOREGROUND)
            {
                self.delete_dependents(&owner).await;
            }
        }
    }

    /// Deletes an object whose owners are all gone, and takes away references to some that are.
    async fn judge(&self, object: &Arc<Object>) {
        if object.is_deleting && !object.has_finalizer(FOREGROUND) {
            return;
        }
        let mut remaining = Vec::new();
        let mut is_waited_for = false;
        for owner in &object.owners {
            match self.find(object, owner).await {
                Ok(Owner::Present) => remaining.push(owner.clone()),
                Ok(Owner::Waiting) => is_waited_for = true,
                Ok(Owner::Absent) => {}
                Err(error) => {
                    tracing::debug!(%error, owner = owner.name, "failed to look for an owner");
                    return;
                }
            }
        }
        if remaining.len() == object.owners.len() {
            return;
        }
        if !remaining.is_empty() {
            let keep: Vec<String> = remaining.iter().map(|owner| owner.uid.clone()).collect();
            self.change_owners(object, |owner| keep.contains(&owner.uid)).await;
            return;
        }
        if object.is_deleting {
            return;
        }
        let policy =
            if (is_waited_for && !self.objects.owned_by(&object.uid).is_empty()) || object.has_finalizer(FOREGROUND) {
                PropagationPolicy::Foreground
            } else if object.has_finalizer(ORPHAN) {
                PropagationPolicy::Orphan
            } else {
                PropagationPolicy::Background
            };
        let params = DeleteParams {
            propagation_policy: Some(policy),
            preconditions: Some(Preconditions { uid: Some(object.uid.clone()), resource_version: None }),
            ..DeleteParams::default()
        };
        if let Err(error) = object.api(&self.context.client).delete(&object.name, &params).await
            && !has_code(&error, 404)
            && !has_code(&error, 409)
        {
            tracing::debug!(%error, name = object.name, "failed to delete what nobody owns");
        }
    }

    async fn find(&self, object: &Object, owner: &OwnerReference) -> kube::Result<Owner> {
        if let Some(known) = self.objects.get(&owner.uid) {
            // An owner in another namespace is none.
            if known.namespace.is_some() && known.namespace != object.namespace {
                return Ok(Owner::Absent);
            }
            let waits =
                known.is_deleting && known.has_finalizer(FOREGROUND) && owner.block_owner_deletion == Some(true);
            return Ok(if waits { Owner::Waiting } else { Owner::Present });
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
    async fn delete_dependents(&self, owner: &Arc<Object>) {
        let blocks = |dependent: &Arc<Object>| {
            let references = &dependent.owners;
            references
                .iter()
                .any(|reference| reference.uid == owner.uid && reference.block_owner_deletion == Some(true))
        };
        let blocking: Vec<_> = self.objects.owned_by(&owner.uid).into_iter().filter(blocks).collect();
        if blocking.is_empty() {
            self.remove_finalizer(owner, FOREGROUND).await;
            return;
        }
        for dependent in blocking {
            self.judge(&dependent).await;
        }
    }

    async fn orphan_dependents(&self, owner: &Arc<Object>) {
        for dependent in self.objects.owned_by(&owner.uid) {
            self.change_owners(&dependent, |reference| reference.uid != owner.uid).await;
        }
        self.remove_finalizer(owner, ORPHAN).await;
    }

    /// Keeps the owner references that `keep` accepts.
    async fn change_owners(&self, object: &Object, keep: impl Fn(&OwnerReference) -> bool) {
        let api = object.api(&self.context.client);
        for _ in 0..ATTEMPTS {
            let live = match api.get_metadata_opt(&object.name).await {
                Ok(Some(live)) if live.uid().as_deref() == Some(object.uid.as_str()) => live,
                _ => return,
            };
            let kept: Vec<_> = live.owner_references().iter().filter(|owner| keep(owner)).cloned().collect();
            if kept.len() == live.owner_references().len() {
                return;
            }
            let kept = (!kept.is_empty()).then_some(kept);
            let change = json!({"metadata": {
                "uid": object.uid, "resourceVersion": live.resource_version(), "ownerReferences": kept}});
            match api.patch_metadata(&object.name, &patch(), &Patch::Merge(change)).await {
                Err(error) if has_code(&error, 409) => {}
                _ => return,
            }
        }
    }

    async fn remove_finalizer(&self, object: &Object, finalizer: &str) {
        let api = object.api(&self.context.client);
        for _ in 0..ATTEMPTS {
            let live = match api.get_metadata_opt(&object.name).await {
                Ok(Some(live)) if live.uid().as_deref() == Some(object.uid.as_str()) => live,
                _ => return,
            };
            if !live.finalizers().iter().any(|own| own == finalizer) {
                return;
            }
            let kept: Vec<_> = live.finalizers().iter().filter(|own| *own != finalizer).cloned().collect();
            let kept = (!kept.is_empty()).then_some(kept);
            let change = json!({"metadata": {
                "uid": object.uid, "resourceVersion": live.resource_version(), "finalizers": kept}});
            match api.patch_metadata(&object.name, &patch(), &Patch::Merge(change)).await {
                Err(error) if has_code(&error, 409) => {}
                _ => return,
            }
        }
    }
}
