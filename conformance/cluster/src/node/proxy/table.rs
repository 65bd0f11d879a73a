//! Where each port of each Service leads: a pure computation from Services and `EndpointSlices`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;

use crate::controllers::SERVICE_NAME;

/// Where a port of a Service is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Frontend {
    pub(crate) address: Ipv4Addr,
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
}

/// The protocols that are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// Reads a protocol's name; none for one that is not forwarded.
    fn parse(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("TCP") => Some(Self::Tcp),
            Some("UDP") => Some(Self::Udp),
            Some(_) => None,
        }
    }
}

/// Who answers behind a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Backends {
    /// The ready endpoints, sorted.
    pub(super) endpoints: Vec<SocketAddr>,
    /// How long a client is led to the same endpoint (`sessionAffinity: ClientIP`).
    pub(super) affinity: Option<Duration>,
}

/// The affinity of a Service that names no time: three hours.
const DEFAULT_AFFINITY: Duration = Duration::from_hours(3);

/// Every port of every Service that has an address. Node ports are served on the addresses of the node.
pub(super) fn table<'a>(
    services: impl IntoIterator<Item = &'a Service>,
    slices: &[&EndpointSlice],
    node: &[Ipv4Addr],
) -> BTreeMap<Frontend, Backends> {
    let mut table = BTreeMap::new();
    for service in services {
        let Some(spec) = &service.spec else { continue };
        let Some(address) = spec.cluster_ip.as_deref().and_then(|address| address.parse().ok()) else {
            continue;
        };
        let addresses: Vec<Ipv4Addr> = std::iter::once(address).chain(ingress(service)).collect();
        let affinity = (spec.session_affinity.as_deref() == Some("ClientIP")).then(|| {
            let config = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
            let seconds = config.and_then(|config| config.timeout_seconds).and_then(|s| u64::try_from(s).ok());
            seconds.map_or(DEFAULT_AFFINITY, Duration::from_secs)
        });
        let own: Vec<_> = slices.iter().filter(|slice| is_of(slice, service)).collect();
        for port in spec.ports.iter().flatten() {
            let Some(protocol) = Protocol::parse(port.protocol.as_deref()) else { continue };
            let number = |port: i32| u16::try_from(port).ok().filter(|port| *port > 0);
            let own_port = number(port.port).into_iter().flat_map(|port| addresses.iter().map(move |at| (*at, port)));
            let node_port = port.node_port.and_then(number);
            let node_port = node_port.into_iter().flat_map(|port| node.iter().map(move |at| (*at, port)));
            let name = port.name.as_deref().unwrap_or_default();
            let mut endpoints: Vec<_> = own.iter().flat_map(|slice| endpoints(slice, name)).collect();
            endpoints.sort_unstable();
            endpoints.dedup();
            let backends = Backends { endpoints, affinity };
            table.extend(
                own_port
                    .chain(node_port)
                    .map(|(address, port)| (Frontend { address, port, protocol }, backends.clone())),
            );
        }
    }
    table
}

/// The addresses of a Service's load balancer.
pub(super) fn ingress(service: &Service) -> impl Iterator<Item = Ipv4Addr> + '_ {
    let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let ingress = status.and_then(|balancer| balancer.ingress.as_ref()).into_iter().flatten();
    ingress.filter_map(|ingress| ingress.ip.as_deref()?.parse().ok())
}

fn is_of(slice: &EndpointSlice, service: &Service) -> bool {
    slice.namespace() == service.namespace() && slice.labels().get(SERVICE_NAME) == Some(&service.name_any())
}

fn endpoints<'a>(slice: &'a EndpointSlice, port_name: &str) -> Vec<SocketAddr> {
    let ports = slice.ports.iter().flatten();
    let port = ports.into_iter().find(|port| port.name.as_deref().unwrap_or_default() == port_name);
    let Some(number) = port.and_then(|port| port.port).and_then(|port| u16::try_from(port).ok()) else {
        return Vec::new();
    };
    let is_ready = |endpoint: &&'a k8s_openapi::api::discovery::v1::Endpoint| {
        endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
    };
    let ready = slice.endpoints.iter().flatten().filter(is_ready);
    let addresses = ready.flat_map(|endpoint| &endpoint.addresses).filter_map(|address| address.parse().ok());
    addresses.map(|address: Ipv4Addr| SocketAddrV4::new(address, number).into()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_published_port_is_served_at_the_node_and_at_the_load_balancer() {
        let service: Service = serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"type": "LoadBalancer", "clusterIP": "127.90.0.20",
                     "ports": [{"port": 8080, "nodePort": 30_080},
                               {"name": "s", "port": 9, "nodePort": 30_009, "protocol": "SCTP"}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "127.90.0.30"}]}}}))
        .unwrap();
        let table = table([&service], &[], &[Ipv4Addr::new(127, 80, 0, 1), Ipv4Addr::LOCALHOST]);
        let places: Vec<_> = table.keys().map(|frontend| format!("{}:{}", frontend.address, frontend.port)).collect();
        assert_eq!(places, ["127.0.0.1:30080", "127.80.0.1:30080", "127.90.0.20:8080", "127.90.0.30:8080"]);
    }

    #[test]
    fn a_port_leads_to_the_ready_endpoints_of_the_port_with_its_name() {
        let service: Service = serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"clusterIP": "127.90.0.20", "sessionAffinity": "ClientIP",
                     "ports": [{"name": "http", "port": 80}, {"name": "admin", "port": 9000},
                               {"name": "dns", "port": 53, "protocol": "UDP"}]}}))
        .unwrap();
        let slice = |namespace: &str| -> EndpointSlice {
            serde_json::from_value(json!({"addressType": "IPv4",
                "metadata": {"namespace": namespace, "labels": {SERVICE_NAME: "web"}},
                "ports": [{"name": "http", "port": 8080}],
                "endpoints": [{"addresses": ["127.80.0.21"]},
                              {"addresses": ["127.80.0.20"], "conditions": {"ready": true}},
                              {"addresses": ["127.80.0.22"], "conditions": {"ready": false}}]}))
            .unwrap()
        };
        let table = table([&service], &[&slice("shop"), &slice("other")], &[]);
        let at = |port, protocol| Frontend { address: Ipv4Addr::new(127, 90, 0, 20), port, protocol };
        let frontends = [at(53, Protocol::Udp), at(80, Protocol::Tcp), at(9000, Protocol::Tcp)];
        assert_eq!(table.keys().copied().collect::<Vec<_>>(), frontends);
        let http = &table[&frontends[1]];
        assert_eq!(http.endpoints, ["127.80.0.20:8080".parse().unwrap(), "127.80.0.21:8080".parse().unwrap()]);
        assert_eq!(http.affinity, Some(DEFAULT_AFFINITY));
        assert!(table[&frontends[2]].endpoints.is_empty());
    }
}
