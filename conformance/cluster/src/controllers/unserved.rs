//! Kinds that the API serves and no controller acts on: each object is told so by an event, lest its silence look like
//! success.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::events::EventType;
use super::runtime::{Context, ControllerError, drive};

/// The reason of an event and its message.
type Notice = (&'static str, &'static str);

const DAEMON_SET: Notice =
    ("Unsupported", "daemon sets are not run by the embedded controllers: use a Deployment, there is one node");

const AUTOSCALER: Notice =
    ("Unsupported", "autoscalers do nothing in the embedded cluster, which has no metrics: scale the workload itself");

/// What a real cluster without volumes says.
const CLAIM: Notice = ("FailedBinding", "no persistent volumes available for this claim and no storage class is set");

pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    tokio::join!(
        tell::<DaemonSet>(&context, EventType::Warning, DAEMON_SET, &stop),
        tell::<HorizontalPodAutoscaler>(&context, EventType::Warning, AUTOSCALER, &stop),
        tell::<PersistentVolumeClaim>(&context, EventType::Normal, CLAIM, &stop),
    );
}

async fn tell<K>(context: &Arc<Context>, kind: EventType, notice: Notice, stop: &CancellationToken)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Eq + Hash,
{
    let reconcile = move |object: Arc<K>, context: Arc<Context>| async move {
        context.recorder.record(object.as_ref(), kind, notice.0, notice.1);
        Ok::<_, ControllerError>(Action::await_change())
    };
    let controller = Controller::new(Api::<K>::all(context.client.clone()), watcher::Config::default());
    drive(controller, Arc::clone(context), stop.clone(), reconcile).await;
}
