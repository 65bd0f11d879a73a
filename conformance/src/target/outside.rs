//! What the pods of an embedded cluster are told of a simulated world.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde::Serialize;

use super::TargetError;
use crate::world::WorldHandle;

/// Names and variables of one namespace, in the shape in which an embedded cluster takes them.
#[derive(Debug, Default, Serialize)]
pub(super) struct Outside {
    /// Where host names lead.
    pub(super) names: BTreeMap<String, IpAddr>,
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
        let ports =
            names.iter().flat_map(|name| name.ports.iter().map(move |(port, address)| (&name.host, port, address)));
        let connect_to: Vec<String> = ports.map(|(host, port, address)| format!("{host}:{port}={address}")).collect();
        add("VMCP_CONNECT_TO", connect_to.join(","));
        let trust = folder.join(format!("{namespace}.pem"));
        std::fs::write(&trust, world.public_authority())
            .map_err(|source| TargetError::File { file: trust.display().to_string(), source })?;
        add("SSL_CERT_FILE", trust.display().to_string());
        outside.names = names.into_iter().map(|name| (name.host, name.address)).collect();
        Ok(outside)
    }
}
