//! An API server with its controllers and without a node, for tests under paused time: the test plays the kubelet.

use std::time::Duration;

use embedded_cluster::ApiServer;
use embedded_cluster::controllers::{ControllerOptions, Controllers};
use k8s_openapi::api::core::v1::{Event, Pod, ServiceAccount};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::{Condition, await_condition};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::node_support::Kind;

/// The bound of every wait, in time that costs nothing.
const BOUND: Duration = Duration::from_hours(2);

pub(crate) struct World {
    pub(crate) client: Client,
    _server: ApiServer,
    controllers: Controllers,
}

impl World {
    /// Starts it and waits until pods may be made.
    pub(crate) async fn start() -> Self {
        let server = ApiServer::default();
        let client = server.client("default");
        let controllers = Controllers::start(&client, ControllerOptions::default());
        let world = Self { client, _server: server, controllers };
        world.wait("default", |account: Option<&ServiceAccount>| account.is_some()).await;
        world
    }

    pub(crate) async fn stop(self) {
        self.controllers.stop().await;
    }

    pub(crate) fn api<K: Kind>(&self) -> Api<K> {
        Api::default_namespaced(self.client.clone())
    }

    pub(crate) async fn create<K: Kind>(&self, object: Value) -> K {
        let object: K = serde_json::from_value(object).unwrap();
        self.api().create(&PostParams::default(), &object).await.unwrap()
    }

    #[allow(clippy::needless_pass_by_value)] // Called with literals.
    pub(crate) async fn merge<K: Kind>(&self, name: &str, change: Value) -> K {
        self.api::<K>().patch(name, &PatchParams::default(), &Patch::Merge(change)).await.unwrap()
    }

    /// Waits until the object is so.
    pub(crate) async fn wait<K: Kind>(&self, name: &str, condition: impl Condition<K>) -> Option<K> {
        let waiting = await_condition(self.api::<K>(), name, condition);
        if let Ok(object) = tokio::time::timeout(BOUND, waiting).await {
            return object.unwrap();
        }
        panic!("{name} did not become so: {:#?}", self.api::<K>().get_opt(name).await)
    }

    /// The pods with a label that are not being deleted, by name.
    pub(crate) async fn pods(&self, labels: &str) -> Vec<Pod> {
        let mut pods = self.api::<Pod>().list(&ListParams::default().labels(labels)).await.unwrap().items;
        pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
        pods.sort_by_key(ResourceExt::name_any);
        pods
    }

    /// Waits until so many pods have a label.
    pub(crate) async fn wait_for_pods(&self, labels: &str, count: usize) -> Vec<Pod> {
        let waiting = async {
            loop {
                let pods = self.pods(labels).await;
                if pods.len() == count {
                    return pods;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if let Ok(pods) = tokio::time::timeout(BOUND, waiting).await {
            return pods;
        }
        panic!("not {count} pods: {:#?}", self.pods(labels).await)
    }

    /// Plays the kubelet: the pod reaches a phase; a running one is ready.
    pub(crate) async fn set_phase(&self, pod: &str, phase: &str) {
        let ready = if phase == "Running" { "True" } else { "False" };
        let now = self.api::<Pod>().get(pod).await.unwrap().metadata.creation_timestamp;
        let condition = json!({"type": "Ready", "status": ready, "lastTransitionTime": now});
        let change = Patch::Merge(json!({"status": {"phase": phase, "conditions": [condition]}}));
        self.api::<Pod>().patch_status(pod, &PatchParams::default(), &change).await.unwrap();
    }

    /// The events about an object: reason and message.
    pub(crate) async fn events(&self, object: &str) -> Vec<String> {
        let query = ListParams::default().fields(&format!("involvedObject.name={object}"));
        let events = self.api::<Event>().list(&query).await.unwrap().items;
        let text = |text: Option<String>| text.unwrap_or_default();
        events.into_iter().map(|event| format!("{}: {}", text(event.reason), text(event.message))).collect()
    }

    /// Waits until such an event is told.
    pub(crate) async fn wait_for_event(&self, object: &str, event: &str) {
        let waiting = async {
            while !self.events(object).await.iter().any(|told| told.contains(event)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let is_told = tokio::time::timeout(BOUND, waiting).await.is_ok();
        assert!(is_told, "no event {event:?} among {:#?}", self.events(object).await);
    }
}
