//! What the pods of an embedded cluster are told of a simulated world.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use serde::Serialize;

use super::TargetError;
use crate::world::WorldHandle;

/// Where a world's name server listens, when pods share its loopback addresses: on a free port of the world's own.
pub(super) const NAME_SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Names and variables of one namespace, in the shape in which an embedded cluster takes them.
#[derive(Debug, Default, Serialize)]
pub(super) struct Outside {
    /// Where host names lead.
    pub(super) names: BTreeMap<String, IpAddr>,
    /// Host names that the world's name server answers for.
    pub(super) delegated: BTreeMap<String, SocketAddr>,
    /// What containers get.
    pub(super) environment: BTreeMap<String, String>,
}

impl Outside {
    /// What a namespace shall know, with its own resolver. The world's public authority becomes a file of the folder.
    pub(super) fn of(
        namespace: &str,
        resolver: SocketAddr,
        world: Option<&WorldHandle>,
        folder: &Path,
    ) -> Result<Self, TargetError> {
        let mut outside = Self::default();
        let mut add = |name: &str, value: String| outside.environment.insert(name.to_owned(), value);
        add("VMCP_DNS_SERVER", resolver.to_string());
        let Some(world) = world else {
            return Ok(outside);
        };
        let names = world.names();
        // By address, not by host: what a name leads to when it is judged is what is dialled.
        let places = names
            .iter()
            .flat_map(|name| name.ports.iter().map(|(port, place)| (SocketAddr::new(name.address, *port), *place)));
        let elsewhere: BTreeMap<_, _> = places.filter(|(address, place)| address != place).collect();
        let connect_to: Vec<String> =
            elsewhere.into_iter().map(|(address, place)| format!("{address}={place}")).collect();
        if !connect_to.is_empty() {
            add("VMCP_CONNECT_TO", connect_to.join(","));
        }
        let trust = folder.join(format!("{namespace}.pem"));
        std::fs::write(&trust, world.public_authority())
            .map_err(|source| TargetError::File { file: trust.display().to_string(), source })?;
        add("SSL_CERT_FILE", trust.display().to_string());
        outside.names = names.into_iter().map(|name| (name.host, name.address)).collect();
        if let Some(server) = world.name_server() {
            outside.delegated = world.scripted_names().into_iter().map(|name| (name, server)).collect();
        }
        Ok(outside)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use simulator::{Simulator, SimulatorOptions, World};

    use super::*;

    const WORLD: &str = "
dns: {mixed.example.com: {answers: [[world, 10.0.0.1]]}, gone.example.com: {answers: [nxdomain]}}
servers:
  - url: http://mcp.example.com/mcp
  - url: http://other.example.com/mcp
  - url: http://mixed.example.com:8080/mcp
";

    #[tokio::test]
    async fn pods_dial_what_names_lead_to_and_scripted_names_are_the_worlds_to_answer() {
        let options = SimulatorOptions { dns: Some(NAME_SERVER), ..SimulatorOptions::default() };
        let simulator = Simulator::start(options).await.unwrap();
        let world = simulator.add_world(World::from_yaml("world.yaml", WORLD).unwrap()).await.unwrap();
        let world = WorldHandle::from(world);
        let folder = tempfile::tempdir().unwrap();
        let outside = Outside::of("shop", "127.0.0.2:53".parse().unwrap(), Some(&world), folder.path()).unwrap();
        let place = |host, port| world.address(host, port).unwrap();
        let connect_to = format!(
            "127.0.0.1:80={},127.0.0.1:8080={}",
            place("other.example.com", 80),
            place("mixed.example.com", 8080)
        );
        assert_eq!(outside.environment["VMCP_CONNECT_TO"], connect_to);
        assert_eq!(outside.environment["VMCP_DNS_SERVER"], "127.0.0.2:53");
        let server = world.name_server().unwrap();
        let delegated = ["gone.example.com", "mixed.example.com"].map(|name| (name.to_owned(), server));
        assert_eq!(outside.delegated, BTreeMap::from(delegated));
        let hosts: Vec<_> = outside.names.keys().map(String::as_str).collect();
        assert_eq!(hosts, ["mcp.example.com", "mixed.example.com", "other.example.com"]);
    }
}
