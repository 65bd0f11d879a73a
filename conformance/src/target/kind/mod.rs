//! A kind cluster that the runner makes, with our images and our chart, and deletes afterwards.

mod tools;

use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;
use tempfile::TempDir;

use self::tools::Invocation;
use super::{Connection, Existing, Interruption, TargetError, folder};

/// What the cluster is like.
const CONFIG: &str = include_str!("../../../../kind-config.yaml");

/// Where the chart goes.
const NAMESPACE: &str = "toolhive-system";
const RELEASE: &str = "toolhive-operator";

/// The images, as `deploy/images.sh` names them.
const IMAGES: [&str; 3] = ["ghcr.io/waggle/operator", "ghcr.io/waggle/vmcp", SIMULATOR];
const SIMULATOR: &str = "ghcr.io/waggle/simulator";

/// The addresses of the cluster's Services, as the configuration has them: gateways may connect to those of the simulated world,
/// by every class of URLs that it has.
const SERVICES: &str = "10.96.0.0/16";
const CLASSES: [&str; 5] = ["remote", "proxied", "oidc", "token", "otlp"];

/// How the target starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindOptions {
    /// The name of the cluster, which must not be there yet.
    pub cluster: String,
    /// The tag of the images, which the container engine of this machine must have.
    pub image_tag: String,
    /// The chart: a folder, or whatever else helm takes.
    pub chart: String,
}

/// A cluster that the runner made.
pub(super) struct KindCluster {
    options: KindOptions,
    files: TempDir,
}

/// The commands of a run, in their order.
struct Plan<'a> {
    options: &'a KindOptions,
    kubeconfig: &'a Path,
}

impl Plan<'_> {
    fn images(&self) -> Vec<String> {
        IMAGES.iter().map(|image| format!("{image}:{}", self.options.image_tag)).collect()
    }

    fn simulator_image(&self) -> String {
        format!("{SIMULATOR}:{}", self.options.image_tag)
    }

    /// Which clusters there are.
    fn list() -> Invocation {
        Invocation::new("kind", ["get", "clusters"])
    }

    /// Whether the images are there.
    fn inspect(&self) -> Invocation {
        let images = self.images();
        Invocation::new("docker", ["image", "inspect", "--format", "{{.Id}}"].into_iter().chain(words(&images)))
    }

    fn create(&self) -> Invocation {
        let kubeconfig = self.kubeconfig.to_string_lossy();
        let arguments =
            ["create", "cluster", "--name", &self.options.cluster, "--kubeconfig", &kubeconfig, "--config", "-"];
        Invocation { stdin: Some(CONFIG), ..Invocation::new("kind", arguments.into_iter().chain(["--wait", "2m"])) }
    }

    fn load(&self) -> Invocation {
        let images = self.images();
        let name = ["--name", &self.options.cluster];
        Invocation::new("kind", ["load", "docker-image"].into_iter().chain(words(&images)).chain(name))
    }

    fn install(&self) -> Invocation {
        let kubeconfig = self.kubeconfig.to_string_lossy();
        let operator = format!("operator.image.tag={}", self.options.image_tag);
        let gateway = format!("gateway.image.tag={}", self.options.image_tag);
        let place = ["install", RELEASE, &self.options.chart, "--namespace", NAMESPACE, "--create-namespace"];
        let ranges: Vec<String> = CLASSES.iter().map(|class| format!("\"{class}={SERVICES}\"")).collect();
        let egress = format!("gateway.egressAllow=[{}]", ranges.join(","));
        let values = ["--set-string", &operator, "--set-string", &gateway, "--set-json", &egress];
        let how = ["--kubeconfig", &kubeconfig, "--wait", "--timeout", "3m"];
        Invocation::new("helm", place.into_iter().chain(values).chain(how))
    }

    fn delete(&self) -> Invocation {
        let kubeconfig = self.kubeconfig.to_string_lossy();
        Invocation::new("kind", ["delete", "cluster", "--name", &self.options.cluster, "--kubeconfig", &kubeconfig])
    }
}

fn words(texts: &[String]) -> impl Iterator<Item = &str> {
    texts.iter().map(String::as_str)
}

/// Every command of a run, as a shell takes it.
pub fn dry_run(options: &KindOptions) -> String {
    let plan = Plan { options, kubeconfig: Path::new("conformance.kubeconfig") };
    let before = [Plan::list(), plan.inspect(), plan.create(), plan.load(), plan.install()];
    let before = before.iter().map(ToString::to_string);
    let after = ["# the scenarios".to_owned(), plan.delete().to_string(), String::new()];
    before.chain(after).collect::<Vec<_>>().join("\n")
}

/// Makes the cluster, installs our implementation and connects. What fails, or is interrupted by Ctrl-C, leaves no
/// cluster behind.
///
/// # Errors
///
/// [`TargetError::Usage`] when the cluster is there already or the images are not, [`TargetError::Interrupted`] after
/// Ctrl-C, others when a program fails or the operator does not come up.
pub async fn start_kind(options: KindOptions, stage: impl Fn(&str)) -> Result<Existing, TargetError> {
    let clusters = Plan::list().run().await?;
    if clusters.lines().any(|name| name.trim() == options.cluster) {
        let name = &options.cluster;
        let message =
            format!("there is a kind cluster `{name}` already: choose another name with --cluster, or delete that one");
        return Err(TargetError::Usage(message));
    }
    let cluster = KindCluster { options, files: folder()? };
    let kubeconfig = cluster.kubeconfig();
    let plan = Plan { options: &cluster.options, kubeconfig: &kubeconfig };
    if let Err(error) = plan.inspect().run().await {
        let images = plan.images().join(", ");
        let message = format!("the images {images} are needed; deploy/images.sh builds them: {error}");
        return Err(TargetError::Usage(message));
    }
    let interruption = Interruption::by_ctrl_c();
    let connecting = async {
        stage("creating the kind cluster");
        plan.create().run().await?;
        stage("loading the images");
        plan.load().run().await?;
        stage("installing the chart");
        plan.install().run().await?;
        let read = Kubeconfig::read_from(&kubeconfig);
        let read = read.map_err(|error| TargetError::Usage(format!("kind wrote no usable kubeconfig: {error}")))?;
        let connection = Connection::of(read, None).await?;
        Existing::start(connection, Some(&plan.simulator_image()), &interruption).await
    };
    match interruption.or(Box::pin(connecting)).await {
        Ok(target) => Ok(target.made_by(cluster)),
        Err(error) => {
            stage("deleting the kind cluster");
            cluster.delete().await;
            Err(error)
        }
    }
}

impl KindCluster {
    fn kubeconfig(&self) -> PathBuf {
        self.files.path().join("kubeconfig")
    }

    /// Deletes the cluster.
    pub(super) async fn delete(self) {
        let kubeconfig = self.kubeconfig();
        let plan = Plan { options: &self.options, kubeconfig: &kubeconfig };
        if let Err(error) = plan.delete().run().await {
            tracing::warn!("the kind cluster {} may still be there: {error}", self.options.cluster);
        }
    }
}
