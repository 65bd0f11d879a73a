//! The Kubernetes cluster around the process, when there is one.

use super::StartError;
use crate::status::StatusTarget;
use kube::{Client, Config as ClientConfig};
use std::net::IpAddr;

/// The variable by which Kubernetes tells a pod where its API is.
const API_HOST: &str = "KUBERNETES_SERVICE_HOST";

/// What the process knows of its cluster.
pub(crate) struct Cluster {
    place: Option<Place>,
    api_servers: Vec<IpAddr>,
    in_pod: bool,
}

/// Where in the cluster the process is.
struct Place {
    client: Client,
    namespace: String,
}

impl Cluster {
    /// The cluster in which `namespace` is: none without one.
    pub(crate) async fn of(namespace: Option<&str>) -> Result<Self, StartError> {
        let host = std::env::var(API_HOST).ok();
        let mut api_servers: Vec<IpAddr> = host.iter().filter_map(|host| host.parse().ok()).collect();
        let mut place = None;
        if let Some(namespace) = namespace {
            let config = ClientConfig::infer().await.map_err(|error| StartError::Kubernetes(error.into()))?;
            let literal = config.cluster_url.host().map(|host| host.trim_matches(['[', ']']));
            api_servers.extend(literal.and_then(|host| host.parse::<IpAddr>().ok()));
            let client = Client::try_from(config).map_err(|error| StartError::Kubernetes(error.into()))?;
            place = Some(Place { client, namespace: namespace.to_owned() });
        }
        Ok(Self { in_pod: host.is_some() || place.is_some(), place, api_servers })
    }

    /// A cluster with this API, in a namespace of it.
    pub(crate) fn with(client: Client, namespace: String) -> Self {
        Self { place: Some(Place { client, namespace }), api_servers: Vec::new(), in_pod: false }
    }

    /// Whether the process runs in a pod.
    pub(super) fn is_around(&self) -> bool {
        self.in_pod
    }

    /// Addresses of the Kubernetes API, as far as they are known as such.
    pub(super) fn api_servers(&self) -> Vec<IpAddr> {
        self.api_servers.clone()
    }

    /// The Kubernetes API, and the namespace of the process.
    pub(crate) fn api(&self) -> Option<(Client, String)> {
        self.place.as_ref().map(|place| (place.client.clone(), place.namespace.clone()))
    }

    /// Where the status is written of the object `name`, if the process belongs to one.
    pub(crate) fn status(&self, name: Option<&str>) -> Option<(Client, StatusTarget)> {
        let Place { client, namespace } = self.place.as_ref()?;
        let target = StatusTarget { namespace: namespace.clone(), name: name?.to_owned() };
        Some((client.clone(), target))
    }
}
