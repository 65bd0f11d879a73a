//! Worlds that come with the simulator, and what is decided about a world when it is served.

use std::net::SocketAddr;

use super::{ProtocolVersion, World, WorldFileError};

/// Their names and files.
const ALL: [(&str, &str); 1] = [("mcp-conformance", include_str!("../../worlds/mcp-conformance.yaml"))];

impl World {
    /// Names of the worlds that come with the simulator.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|(name, _)| *name)
    }

    /// The world of that name that comes with the simulator; `None` when there is none.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Result<Self, WorldFileError>> {
        let (_, text) = ALL.iter().find(|(known, _)| *known == name)?;
        Some(Self::from_yaml(&format!("builtin:{name}"), text))
    }

    /// Puts the servers whose URLs name this machine at `address`; `false` when there are none.
    pub fn move_to(&mut self, address: SocketAddr) -> bool {
        let mut moved = false;
        for server in &mut self.servers {
            if server.url.loopback().is_some() {
                server.url = server.url.at(address);
                moved = true;
            }
        }
        moved
    }

    /// Leaves the servers only those of their revisions that `keep` is true of.
    pub fn keep_versions(&mut self, keep: impl Fn(ProtocolVersion) -> bool) {
        for server in &mut self.servers {
            let mut versions = server.versions();
            versions.retain(|version| keep(*version));
            server.protocol_versions = Some(versions);
        }
    }
}
