//! How pods reach a simulated world, if they can.

use http::Request;
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::Client;
use serde::Deserialize;
use serde_json::Value;
use simulator::{Simulator, SimulatorOptions};
use std::net::{IpAddr, SocketAddr};
use tempfile::TempDir;

use super::Connection;
use crate::causes::chain;
use crate::target::outside::Outside;
use crate::target::{TargetError, folder};
use crate::world::{World, WorldHandle};

/// The end of the version of an embedded cluster.
const EMBEDDED: &str = "+embedded";

/// How pods reach a world.
pub(super) enum Reach {
    /// The cluster is an embedded one on this machine: pods share its loopback addresses, and the cluster can be told what
    /// its namespaces know.
    Local { simulator: Simulator, files: TempDir },
    /// They cannot.
    None,
}

/// What an embedded cluster says of its addresses.
#[derive(Deserialize)]
struct Addresses {
    world: ipnet::Ipv4Net,
}

/// What it says of a namespace.
#[derive(Deserialize)]
struct Told {
    resolver: SocketAddr,
}

impl Reach {
    /// Finds out.
    pub(super) async fn of(connection: &Connection, version: &Info) -> Result<Self, TargetError> {
        if !version.git_version.ends_with(EMBEDDED) || !is_local(connection.url()) {
            return Ok(Self::None);
        }
        let addresses: Addresses = send(connection.client(), "GET", "/embedded/addresses", Vec::new()).await?;
        let options = SimulatorOptions { addresses: addresses.world.into(), ..SimulatorOptions::default() };
        let simulator = Simulator::start(options).await.map_err(|error| TargetError::World(chain(&error)))?;
        Ok(Self::Local { simulator, files: folder()? })
    }

    /// Whether the cluster is on this machine.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Local { .. })
    }

    /// Why a scenario with a world cannot be played.
    pub(super) fn why_not(&self) -> Option<String> {
        match self {
            Self::Local { .. } => None,
            Self::None => Some(
                "it needs a simulated world, and the pods of this cluster can neither resolve its names nor trust its \
                 authority"
                    .to_owned(),
            ),
        }
    }

    /// Brings a world to life.
    pub(super) async fn start_world(&self, world: World) -> Result<WorldHandle, TargetError> {
        match self {
            Self::Local { simulator, .. } => {
                simulator.add_world(world).await.map_err(|error| TargetError::World(chain(&error)))
            }
            Self::None => Err(TargetError::World(self.why_not().unwrap_or_default())),
        }
    }

    /// Tells a namespace what its pods must know.
    pub(super) async fn tell(
        &self,
        client: &Client,
        namespace: &str,
        world: Option<&WorldHandle>,
    ) -> Result<(), TargetError> {
        let Self::Local { files, .. } = self else {
            return Ok(());
        };
        let path = format!("/embedded/namespaces/{namespace}");
        let Told { resolver } = send(client, "GET", &path, Vec::new()).await?;
        let outside = Outside::of(namespace, resolver, world, files.path())?;
        let body = serde_json::to_vec(&outside).map_err(|error| TargetError::World(error.to_string()))?;
        send::<Value>(client, "PUT", &path, body).await.map(drop)
    }
}

/// Whether the URL names this machine.
fn is_local(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else {
        return false;
    };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

async fn send<T: serde::de::DeserializeOwned>(
    client: &Client,
    method: &str,
    path: &str,
    body: Vec<u8>,
) -> Result<T, TargetError> {
    let failed = |reason: String| TargetError::World(format!("{method} {path} of the embedded cluster: {reason}"));
    let request = Request::builder().method(method).uri(path).body(body).map_err(|error| failed(error.to_string()))?;
    client.request(request).await.map_err(|error| failed(chain(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_this_machine() {
        assert!(is_local("https://127.0.0.1:6443"));
        assert!(is_local("https://localhost:6443"));
        assert!(is_local("https://[::1]:6443"));
        assert!(!is_local("https://10.0.0.1:6443"));
        assert!(!is_local("https://example.com"));
    }
}
