//! What the parts of one running pod share.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, ObjectReference, Pod};
use kube::{Resource, ResourceExt};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::controllers::events::EventType;
use crate::node::Shared;
use crate::node::downward::Placement;
use crate::node::images::PodContext;
use crate::node::running::Place;

/// Where a container finds the API and its credentials; the service-account admission mounts it.
pub(super) const CREDENTIALS: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The grace of a pod that names none.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);

/// One pod on this node.
pub(super) struct Scope {
    pub(super) node: Arc<Shared>,
    /// The newest object.
    pub(super) pod: watch::Receiver<Arc<Pod>>,
    /// Lets the API server open streams to the pod.
    pub(super) place: Place,
    pub(super) folder: PathBuf,
    pub(super) address: Ipv4Addr,
    /// Cancelled when the containers shall end, within their grace.
    pub(super) stop: CancellationToken,
    /// Cancelled when the containers shall end now.
    pub(super) kill: CancellationToken,
    /// Counts the changes of `ConfigMaps` and Secrets that may concern the pod.
    pub(super) sources: watch::Receiver<u64>,
    /// Tells that the status of a container changed.
    pub(super) changed: Arc<Notify>,
}

impl Scope {
    pub(super) fn object(&self) -> Arc<Pod> {
        Arc::clone(&self.pod.borrow())
    }

    pub(super) fn placement(&self) -> Placement {
        Placement { node: self.node.name.clone(), pod_address: self.address, host_address: self.node.address }
    }

    pub(super) fn context(&self) -> std::io::Result<PodContext> {
        let pod = self.object();
        let namespace = pod.namespace().unwrap_or_default();
        Ok(PodContext {
            dns: self.node.dns.view(&namespace)?,
            namespace,
            name: pod.name_any(),
            labels: pod.labels().clone(),
            address: IpAddr::V4(self.address),
        })
    }

    /// How long the pod's containers may take to end: what its deletion says, else its spec.
    pub(super) fn grace(&self) -> Duration {
        let pod = self.object();
        let seconds = pod
            .metadata
            .deletion_grace_period_seconds
            .or_else(|| pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds));
        seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(DEFAULT_GRACE, Duration::from_secs)
    }

    /// Records an event about one container.
    pub(super) fn container_event(&self, container: &str, kind: EventType, reason: &'static str, message: String) {
        let pod = self.object();
        let is_init = |container: &Container, name: &str| container.name == name;
        let init = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
        let list = if init.into_iter().any(|init| is_init(init, container)) { "initContainers" } else { "containers" };
        let about = ObjectReference { field_path: Some(format!("spec.{list}{{{container}}}")), ..pod.object_ref(&()) };
        self.node.recorder.record_about(about, kind, reason, message);
    }

    /// Records an event about the pod.
    pub(super) fn pod_event(&self, kind: EventType, reason: &'static str, message: String) {
        self.node.recorder.record(self.object().as_ref(), kind, reason, message);
    }

    /// The environment that every container has, whatever its spec says.
    pub(super) fn base_environment(&self) -> BTreeMap<String, String> {
        let pod = self.object();
        let hostname = pod.spec.as_ref().and_then(|spec| spec.hostname.clone()).unwrap_or_else(|| pod.name_any());
        let (host, port) = self.node.api.address;
        let mut environment = BTreeMap::from([
            ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
            ("HOSTNAME".to_owned(), hostname),
            ("HOME".to_owned(), self.folder.to_string_lossy().into_owned()),
        ]);
        for (name, value) in [
            ("KUBERNETES_SERVICE_HOST", host.to_string()),
            ("KUBERNETES_SERVICE_PORT", port.to_string()),
            ("KUBERNETES_SERVICE_PORT_HTTPS", port.to_string()),
        ] {
            environment.insert(name.to_owned(), value);
        }
        environment
    }
}
