//! The default target: an embedded Kubernetes, a node that runs our programs, and a simulator in this process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use embedded_cluster::cluster::{Cluster, ClusterOptions};
use embedded_cluster::node::{PodContext, Program};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use serde_json::{Value, json};
use simulator::{Simulator, SimulatorOptions};
use tempfile::TempDir;
use tokio::process::Command;

use super::{Programs, Target, TargetError};
use crate::causes::chain;
use crate::diagnostic::Source;
use crate::language::{Library, Moment, Validation};
use crate::objects::{ApiError, Objects, Verb, Write, watch};
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
    surroundings: Arc<Mutex<BTreeMap<String, Surroundings>>>,
    files: TempDir,
}

/// What the processes of a namespace are told of their world.
#[derive(Clone, Debug, Default)]
struct Surroundings {
    connect_to: String,
    trust: PathBuf,
}

impl Surroundings {
    fn environment(&self, pod: &PodContext) -> Vec<(String, String)> {
        vec![
            ("VMCP_DNS_SERVER".to_owned(), pod.dns.to_string()),
            ("VMCP_CONNECT_TO".to_owned(), self.connect_to.clone()),
            ("SSL_CERT_FILE".to_owned(), self.trust.display().to_string()),
        ]
    }
}

impl Embedded {
    /// Starts the cluster, installs the operator from its own manifests and waits until it is ready.
    pub async fn start(options: EmbeddedOptions) -> Result<Self, TargetError> {
        let surroundings: Arc<Mutex<BTreeMap<String, Surroundings>>> = Arc::default();
        let of_pod = {
            let surroundings = surroundings.clone();
            move |pod: &PodContext| {
                let surroundings = surroundings.lock().unwrap_or_else(PoisonError::into_inner);
                match surroundings.get(&pod.namespace) {
                    Some(known) => known.environment(pod),
                    None => vec![("VMCP_DNS_SERVER".to_owned(), pod.dns.to_string())],
                }
            }
        };
        let images = BTreeMap::from([
            (OPERATOR_IMAGE.to_owned(), Program::new(options.programs.operator.clone())),
            (VMCP_IMAGE.to_owned(), Program { path: options.programs.vmcp.clone(), environment: Arc::new(of_pod) }),
        ]);
        let cluster = Cluster::start(ClusterOptions { images, ..ClusterOptions::default() })
            .await
            .map_err(|error| TargetError::Cluster(chain(&error)))?;
        let simulator = Simulator::start(SimulatorOptions {
            addresses: cluster.world_block().into(),
            ..SimulatorOptions::default()
        })
        .await
        .map_err(|error| TargetError::World(chain(&error)))?;
        let files = tempfile::tempdir()
            .map_err(|source| TargetError::File { file: std::env::temp_dir().display().to_string(), source })?;
        let target = Self { objects: Objects::new(cluster.client()), cluster, simulator, surroundings, files };
        match target.install(&options.programs.operator).await {
            Ok(()) => Ok(target),
            Err(error) => {
                target.shutdown().await;
                Err(error)
            }
        }
    }

    /// Ends every pod and the cluster.
    pub async fn shutdown(self) {
        self.cluster.shutdown().await;
    }

    async fn install(&self, operator: &Path) -> Result<(), TargetError> {
        let source = Source::new("operator manifests", self.manifests(operator).await?);
        let manifests = Library::objects(&source).map_err(|error| TargetError::Cluster(error.to_string()))?;
        for object in &manifests {
            self.create(object).await?;
        }
        let crds = manifests.iter().filter(|object| object["kind"] == "CustomResourceDefinition");
        for crd in crds {
            self.until(crd, "is established", |live| condition(live, "Established") == Some("True")).await?;
        }
        let deployments = manifests.iter().filter(|object| object["kind"] == "Deployment");
        for deployment in deployments {
            self.until(deployment, "is available", |live| condition(live, "Available") == Some("True")).await?;
        }
        Ok(())
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

    async fn create(&self, object: &Value) -> Result<(), ApiError> {
        let kind = self.objects.kinds.of(object).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let namespace = text(&object["metadata"]["namespace"]);
        let name = text(&object["metadata"]["name"]);
        let answer = self
            .objects
            .write(&Write {
                kind: &kind,
                namespace: &namespace,
                name: &name,
                verb: Verb::Create,
                status: false,
                validation: Validation::Strict,
                body: object,
            })
            .await?;
        answer.accepted(&format!("{} {name}", kind.kind)).map(|_| ())
    }

    async fn until(&self, object: &Value, what: &str, holds: impl Fn(&Value) -> bool) -> Result<(), TargetError> {
        let within = Moment::Ready.ordinary();
        let kind = self.objects.kinds.of(object).await?;
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let mut last = Value::Null;
        let mut versions = watch(self.objects.client(), &kind, namespace, Some(name), None);
        let waiting = async {
            while let Some(seen) = versions.next().await {
                if let Some(live) = seen.get(name) {
                    if holds(live) {
                        return;
                    }
                    last = live["status"].clone();
                }
            }
        };
        if tokio::time::timeout(within, waiting).await.is_ok() {
            return Ok(());
        }
        let mut state = format!("its status is {last}");
        if kind.kind == "Deployment" {
            state.push_str(&self.pod_states(namespace).await);
        }
        Err(TargetError::NotReady { what: format!("{} {name} {what}", kind.kind), within, state })
    }

    async fn pod_states(&self, namespace: &str) -> String {
        let Ok(kind) = self.objects.kinds.named("pod").await else {
            return String::new();
        };
        let pods = self.objects.list(&kind, namespace, None).await.unwrap_or_default();
        let mut text = String::new();
        for pod in pods {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let logs = self.cluster.logs(namespace, name).await;
            let tail: Vec<&str> = logs.lines().rev().take(5).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            let _ = write!(text, "; pod {name} wrote: {}", tail.join(" / "));
        }
        text
    }
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)?["status"].as_str()
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

    fn make_namespace<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), TargetError>> {
        async move {
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            self.create(&object).await?;
            // What the cluster itself puts into every namespace is no scenario's doing: it must be there before.
            for (kind, own) in [("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")] {
                let object = json!({
                    "apiVersion": "v1",
                    "kind": kind,
                    "metadata": {"name": own, "namespace": name},
                });
                self.until(&object, "is there", |_| true).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn remove_namespace<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), TargetError>> {
        async move {
            let kind = self.objects.kinds.named("namespace").await?;
            self.objects.delete(&kind, "", name).await?;
            Ok(())
        }
        .boxed()
    }

    fn start_world(&self, world: World) -> BoxFuture<'_, Result<WorldHandle, TargetError>> {
        async move { self.simulator.add_world(world).await.map_err(|error| TargetError::World(chain(&error))) }.boxed()
    }

    fn connect_world(&self, namespace: &str, world: &WorldHandle) -> Result<(), TargetError> {
        let names = world.names();
        let failed = |file: &Path, source| TargetError::File { file: file.display().to_string(), source };
        let addresses = names.iter().map(|name| (name.host.clone(), name.address)).collect();
        self.cluster
            .dns()
            .set_names(namespace, addresses)
            .map_err(|error| TargetError::Cluster(format!("DNS for {namespace}: {error}")))?;
        let connect_to: Vec<String> = names
            .iter()
            .flat_map(|name| name.ports.iter().map(|(port, address)| format!("{}:{port}={address}", name.host)))
            .collect();
        let trust = self.files.path().join(format!("{namespace}.pem"));
        let public = world.ca_pem("public").unwrap_or_default();
        std::fs::write(&trust, public).map_err(|error| failed(&trust, error))?;
        let known = Surroundings { connect_to: connect_to.join(","), trust };
        self.surroundings.lock().unwrap_or_else(PoisonError::into_inner).insert(namespace.to_owned(), known);
        Ok(())
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
}
