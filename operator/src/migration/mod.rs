//! Storage migration: objects of our kinds that were stored in a version which is no longer stored are rewritten.
//!
//! A CustomResourceDefinition remembers in `status.storedVersions` every version in which objects may still be stored, and
//! refuses to drop one of them. For a definition with the label [`operator_api::MIGRATE_LABEL`] this module rewrites every
//! object by an empty patch, which has the API server store it anew, and then says that only the storage version is left.
//! It runs on the leader, and only when a definition changes.

mod plan;

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams, Patch, PatchParams},
    core::PartialObjectMeta,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::plan::{Plan, plan};
use crate::runtime::events::Events;

/// How many objects are listed at once.
const PAGE: u32 = 200;
/// Delay after the first failure; it doubles with each further one, up to [`LONGEST_DELAY`].
const FIRST_DELAY: Duration = Duration::from_secs(30);
const LONGEST_DELAY: Duration = Duration::from_mins(30);

const SUCCEEDED: &str = "StorageVersionMigrationSucceeded";
const FAILED: &str = "StorageVersionMigrationFailed";
const ACTION: &str = "MigrateStorageVersion";

/// Why objects could not be migrated.
#[derive(Debug, thiserror::Error)]
enum MigrationError {
    #[error("failed to read the definition: {0}")]
    Definition(kube::Error),
    #[error("failed to list the objects: {0}")]
    List(kube::Error),
    #[error("failed to rewrite {key}: {source}")]
    Rewrite { key: String, source: kube::Error },
    #[error("failed to write status.storedVersions: {0}")]
    Status(kube::Error),
}

/// A definition that is to be looked at.
#[derive(Debug, Clone, Copy)]
struct Pending {
    due: Instant,
    failures: u32,
}

/// Migrates whatever needs it in the cluster of `client`, until `stop` is cancelled.
pub async fn run(client: Client, stop: CancellationToken) {
    let definitions: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client.clone());
    let changes =
        watcher(definitions, watcher::Config::default().labels(&format!("{}=true", operator_api::MIGRATE_LABEL)));
    let mut changes = changes.default_backoff().applied_objects().boxed();
    let mut pending: BTreeMap<String, Pending> = BTreeMap::new();
    loop {
        let due = pending.values().map(|pending| pending.due).min();
        tokio::select! {
            () = stop.cancelled() => return,
            change = changes.next() => match change {
                Some(Ok(definition)) => {
                    pending.insert(definition.name_any(), Pending { due: Instant::now(), failures: 0 });
                }
                Some(Err(error)) => tracing::debug!(%error, "the watch of definitions was interrupted"),
                None => return,
            },
            () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {
                let now = Instant::now();
                let Some((name, failures)) = pending.iter().find(|(_, pending)| pending.due <= now)
                    .map(|(name, pending)| (name.clone(), pending.failures)) else { continue };
                let Some(result) = stop.run_until_cancelled(migrate(&client, &name)).await else { return };
                match result {
                    Ok(()) => {
                        pending.remove(&name);
                    }
                    Err(error) => {
                        tracing::warn!(definition = name, %error, "the migration of stored objects will be tried again");
                        let delay = FIRST_DELAY.saturating_mul(1 << failures.min(16)).min(LONGEST_DELAY);
                        pending.insert(name, Pending { due: Instant::now() + delay, failures: failures + 1 });
                    }
                }
            }
        }
    }
}

/// Migrates the objects of the definition `name`, if that is needed.
async fn migrate(client: &Client, name: &str) -> Result<(), MigrationError> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let definition = definitions.get_opt(name).await.map_err(MigrationError::Definition)?;
    let Some(definition) = definition else { return Ok(()) };
    let Some(plan) = plan(&definition) else { return Ok(()) };
    let events = Events::new(client.clone());
    let before = plan.stored.join(", ");
    match carry_out(client, &definitions, &definition, &plan).await {
        Ok(count) => {
            let version = &plan.resource.version;
            let note =
                format!("{count} objects are stored as {version}; before, they may have been stored as {before}");
            tracing::info!(definition = name, count, version, "stored objects were migrated");
            events.normal(&definition, SUCCEEDED, ACTION, &note).await;
            Ok(())
        }
        Err(error) => {
            events.warning(&definition, FAILED, ACTION, &format!("{error}; it will be tried again")).await;
            Err(error)
        }
    }
}

async fn carry_out(
    client: &Client,
    definitions: &Api<CustomResourceDefinition>,
    definition: &CustomResourceDefinition,
    plan: &Plan,
) -> Result<usize, MigrationError> {
    let count = rewrite(client, plan, PAGE).await?;
    let status = json!({
        // An object could have been stored otherwise if the definition has changed meanwhile.
        "metadata": {"resourceVersion": definition.metadata.resource_version},
        "status": {"storedVersions": [plan.resource.version]},
    });
    let name = definition.name_any();
    definitions
        .patch_status(&name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .map_err(MigrationError::Status)?;
    Ok(count)
}

/// Has the API server store every object anew, `page` at a time; returns how many there were.
async fn rewrite(client: &Client, plan: &Plan, page: u32) -> Result<usize, MigrationError> {
    let objects: Api<DynamicObject> = Api::all_with(client.clone(), &plan.resource);
    let mut parameters = ListParams::default().limit(page);
    let mut count = 0;
    loop {
        let list = objects.list_metadata(&parameters).await.map_err(MigrationError::List)?;
        for object in &list.items {
            let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &plan.resource);
            match api.patch_metadata(&name, &PatchParams::default(), &Patch::Merge(json!({}))).await {
                Ok(_) => count += 1,
                // One that is gone needs nothing; one that was just written is stored anew already.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                Err(source) => {
                    return Err(MigrationError::Rewrite { key: format!("{namespace}/{name}"), source });
                }
            }
        }
        parameters.continue_token = list.metadata.continue_.filter(|token| !token.is_empty());
        if parameters.continue_token.is_none() {
            return Ok(count);
        }
    }
}
