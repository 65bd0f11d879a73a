//! The default target: an embedded Kubernetes, a node that runs our programs, and a simulator in this process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use embedded_cluster::cluster::{Cluster, ClusterOptions};
use embedded_cluster::node::Program;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use simulator::{Simulator, SimulatorOptions};
use tempfile::TempDir;
use tokio::process::Command;

use super::outside::{self, Outside};
use super::{Programs, Target, TargetError, machine, provision};
use crate::causes::chain;
use crate::diagnostic::Source;
use crate::language::{Image, Moment, Scenario};
use crate::objects::Objects;
use crate::world::{World, WorldHandle};

const OPERATOR_IMAGE: &str = "localhost/operator";
const VMCP_IMAGE: &str = "localhost/vmcp";
const OPERATOR_NAMESPACE: &str = "toolhive-system";

/// How the target starts.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// The programs that stand for the images.
    pub programs: Programs,
}

/// The embedded target.
pub struct Embedded {
    cluster: Cluster,
    simulator: Simulator,
    objects: Objects,
    server: PathBuf,
    files: TempDir,
}

impl Embedded {
    /// Starts the cluster, installs the operator from its own manifests and waits until it is ready.
    pub async fn start(options: EmbeddedOptions) -> Result<Self, TargetError> {
        let images = BTreeMap::from([
            (OPERATOR_IMAGE.to_owned(), Program::new(options.programs.operator.clone())),
            (VMCP_IMAGE.to_owned(), Program::new(options.programs.vmcp.clone())),
        ]);
        let cluster = Cluster::start(ClusterOptions { images, ..ClusterOptions::default() })
            .await
            .map_err(|error| TargetError::Cluster(chain(&error)))?;
        let simulator = Simulator::start(SimulatorOptions {
            addresses: cluster.world_block().into(),
            dns: Some(outside::NAME_SERVER),
            ..SimulatorOptions::default()
        })
        .await
        .map_err(|error| TargetError::World(chain(&error)))?;
        let files = super::folder()?;
        let server = options.programs.simulator;
        let target = Self { objects: Objects::new(cluster.client()), cluster, simulator, server, files };
        match target.install(&options.programs.operator).await {
            Ok(()) => Ok(target),
            Err(error) => {
                target.shutdown().await;
                Err(error)
            }
        }
    }

    /// Why scenarios like this cannot be played on this machine, if so.
    pub fn lacks(scenario: &Scenario) -> Option<String> {
        machine::lacks(scenario)
    }

    /// Ends every pod and the cluster.
    pub async fn shutdown(self) {
        self.cluster.shutdown().await;
    }

    async fn install(&self, operator: &Path) -> Result<(), TargetError> {
        let source = Source::new("operator manifests", self.manifests(operator).await?);
        provision::install(&self.objects, &source).await
    }

    /// What `operator manifests` prints: pods may reach the world by every class that has one, and each other.
    async fn manifests(&self, operator: &Path) -> Result<String, TargetError> {
        let failed = |reason: String| TargetError::Cluster(format!("`operator manifests`: {reason}"));
        let mut command = Command::new(operator);
        command.args(["manifests", "--namespace", OPERATOR_NAMESPACE]).args([
            "--image",
            OPERATOR_IMAGE,
            "--vmcp-image",
            VMCP_IMAGE,
        ]);
        for class in ["remote", "proxied", "oidc", "token", "otlp"] {
            command.args(["--vmcp-egress-allow".to_owned(), format!("{class}={}", self.cluster.world_block())]);
        }
        for block in [self.cluster.pod_block(), self.cluster.service_block()] {
            command.args(["--vmcp-egress-allow".to_owned(), format!("workload={block}")]);
        }
        let output = command.output().await.map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        String::from_utf8(output.stdout).map_err(|error| failed(error.to_string()))
    }

    fn tell(&self, namespace: &str, world: Option<&WorldHandle>) -> Result<(), TargetError> {
        let failed = |error| TargetError::Cluster(format!("DNS for {namespace}: {error}"));
        let around = self.cluster.surroundings();
        let resolver = around.resolver(namespace).map_err(failed)?;
        let outside = Outside::of(namespace, resolver, world, self.files.path())?;
        around.set_names(namespace, outside.names).map_err(failed)?;
        around.delegate(namespace, outside.delegated).map_err(failed)?;
        around.set_environment(namespace, outside.environment);
        Ok(())
    }

    /// Has programs of this machine stand for `images` in a namespace.
    fn serve_images(&self, namespace: &str, images: &BTreeMap<String, Image>) -> Result<(), TargetError> {
        let mut programs = BTreeMap::new();
        for (number, (name, image)) in images.iter().enumerate() {
            let program = match image {
                Image::Server(world) => self.simulated(&format!("{namespace}-image-{number}"), world)?,
                Image::Program(program) => Program::new(machine::find(*program).map_err(TargetError::Usage)?),
            };
            programs.insert(name.clone(), program);
        }
        self.cluster.surroundings().set_images(namespace, programs);
        Ok(())
    }

    /// An MCP server: a process of the simulator with a world of its own, in a file of that name.
    fn simulated(&self, name: &str, world: &World) -> Result<Program, TargetError> {
        let place = self.files.path().join(name);
        let (file, authorities) = (place.with_extension("yaml"), place.display().to_string());
        let file_name = file.display().to_string();
        std::fs::write(&file, world.written().to_string())
            .map_err(|source| TargetError::File { file: file_name.clone(), source })?;
        let arguments = ["serve", "--exact-ports", "--listen", "0.0.0.0", "--ca-dir", &authorities, &file_name];
        Ok(Program::new(self.server.clone()).with_arguments(arguments))
    }
}

impl Target for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn objects(&self) -> &Objects {
        &self.objects
    }

    fn operator_namespace(&self) -> &str {
        OPERATOR_NAMESPACE
    }

    fn allows(&self, moment: Moment) -> Duration {
        moment.ordinary()
    }

    fn cannot_play(&self, scenario: &Scenario) -> Option<String> {
        Self::lacks(scenario)
    }

    fn make_namespace<'a>(
        &'a self,
        name: &'a str,
        world: Option<&'a WorldHandle>,
        images: &'a BTreeMap<String, Image>,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        async move {
            self.tell(name, world)?;
            self.serve_images(name, images)?;
            provision::make_namespace(&self.objects, name, &json!({}), self.allows(Moment::Ready)).await
        }
        .boxed()
    }

    fn remove_namespace<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), TargetError>> {
        provision::remove_namespace(&self.objects, name).boxed()
    }

    fn start_world(&self, world: World) -> BoxFuture<'_, Result<WorldHandle, TargetError>> {
        async move {
            let started = self.simulator.add_world(world.into_description()).await;
            started.map(WorldHandle::from).map_err(|error| TargetError::World(chain(&error)))
        }
        .boxed()
    }

    fn reconnect_world<'a>(
        &'a self,
        namespace: &'a str,
        world: &'a WorldHandle,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        async move { self.tell(namespace, Some(world)) }.boxed()
    }

    fn dial<'a>(&'a self, namespace: &'a str, host: &'a str, port: u16) -> BoxFuture<'a, Option<SocketAddr>> {
        self.cluster.resolve(namespace, host, port).boxed()
    }

    fn logs<'a>(&'a self, namespace: &'a str, pod: &'a str) -> BoxFuture<'a, String> {
        self.cluster.logs(namespace, pod).boxed()
    }

    fn kubeconfig(&self) -> String {
        self.cluster.kubeconfig()
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.shutdown().boxed()
    }
}
