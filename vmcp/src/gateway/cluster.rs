//! The Kubernetes cluster around the gateway, when there is one.

use super::{StartError, is_discovered};
use crate::cli::Serve;
use crate::status::StatusTarget;
use kube::{Client, Config as ClientConfig};
use std::net::IpAddr;
use std::time::Duration;
use vmcp_config::Config;

/// The variable by which Kubernetes tells a pod where its API is.
const API_HOST: &str = "KUBERNETES_SERVICE_HOST";

/// What the gateway knows of its cluster.
pub(super) struct Cluster {
    place: Option<Place>,
    api_servers: Vec<IpAddr>,
    in_pod: bool,
}

/// Where in the cluster the gateway is.
struct Place {
    client: Client,
    namespace: String,
    name: Option<String>,
}

impl Cluster {
    /// The cluster that the flags speak of: none without a namespace.
    pub(super) async fn of(serve: &Serve) -> Result<Self, StartError> {
        let host = std::env::var(API_HOST).ok();
        let mut api_servers: Vec<IpAddr> = host.iter().filter_map(|host| host.parse().ok()).collect();
        let mut place = None;
        if let Some(namespace) = &serve.namespace {
            let config = ClientConfig::infer().await.map_err(|error| StartError::Kubernetes(error.into()))?;
            let literal = config.cluster_url.host().map(|host| host.trim_matches(['[', ']']));
            api_servers.extend(literal.and_then(|host| host.parse::<IpAddr>().ok()));
            let client = Client::try_from(config).map_err(|error| StartError::Kubernetes(error.into()))?;
            place = Some(Place { client, namespace: namespace.clone(), name: serve.name.clone() });
        }
        Ok(Self { in_pod: host.is_some() || place.is_some(), place, api_servers })
    }

    /// Whether the gateway runs in a pod.
    pub(super) fn is_around(&self) -> bool {
        self.in_pod
    }

    /// Addresses of the Kubernetes API, as far as they are known as such.
    pub(super) fn api_servers(&self) -> Vec<IpAddr> {
        self.api_servers.clone()
    }

    /// Where the members of the group are found, if the configuration wants them discovered.
    pub(super) fn members(&self, config: &Config) -> Option<(Client, String)> {
        let place = self.place.as_ref().filter(|_| is_discovered(config))?;
        Some((place.client.clone(), place.namespace.clone()))
    }

    /// Where the status is written, if the gateway belongs to an object.
    pub(super) fn status(&self, interval: Duration) -> Option<(Client, StatusTarget)> {
        let place = self.place.as_ref()?;
        let name = place.name.clone()?;
        Some((place.client.clone(), StatusTarget { namespace: place.namespace.clone(), name, interval }))
    }
}
