//! How the controllers run: one error type, retries with back-off, and names.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::events::Recorder;
use crate::api::Clock;

/// The field manager of the controllers.
pub(super) const MANAGER: &str = "kube-controller-manager";

/// The delay before the first repetition of a failed reconciliation. Conflicts, the usual cause, are over by then.
const FIRST_RETRY: Duration = Duration::from_millis(20);

/// The delay doubles with each failure in a row, up to this many times: 20 ms to 80 s.
const DOUBLINGS: u32 = 12;

/// What every reconciler gets.
pub(super) struct Context {
    pub(super) client: Client,
    pub(super) recorder: Recorder,
    clock: Arc<dyn Clock>,
    /// Failures in a row, by uid.
    failures: Mutex<HashMap<String, u32>>,
}

impl Context {
    pub(super) fn new(client: Client, recorder: Recorder, clock: Arc<dyn Clock>) -> Self {
        Self { client, recorder, clock, failures: Mutex::default() }
    }

    /// The present moment, by the clock of the API server.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.failures.lock()
    }
}

/// The API refused what a controller needs.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControllerError {
    /// A request failed.
    #[error("a request of a controller failed")]
    Api(#[from] kube::Error),
    /// An object's label selector cannot be used.
    #[error("the label selector cannot be used: {0}")]
    Selector(String),
}

/// Reports a failure; the object is tried again, later with each failure in a row.
#[allow(clippy::needless_pass_by_value)] // The signature of an error policy.
fn retry<K: Resource>(object: Arc<K>, error: &ControllerError, context: Arc<Context>) -> Action {
    tracing::debug!(error = error as &dyn std::error::Error, "a reconciliation is tried again");
    let uid = object.meta().uid.clone().unwrap_or_default();
    let mut failures = context.failures();
    let count = failures.entry(uid).or_default();
    let delay = FIRST_RETRY * 2_u32.pow((*count).min(DOUBLINGS));
    *count += 1;
    Action::requeue(delay)
}

/// Waits for a reconciliation; when it succeeds, the failures before it are forgotten.
async fn tracked<K: Resource>(
    object: Arc<K>,
    context: Arc<Context>,
    reconciled: impl Future<Output = Result<Action, ControllerError>>,
) -> Result<Action, ControllerError> {
    let result = reconciled.await;
    if let (Ok(_), Some(uid)) = (&result, &object.meta().uid) {
        context.failures().remove(uid);
    }
    result
}

/// Runs a controller until `stop` is cancelled and what it has begun is done. Failed objects are tried again.
pub(super) async fn drive<K, F>(
    controller: Controller<K>,
    context: Arc<Context>,
    stop: CancellationToken,
    mut reconcile: impl FnMut(Arc<K>, Arc<Context>) -> F,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    F: Future<Output = Result<Action, ControllerError>> + Send + 'static,
{
    controller
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(|object, context| tracked(object.clone(), context.clone(), reconcile(object, context)), retry, context)
        .for_each(|result| {
            if let Err(error) = result {
                tracing::trace!(%error, "a controller reported an error");
            }
            std::future::ready(())
        })
        .await;
}

pub(super) fn post() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}

pub(super) fn patch() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}

/// A reference to an owner that controls and whose deletion waits for the owned, as real controllers write it.
pub(super) fn controller_reference<K: Resource<DynamicType = ()>>(owner: &K) -> OwnerReference {
    let mut reference = owner.controller_owner_ref(&()).unwrap_or_default();
    reference.block_owner_deletion = Some(true);
    reference
}

/// Whether a failure means that the object is gone or was there first.
pub(super) fn has_code(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}
