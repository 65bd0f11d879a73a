//! What the DNS knows of Services, read from the caches of a watch.

use std::net::{IpAddr, Ipv4Addr};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};

use super::CLUSTER_DOMAIN;
use crate::controllers::SERVICE_NAME;

/// What a Service's name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceLookup {
    /// These addresses; none when a headless Service has no ready endpoint.
    Addresses(Vec<IpAddr>),
    /// Another name (`type: ExternalName`).
    Alias(String),
    /// There is no such Service.
    Unknown,
}

/// Finds the Services' names.
pub trait ServiceNames: Send + Sync {
    /// What a name below [`CLUSTER_DOMAIN`] stands for; `host` is lowercase and has no trailing dot.
    fn service(&self, host: &str) -> ServiceLookup;
}

/// The Services of a cluster, as its watches keep them.
pub(crate) struct ServiceStores {
    pub(crate) services: Store<Service>,
    pub(crate) slices: Store<EndpointSlice>,
}

impl ServiceNames for ServiceStores {
    fn service(&self, host: &str) -> ServiceLookup {
        let suffix = format!(".svc.{CLUSTER_DOMAIN}");
        let Some(labels) = host.strip_suffix(&suffix) else {
            return ServiceLookup::Unknown;
        };
        let (hostname, name, namespace) = match labels.split('.').collect::<Vec<_>>()[..] {
            [name, namespace] => (None, name, namespace),
            [hostname, name, namespace] => (Some(hostname), name, namespace),
            _ => return ServiceLookup::Unknown,
        };
        let Some(service) = self.services.get(&ObjectRef::new(name).within(namespace)) else {
            return ServiceLookup::Unknown;
        };
        let spec = service.spec.clone().unwrap_or_default();
        if let (Some("ExternalName"), Some(target), None) = (spec.type_.as_deref(), spec.external_name, hostname) {
            return ServiceLookup::Alias(target);
        }
        let headless = spec.cluster_ip.as_deref() == Some("None");
        if !headless {
            return match (spec.cluster_ip.and_then(|address| address.parse().ok()), hostname) {
                (Some(address), None) => ServiceLookup::Addresses(vec![address]),
                _ => ServiceLookup::Unknown,
            };
        }
        let not_ready_too = spec.publish_not_ready_addresses.unwrap_or_default();
        let addresses = self.endpoints(namespace, name, hostname, not_ready_too);
        match (addresses.is_empty(), hostname) {
            (true, Some(_)) => ServiceLookup::Unknown,
            _ => ServiceLookup::Addresses(addresses),
        }
    }
}

impl ServiceStores {
    fn endpoints(&self, namespace: &str, name: &str, hostname: Option<&str>, not_ready_too: bool) -> Vec<IpAddr> {
        let slices = self.slices.state_filter(|slice| {
            slice.namespace().as_deref() == Some(namespace)
                && slice.labels().get(SERVICE_NAME).map(String::as_str) == Some(name)
        });
        let mut addresses: Vec<IpAddr> = slices
            .iter()
            .flat_map(|slice| slice.endpoints.iter().flatten())
            .filter(|endpoint| hostname.is_none() || endpoint.hostname.as_deref() == hostname)
            .filter(|endpoint| {
                not_ready_too || endpoint.conditions.as_ref().and_then(|state| state.ready).unwrap_or(true)
            })
            .flat_map(|endpoint| &endpoint.addresses)
            .filter_map(|address| address.parse::<Ipv4Addr>().ok().map(IpAddr::V4))
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}
