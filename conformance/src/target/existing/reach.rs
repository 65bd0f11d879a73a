//! How pods reach a simulated world, if they can.

use http::Request;
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use simulator::{Simulator, SimulatorOptions};
use std::net::{IpAddr, SocketAddr};
use tempfile::TempDir;

use super::admission::{self, RUN_LABEL};
use super::simulator::{Deployed, hosts};
use super::{Connection, PATIENCE};
use crate::causes::chain;
use crate::language::{Moment, Validation};
use crate::objects::{Objects, Verb, Write};
use crate::target::outside::{self, Outside};
use crate::target::{Interruption, TargetError, folder};
use crate::world::{World, WorldHandle};

/// The end of the version of an embedded cluster.
const EMBEDDED: &str = "+embedded";

/// How pods reach a world.
pub(super) enum Reach {
    /// The cluster is an embedded one on this machine: pods share its loopback addresses, and the simulator runs in this
    /// process.
    Local { simulator: Simulator, files: TempDir },
    /// The simulator runs in the cluster.
    Deployed { simulator: Box<Deployed>, told: Told },
    /// They cannot, for this reason.
    None(&'static str),
}

/// How the pods of a namespace are told of a world.
pub(super) enum Told {
    /// By an embedded cluster on this machine, which takes names and variables over HTTP.
    Surroundings { files: TempDir },
    /// By a policy of the run.
    Admission { run: String },
}

/// What an embedded cluster says of its addresses.
#[derive(Deserialize)]
struct Addresses {
    world: ipnet::Ipv4Net,
}

/// What it says of a namespace.
#[derive(Deserialize)]
struct Resolver {
    resolver: SocketAddr,
}

impl Reach {
    /// Finds out, and starts the simulator: `image` in the cluster, or one in this process where pods reach that.
    pub(super) async fn start(
        connection: &Connection,
        objects: &Objects,
        version: &Info,
        image: Option<&str>,
        run: &str,
        interruption: &Interruption,
    ) -> Result<Self, TargetError> {
        let is_embedded = version.git_version.ends_with(EMBEDDED) && is_local(connection.url());
        match image {
            None if is_embedded => {
                let addresses: Addresses = send(connection.client(), "GET", "/embedded/addresses", Vec::new()).await?;
                let (addresses, dns) = (addresses.world.into(), Some(outside::NAME_SERVER));
                let options = SimulatorOptions { addresses, dns, ..SimulatorOptions::default() };
                let simulator = Simulator::start(options).await.map_err(|error| TargetError::World(chain(&error)))?;
                Ok(Self::Local { simulator, files: folder()? })
            }
            None => Ok(Self::None(
                "it needs a simulated world: name the image of a simulator that this cluster can run, with --simulator-image",
            )),
            Some(image) if is_embedded => {
                let within = Moment::Ready.ordinary();
                // The pod's own address, which is one of loopback.
                let simulator = Box::new(Deployed::start(objects, run, image, "0.0.0.0", within, interruption).await?);
                Ok(Self::Deployed { simulator, told: Told::Surroundings { files: folder()? } })
            }
            Some(image) if admission::is_served(objects).await? => {
                let within = Moment::Ready.ordinary() * PATIENCE;
                // First, so that it is in force when the simulator has started.
                let started = async {
                    admission::install(objects, run).await?;
                    Deployed::start(objects, run, image, "127.0.0.1", within, interruption).await
                };
                match started.await {
                    Ok(simulator) => {
                        let told = Told::Admission { run: run.to_owned() };
                        Ok(Self::Deployed { simulator: Box::new(simulator), told })
                    }
                    Err(error) => {
                        admission::remove(objects, run).await;
                        Err(error)
                    }
                }
            }
            Some(_) => Ok(Self::None(
                "it needs a simulated world, whose names and authority pods learn by a MutatingAdmissionPolicy: this cluster \
                 does not serve these in v1, as Kubernetes does from 1.36 on",
            )),
        }
    }

    /// Whether the cluster is on this machine.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Local { .. } | Self::Deployed { told: Told::Surroundings { .. }, .. })
    }

    /// Why a scenario with this world cannot be played.
    pub(super) fn why_not(&self, world: &World) -> Option<&'static str> {
        match self {
            Self::Deployed { .. } if !world.dns.is_empty() => Some(
                "its world scripts answers of the DNS, which pods hear only when the simulator runs beside an embedded cluster",
            ),
            Self::Local { .. } | Self::Deployed { .. } => None,
            Self::None(reason) => Some(reason),
        }
    }

    /// The labels of a namespace whose pods reach this world.
    pub(super) fn labels(&self, world: Option<&WorldHandle>) -> Value {
        let reaches = world.is_some_and(|world| !hosts(&world.names()).is_empty());
        match self {
            Self::Deployed { told: Told::Admission { run }, .. } if reaches => json!({RUN_LABEL: run}),
            _ => json!({}),
        }
    }

    /// Brings a world to life.
    pub(super) async fn start_world(&self, world: World) -> Result<WorldHandle, TargetError> {
        match self {
            Self::Local { simulator, .. } => {
                let started = simulator.add_world(world.into_description()).await;
                started.map(WorldHandle::from).map_err(|error| TargetError::World(chain(&error)))
            }
            Self::Deployed { simulator, .. } => simulator.start_world(&world).await,
            Self::None(reason) => Err(TargetError::World((*reason).to_owned())),
        }
    }

    /// Tells a new namespace what its pods must know.
    pub(super) async fn introduce(
        &self,
        objects: &Objects,
        namespace: &str,
        world: Option<&WorldHandle>,
    ) -> Result<(), TargetError> {
        if let (Self::Deployed { simulator, .. }, Some(world)) = (self, world) {
            simulator.connect(namespace, world);
        }
        self.tell(objects, namespace, world, Verb::Create).await
    }

    /// Tells a namespace once more, after a change of its world.
    pub(super) async fn reconnect(
        &self,
        objects: &Objects,
        namespace: &str,
        world: &WorldHandle,
    ) -> Result<(), TargetError> {
        if let Self::Deployed { simulator, .. } = self {
            simulator.republish(world).await?;
        }
        self.tell(objects, namespace, Some(world), Verb::Merge).await
    }

    async fn tell(
        &self,
        objects: &Objects,
        namespace: &str,
        world: Option<&WorldHandle>,
        verb: Verb,
    ) -> Result<(), TargetError> {
        match self {
            Self::Local { files, .. } | Self::Deployed { told: Told::Surroundings { files }, .. } => {
                surround(objects.client(), namespace, world, files).await
            }
            Self::Deployed { simulator, told: Told::Admission { .. } } => {
                let Some(world) = world else { return Ok(()) };
                let Some(address) = simulator.address(world).await? else { return Ok(()) };
                let object = admission::world(namespace, &address, &hosts(&world.names()), &world.public_authority());
                let kind = objects.kinds.of(&object).await?;
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let validation = Validation::Strict;
                let write = Write { kind: &kind, namespace, name, verb, status: false, validation, body: &object };
                objects.write(&write).await?.accepted("ConfigMap")?;
                Ok(())
            }
            Self::None(_) => Ok(()),
        }
    }

    /// Where this process reaches a server of the world that a namespace knows.
    pub(super) async fn dial(&self, namespace: &str, host: &str, port: u16) -> Option<SocketAddr> {
        match self {
            Self::Deployed { simulator, .. } => simulator.dial(namespace, host, port).await,
            Self::Local { .. } | Self::None(_) => None,
        }
    }

    /// Forgets a namespace.
    pub(super) async fn forget(&self, namespace: &str) -> Result<(), TargetError> {
        match self {
            Self::Deployed { simulator, .. } => simulator.disconnect(namespace).await,
            Self::Local { .. } | Self::None(_) => Ok(()),
        }
    }

    /// Removes what the worlds of the run needed.
    pub(super) async fn end(&self, objects: &Objects) {
        if let Self::Deployed { simulator, told } = self {
            if let Told::Admission { run } = told {
                admission::remove(objects, run).await;
            }
            simulator.end().await;
        }
    }
}

/// Tells an embedded cluster what the pods of a namespace shall know.
async fn surround(
    client: &Client,
    namespace: &str,
    world: Option<&WorldHandle>,
    files: &TempDir,
) -> Result<(), TargetError> {
    let path = format!("/embedded/namespaces/{namespace}");
    let Resolver { resolver } = send(client, "GET", &path, Vec::new()).await?;
    let outside = Outside::of(namespace, resolver, world, files.path())?;
    let body = serde_json::to_vec(&outside).map_err(|error| TargetError::World(error.to_string()))?;
    send::<Value>(client, "PUT", &path, body).await.map(drop)
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
