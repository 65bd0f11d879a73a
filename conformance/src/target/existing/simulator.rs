//! A simulator in the cluster: its objects, its control by port-forward, and its worlds, each behind a Service.
//!
//! Worlds of one simulator share its pod and differ by port. A Service of its own gives each an address at which it is found under
//! the ports of its URLs, so that worlds with the same names live side by side.

use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use simulator::Name;
use tokio::time::timeout;

use super::forward::Forwards;
use crate::language::Validation;
use crate::objects::{Objects, Verb, Write};
use crate::target::{Interruption, TargetError, provision};
use crate::world::{ControlClient, RemoteWorld, World, WorldHandle};

/// Name of the Deployment, and of the Service of the control API.
const NAME: &str = "simulator";
/// Port of the control API.
const CONTROL_PORT: u16 = 9901;

/// A simulator that runs as a pod of the cluster.
pub(super) struct Deployed {
    objects: Objects,
    namespace: String,
    forwards: Forwards,
    control: ControlClient,
    next: AtomicU64,
    /// The worlds by the namespaces whose pods reach them.
    worlds: Mutex<BTreeMap<String, RemoteWorld>>,
}

impl Deployed {
    /// Runs the image in a namespace of its own, and waits until the control API answers. `control_host` is loopback as
    /// the pod sees it.
    pub(super) async fn start(
        objects: &Objects,
        run: &str,
        image: &str,
        control_host: &str,
        within: Duration,
        interruption: &Interruption,
    ) -> Result<Self, TargetError> {
        let namespace = format!("conformance-{run}-world");
        let forwards = Forwards::new(objects.client().clone());
        // Not interrupted: it could come into being after it was removed.
        provision::create(objects, &provision::namespace(&namespace, &json!({}))).await?;
        let deploying = Self::deploy(objects, &forwards, &namespace, image, control_host, within);
        match interruption.or(deploying).await {
            Ok(control) => Ok(Self {
                objects: Objects::new(objects.client().clone()),
                namespace,
                forwards,
                control,
                next: AtomicU64::new(1),
                worlds: Mutex::default(),
            }),
            Err(error) => {
                // The failure is what matters.
                let _ = provision::remove_namespace(objects, &namespace).await;
                Err(error)
            }
        }
    }

    async fn deploy(
        objects: &Objects,
        forwards: &Forwards,
        namespace: &str,
        image: &str,
        control_host: &str,
        within: Duration,
    ) -> Result<ControlClient, TargetError> {
        provision::until_filled(objects, namespace, within).await?;
        let deployment = deployment(namespace, image, control_host);
        provision::create(objects, &deployment).await?;
        let ports = BTreeMap::from([(CONTROL_PORT, CONTROL_PORT)]);
        provision::create(objects, &service(namespace, NAME, &ports)).await?;
        let is_available = |live: &Value| provision::condition(live, "Available") == Some("True");
        provision::until(objects, &deployment, "is available", within, is_available).await?;
        let unreachable = |reason: &str| TargetError::World(format!("the simulator in {namespace}: {reason}"));
        let address = forwards.dial(namespace, NAME, CONTROL_PORT).await;
        let address = address.ok_or_else(|| unreachable("its Service cannot be forwarded"))?;
        let control = ControlClient::new(&format!("http://{address}"));
        let control = control.map_err(|error| unreachable(&error.to_string()))?;
        let answers = timeout(within, RemoteWorld::ready(&control)).await;
        answers.map_err(|_| unreachable("its control API did not answer by port-forward"))?;
        Ok(control)
    }

    /// Brings a world to life, behind a Service of its name.
    pub(super) async fn start_world(&self, world: &World) -> Result<WorldHandle, TargetError> {
        let name = format!("world-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let started = RemoteWorld::start(self.control.clone(), &name, world).await;
        let world = started.map_err(|error| TargetError::World(error.to_string()))?;
        let handle = WorldHandle::There(world);
        let ports = ports(&handle.names());
        if !ports.is_empty() {
            provision::create(&self.objects, &service(&self.namespace, &name, &ports)).await?;
        }
        Ok(handle)
    }

    /// Remembers which world a namespace reaches.
    pub(super) fn connect(&self, namespace: &str, world: &WorldHandle) {
        if let WorldHandle::There(world) = world {
            self.lock().insert(namespace.to_owned(), world.clone());
        }
    }

    /// Makes the Service of a world serve the ports that its URLs have now.
    pub(super) async fn republish(&self, world: &WorldHandle) -> Result<(), TargetError> {
        let WorldHandle::There(remote) = world else { return Ok(()) };
        let ports = ports(&world.names());
        if ports.is_empty() {
            return Ok(());
        }
        let (namespace, name) = (self.namespace.as_str(), remote.name());
        let service = service(namespace, name, &ports);
        let kind = self.objects.kinds.of(&service).await?;
        if self.objects.read(&kind, namespace, name).await?.is_none() {
            return Ok(provision::create(&self.objects, &service).await?);
        }
        let body = json!({"spec": {"ports": service["spec"]["ports"]}});
        let (verb, validation) = (Verb::Merge, Validation::Strict);
        let write = Write { kind: &kind, namespace, name, verb, status: false, validation, body: &body };
        self.objects.write(&write).await?.accepted("Service")?;
        Ok(())
    }

    /// The address at which pods find a world; `None` when it has nothing that they could reach.
    pub(super) async fn address(&self, world: &WorldHandle) -> Result<Option<String>, TargetError> {
        let WorldHandle::There(remote) = world else { return Ok(None) };
        let kind = self.objects.kinds.named("service").await?;
        let service = self.objects.read(&kind, &self.namespace, remote.name()).await?.unwrap_or_default();
        Ok(service["spec"]["clusterIP"].as_str().map(str::to_owned))
    }

    /// Where this process reaches a server of the world that a namespace knows.
    pub(super) async fn dial(&self, namespace: &str, host: &str, port: u16) -> Option<SocketAddr> {
        let world = self.lock().get(namespace).cloned()?;
        let service = world.name().to_owned();
        let is_there = WorldHandle::There(world).names().iter().any(|name| name.host == host);
        if is_there { self.forwards.dial(&self.namespace, &service, port).await } else { None }
    }

    /// Forgets a namespace, and the Service of a world that no other namespace knows.
    pub(super) async fn disconnect(&self, namespace: &str) -> Result<(), TargetError> {
        let left = {
            let mut worlds = self.lock();
            let Some(world) = worlds.remove(namespace) else { return Ok(()) };
            let known: BTreeSet<_> = worlds.values().map(RemoteWorld::name).collect();
            (!known.contains(world.name())).then(|| world.name().to_owned())
        };
        if let Some(service) = left {
            let kind = self.objects.kinds.named("service").await?;
            self.objects.delete(&kind, &self.namespace, &service).await?;
        }
        Ok(())
    }

    /// Ends the simulator and all that it made.
    pub(super) async fn end(&self) {
        if let Err(error) = provision::remove_namespace(&self.objects, &self.namespace).await {
            tracing::warn!(%error, "the namespace {} was not removed", self.namespace);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, RemoteWorld>> {
        self.worlds.lock()
    }
}

/// The host names of a world that pods elsewhere can reach: not those that name the simulator's own pod.
pub(super) fn hosts(names: &[Name]) -> Vec<String> {
    reachable(names).map(|name| name.host.clone()).collect()
}

/// The ports of a world's URLs, and those of the pod that serve them.
fn ports(names: &[Name]) -> BTreeMap<u16, u16> {
    reachable(names).flat_map(|name| name.ports.iter().map(|(port, address)| (*port, address.port()))).collect()
}

fn reachable(names: &[Name]) -> impl Iterator<Item = &Name> {
    names.iter().filter(|name| name.host != "localhost" && name.host.parse::<IpAddr>().is_err())
}

fn service(namespace: &str, name: &str, ports: &BTreeMap<u16, u16>) -> Value {
    let port =
        |(port, target): (&u16, &u16)| json!({"name": format!("port-{port}"), "port": port, "targetPort": target});
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app.kubernetes.io/name": NAME}, "ports": ports.iter().map(port).collect::<Vec<_>>()},
    })
}

fn deployment(namespace: &str, image: &str, control_host: &str) -> Value {
    let labels = json!({"app.kubernetes.io/name": NAME});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": namespace, "labels": labels},
        "spec": {
            // It holds the worlds in memory.
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [{
                        "name": NAME,
                        "image": image,
                        "args": [
                            "serve",
                            "--listen=0.0.0.0",
                            format!("--control={control_host}:{CONTROL_PORT}"),
                        ],
                        "env": [{"name": "RUST_LOG", "value": "warn"}],
                        "securityContext": {
                            "allowPrivilegeEscalation": false,
                            "readOnlyRootFilesystem": true,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }],
                },
            },
        },
    })
}
