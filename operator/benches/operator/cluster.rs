//! An API server over TLS with our kinds, many objects in it, and the operator as a program.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, ensure};
use embedded_cluster::{ApiServer, Served};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Namespace};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
    discovery::pinned_kind,
    runtime::{WatchStreamExt, conditions::is_crd_established, wait::await_condition, watcher},
};
use operator::{cli::InstallOptions, run::LEASE};
use operator_api::{MCPGroup, MCPServerEntry};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// The namespace of every object.
pub(crate) const NAMESPACE: &str = "tools";
/// How many objects are created at once.
const CONCURRENCY: usize = 16;

/// The name of an entry.
pub(crate) fn entry_name(number: usize) -> String {
    format!("entry-{number:05}")
}

/// An API server, and an administrator's client without a network between.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    api: ApiServer,
    served: Served,
    kubeconfig: tempfile::NamedTempFile,
}

impl Cluster {
    /// Starts an API server on which the operator's manifests are applied.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let api = ApiServer::default();
        let served = api.serve(([127, 0, 0, 1], 0).into()).await?;
        let client = api.client(NAMESPACE);
        let kubeconfig = tempfile::NamedTempFile::new()?;
        let cluster = Self { client, api, served, kubeconfig };
        let mut objects =
            serde_saphyr::from_multiple::<DynamicObject>(&operator::manifests::install(&InstallOptions::default())?)?;
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        objects.push(serde_json::from_value(namespace)?);
        for object in objects {
            cluster.apply(&object).await?;
        }
        for crd in operator_api::crds() {
            await_condition(Api::all(cluster.client.clone()), &crd.name_any(), is_crd_established()).await?;
        }
        Ok(cluster)
    }

    async fn apply(&self, object: &DynamicObject) -> anyhow::Result<()> {
        let kind = GroupVersionKind::try_from(object.types.as_ref().context("an object has a kind")?)?;
        let (resource, _) = pinned_kind(&self.client, &kind).await?;
        let api: Api<DynamicObject> = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        api.patch(&object.name_any(), &PatchParams::apply("bench"), &Patch::Apply(object)).await?;
        Ok(())
    }

    /// Starts the operator, with the rights of its manifests, and waits until it leads.
    pub(crate) async fn operator(&self) -> anyhow::Result<Operator> {
        let namespace = InstallOptions::default().namespace;
        let token = self.api.issue_token(&namespace, operator::NAME);
        std::fs::write(self.kubeconfig.path(), self.served.kubeconfig(Some(&token)))?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_operator"))
            .args(["run", "--health-address=127.0.0.1:0", "--leader-elect", "--pod-name=bench"])
            .arg(format!("--lease-namespace={namespace}"))
            .env("KUBECONFIG", self.kubeconfig.path())
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("failed to start the operator")?;
        let output = child.stdout.take().context("the operator has a standard output")?;
        let line = BufReader::new(output).lines().next_line().await?;
        ensure!(line.as_deref().is_some_and(|line| line.starts_with("ready")), "the operator said {line:?}");
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), &namespace);
        await_condition(leases, LEASE, |lease: Option<&Lease>| lease.is_some()).await?;
        Ok(Operator(child))
    }

    /// Creates `groups` groups and `entries` entries in them.
    pub(crate) async fn fill(&self, entries: usize, groups: usize) -> anyhow::Result<()> {
        let api: Api<MCPGroup> = Api::namespaced(self.client.clone(), NAMESPACE);
        for number in 0..groups {
            let group = json!({"metadata": {"name": format!("group-{number:03}")}, "spec": {}});
            api.create(&PostParams::default(), &serde_json::from_value(group)?).await?;
        }
        let api: Api<MCPServerEntry> = Api::namespaced(self.client.clone(), NAMESPACE);
        stream::iter((0..entries).map(anyhow::Ok))
            .try_for_each_concurrent(CONCURRENCY, |number| {
                let api = api.clone();
                async move {
                    let entry = json!({
                        "metadata": {"name": entry_name(number)},
                        "spec": {
                            "groupRef": {"name": format!("group-{:03}", number % groups)},
                            "remoteUrl": format!("https://mcp-{number}.example.com/mcp"),
                            "transport": "streamable-http",
                            "headerForward": {"addPlaintextHeaders": {"X-Tenant-ID": format!("tenant-{number}")}},
                        },
                    });
                    api.create(&PostParams::default(), &serde_json::from_value(entry)?).await?;
                    Ok(())
                }
            })
            .await
    }

    /// The latest version of anything in the API server: it grows by one with every write.
    pub(crate) async fn version(&self) -> anyhow::Result<u64> {
        let list = Api::<Namespace>::all(self.client.clone()).list(&ListParams::default()).await?;
        Ok(list.metadata.resource_version.context("a list has a version")?.parse()?)
    }

    /// Counts the writes of the Lease, and those of anything else, while `period` passes. Versions grow by one with every
    /// write, so what lies between two versions of the Lease is exact.
    pub(crate) async fn writes(&self, period: Duration) -> anyhow::Result<(u64, u64)> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), &InstallOptions::default().namespace);
        let leases = watcher(leases, watcher::Config::default()).applied_objects();
        let leases: Vec<_> = leases.take_until(tokio::time::sleep(period)).try_collect().await?;
        let version = |lease: Option<&Lease>| {
            anyhow::Ok(lease.context("there is a Lease")?.resource_version().unwrap_or_default().parse::<u64>()?)
        };
        let writes = version(leases.last())? - version(leases.first())?;
        let renewals = leases.len() as u64 - 1;
        Ok((renewals, writes - renewals))
    }

    /// Waits until nothing but the Lease is written for two seconds.
    pub(crate) async fn rest(&self) -> anyhow::Result<()> {
        loop {
            let before = self.version().await?;
            tokio::time::sleep(Duration::from_secs(2)).await;
            // The Lease is renewed every two seconds.
            if self.version().await? - before <= 2 {
                return Ok(());
            }
        }
    }
}

/// The operator as a process.
pub(crate) struct Operator(Child);

impl Operator {
    /// Its resident memory, in MiB.
    pub(crate) fn resident(&self) -> anyhow::Result<f64> {
        let id = self.0.id().context("the operator has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).context("memory is read from /proc")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS in /proc")?;
        let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kibibytes / 1024.0)
    }

    /// Ends it.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        self.0.kill().await?;
        Ok(())
    }
}
