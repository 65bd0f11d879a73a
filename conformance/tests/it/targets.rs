//! The program's targets: what it says when one cannot be used, and that all of them give the same verdicts.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use conformance::diagnostic::Source;
use conformance::objects::Objects;
use conformance::target::{Programs, install};
use embedded_cluster::{ApiOptions, ApiServer};
use futures::TryStreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::conditions::is_deleted;
use kube::runtime::wait::await_condition;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Config, ResourceExt};
use serde_json::{Value, json};

/// A scenario of each sort: admission, status alone, a gateway that is called, a world whose authority is private and
/// changes, another namespace, an operator that is away, and streams that stay open.
const SCENARIOS: [&str; 7] = [
    "entry/required-fields",
    "entry/missing-group",
    "entry/complete-example",
    "entry/rotated-ca",
    "entry/same-names-*",
    "entry/operator-down",
    "proxy-crd/pass-through",
];

/// What the simulator's program stands for.
const SIMULATOR_IMAGE: &str = "localhost/simulator";

/// The program, with a kubeconfig.
fn conformance(kubeconfig: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
    command.args(arguments).env("KUBECONFIG", kubeconfig).stdin(Stdio::null());
    command
}

/// The exit code, and the last line of stderr.
fn said(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text.lines().last().unwrap_or_default().to_owned())
}

fn refusal(kubeconfig: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    said(&conformance(kubeconfig, arguments).output().unwrap())
}

#[test]
fn what_cannot_be_used_is_told_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none");
    let (code, message) = refusal(&missing, &["run", "--target", "kubeconfig"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("none cannot be read") && message.ends_with("set KUBECONFIG to a file"), "{message}");
    let stray = refusal(&missing, &["run", "--yes"]);
    assert_eq!(stray, (Some(2), "--yes belongs to --target kubeconfig".to_owned()));
    let stray = refusal(&missing, &["run", "--target", "kubeconfig", "--programs", "/tmp"]);
    assert_eq!(stray, (Some(2), "--programs belongs to --target embedded".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_others_made_is_asked_for_and_must_have_an_operator() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let api = ApiServer::new(ApiOptions::default());
    let served = api.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, served.kubeconfig(None)).unwrap();
    let context = Kubeconfig::read_from(&file).unwrap().current_context.unwrap();
    let cluster = format!("the cluster {} (context {context})", served.url());
    let run = async |more: &[&str]| {
        let arguments = [&["run", "--target", "kubeconfig"], more].concat();
        said(&tokio::process::Command::from(conformance(&file, &arguments)).output().await.unwrap())
    };
    let message = format!("{cluster} was not made by this program: say --yes to play scenarios on it");
    assert_eq!(run(&[]).await, (Some(2), message));
    let message = format!("the kubeconfig has no context `other`; it has: {context}");
    assert_eq!(run(&["--yes", "--context", "other"]).await, (Some(2), message));
    let (code, message) = run(&["--yes"]).await;
    assert_eq!(code, Some(2));
    assert!(message.starts_with(&format!("{cluster} does not serve mcpgroups.toolhive.stacklok.dev, ")), "{message}");

    let objects = Objects::new(api.client("default"));
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/crds");
    for file in std::fs::read_dir(crds).unwrap() {
        let path = file.unwrap().path();
        let source = Source::new(path.display().to_string(), std::fs::read_to_string(&path).unwrap());
        install(&objects, &source).await.unwrap();
    }
    let (code, message) = run(&["--yes"]).await;
    assert_eq!(code, Some(2));
    assert!(message.starts_with(&format!("{cluster} has no operator: no Deployment has the label ")), "{message}");

    Box::pin(interrupted_while_the_simulator_starts(&api, &objects, &file)).await;

    served.shutdown().await;
    let (code, message) = run(&["--yes"]).await;
    assert_eq!(code, Some(3));
    assert!(message.starts_with(&format!("{cluster} does not answer: ")), "{message}");
}

/// Ctrl-C while the simulator's pod is waited for, which no controller makes here: its namespace is not left behind.
async fn interrupted_while_the_simulator_starts(api: &ApiServer, objects: &Objects, kubeconfig: &Path) {
    let operator = Source::new(
        "operator",
        r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "toolhive-system"}}
---
{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "toolhive-operator", "namespace": "toolhive-system",
 "labels": {"app.kubernetes.io/name": "toolhive-operator"}}, "spec": {"selector": {"matchLabels": {"a": "b"}},
 "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}"#
            .to_owned(),
    );
    let available = async {
        let deployments: Api<Deployment> = Api::namespaced(api.client("default"), "toolhive-system");
        let exists =
            await_condition(deployments.clone(), "toolhive-operator", |found: Option<&Deployment>| found.is_some());
        exists.await.unwrap();
        let replicas = json!({"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1, "availableReplicas": 1});
        let mut status = json!({"status": replicas});
        status["status"]["conditions"] = json!([{"type": "Available", "status": "True"}]);
        let patch = Patch::Merge(status);
        deployments.patch_status("toolhive-operator", &PatchParams::default(), &patch).await.unwrap();
    };
    let (installed, ()) = tokio::join!(install(objects, &operator), available);
    installed.unwrap();
    let namespaces: Api<Namespace> = Api::all(api.client("default"));
    let arguments = ["run", "--target", "kubeconfig", "--yes", "--simulator-image", "nowhere"];
    let mut command = tokio::process::Command::from(conformance(kubeconfig, &arguments));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut versions = pin!(watcher(namespaces, watcher::Config::default()).applied_objects());
    let mut next = async || {
        let version = tokio::time::timeout(Duration::from_mins(1), versions.try_next()).await;
        version.expect("no version of the namespace comes").unwrap().unwrap()
    };
    let of_run = |namespace: &Namespace| namespace.name_any().ends_with("-world");
    while !of_run(&next().await) {}
    let interrupt = Command::new("kill").args(["-INT", &child.id().unwrap().to_string()]).status().unwrap();
    assert!(interrupt.success());
    assert_eq!(said(&child.wait_with_output().await.unwrap()), (Some(130), "interrupted".to_owned()));
    // It goes for good once a controller has emptied it.
    loop {
        let namespace = next().await;
        if of_run(&namespace) && namespace.metadata.deletion_timestamp.is_some() {
            break;
        }
    }
}

/// A `cluster serve` of its own. It ends with this.
struct ClusterProcess {
    child: Child,
    folder: tempfile::TempDir,
}

impl ClusterProcess {
    fn start(programs: &Programs) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = |name: &str, program: &Path| format!("{name}={}", program.display());
        let mut child = Command::new(programs.operator.with_file_name("cluster"))
            .args(["serve", "--kubeconfig"])
            .arg(folder.path().join("kubeconfig"))
            .args(["--image", &image("localhost/operator", &programs.operator)])
            .args(["--image", &image("localhost/vmcp", &programs.vmcp)])
            .args(["--image", &image(SIMULATOR_IMAGE, &programs.operator.with_file_name("simulator"))])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready "), "{line}");
        Self { child, folder }
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig()).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        Client::try_from(config).unwrap()
    }

    /// Waits until the namespaces are gone that runs made.
    async fn is_left_as_it_was(&self) {
        let namespaces: Api<Namespace> = Api::all(self.client().await);
        for namespace in namespaces.list(&ListParams::default()).await.unwrap() {
            let name = namespace.name_any();
            if !["default", "toolhive-system"].contains(&name.as_str()) && !name.starts_with("kube-") {
                let uid = namespace.uid().unwrap();
                let gone = await_condition(namespaces.clone(), &name, is_deleted(&uid));
                tokio::time::timeout(Duration::from_mins(1), gone).await.expect(&name).unwrap();
            }
        }
    }

    async fn install_operator(&self, programs: &Programs) {
        let client = self.client().await;
        let request = http::Request::get("/embedded/addresses").body(Vec::new()).unwrap();
        let addresses: Value = client.request(request).await.unwrap();
        let mut command = Command::new(&programs.operator);
        command.args(["manifests", "--image", "localhost/operator", "--vmcp-image", "localhost/vmcp"]);
        // The world is in the runner's process, or a pod.
        for class in ["remote", "proxied", "oidc", "token", "workload"] {
            for block in ["world", "pods", "services"] {
                let block = addresses[block].as_str().unwrap();
                command.args(["--vmcp-egress-allow", &format!("{class}={block}")]);
            }
        }
        let manifests = String::from_utf8(command.output().unwrap().stdout).unwrap();
        install(&Objects::new(client), &Source::new("operator manifests", manifests)).await.unwrap();
    }
}

impl Drop for ClusterProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Scenarios and behaviours with their verdicts.
fn verdicts(report: &Path) -> Vec<(String, String)> {
    let report: Value = serde_json::from_slice(&std::fs::read(report.join("report.json")).unwrap()).unwrap();
    let entries = |list: &str| report[list].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = entries("scenarios").into_iter().chain(entries("catalogue"));
    all.map(|entry| (text(&entry["id"]), text(&entry["verdict"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_another_process_gives_the_verdicts_of_the_embedded_target() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let programs = tokio::task::spawn_blocking(Programs::find).await.unwrap().unwrap();
    let cluster = ClusterProcess::start(&programs);
    cluster.install_operator(&programs).await;
    let reports = tempfile::tempdir().unwrap();
    let mut outcomes = Vec::new();
    let folder = programs.operator.parent().unwrap().display().to_string();
    for (name, target) in [
        ("embedded", &["--target", "embedded", "--programs", &folder][..]),
        ("kubeconfig", &["--target", "kubeconfig", "--yes"]),
        ("with a simulator in it", &["--target", "kubeconfig", "--yes", "--simulator-image", SIMULATOR_IMAGE]),
    ] {
        let report = reports.path().join(name);
        let mut command = conformance(&cluster.kubeconfig(), &["run", "--report", &report.display().to_string()]);
        command.args(target);
        for pattern in SCENARIOS {
            command.args(["--only", pattern]);
        }
        let output = tokio::process::Command::from(command).output().await.unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
        outcomes.push(verdicts(&report));
    }
    cluster.is_left_as_it_was().await;
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(outcomes[0], outcomes[2]);
    assert!(outcomes[0].iter().filter(|(_, verdict)| verdict == "passed").count() >= SCENARIOS.len());
}
