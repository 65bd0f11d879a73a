//! The program `cluster`, as its users start it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::node_support::{SHELL, bounded};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
    command.kill_on_drop(true);
    command
}

async fn serve(kubeconfig: &Path) -> (Child, kube::Client) {
    let mut child = program()
        .args(["serve", "--image", &format!("{SHELL}=/bin/sh"), "--kubeconfig"])
        .arg(kubeconfig)
        // What a killed cluster leaves behind goes with the test's folder.
        .env("TMPDIR", kubeconfig.parent().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = bounded(lines.next_line()).await.unwrap().unwrap();
    let url = line.strip_prefix("ready ").unwrap();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = Kubeconfig::read_from(kubeconfig).unwrap();
    assert_eq!(config.clusters[0].cluster.as_ref().unwrap().server.as_deref(), Some(url));
    let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.unwrap();
    (child, kube::Client::try_from(config).unwrap())
}

/// Starts a pod with two processes; their ids.
async fn start_processes(client: &kube::Client) -> Vec<String> {
    let pods = Api::<Pod>::namespaced(client.clone(), "default");
    let script = "sleep 600 & echo ids $$ $!; wait";
    let container = json!({"name": "main", "image": SHELL, "args": ["-c", script]});
    let pod = json!({"metadata": {"name": "web"}, "spec": {"containers": [container]}});
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    bounded(async {
        loop {
            let log = pods.logs("web", &LogParams::default()).await.unwrap_or_default();
            if let Some(ids) = log.lines().find_map(|line| line.strip_prefix("ids ")) {
                return ids.split(' ').map(str::to_owned).collect();
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// Sends a signal; whether the process is there.
fn signal(name: &str, id: &str) -> bool {
    let script = format!("kill -s {name} {id} 2>/dev/null");
    std::process::Command::new("/bin/sh").args(["-c", &script]).status().unwrap().success()
}

/// Waits until a process is gone. The system tells of the end of children only, and these are none of ours.
async fn end_of(id: &str) {
    bounded(async {
        while signal("0", id) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn no_process_outlives_a_cluster_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let (mut cluster, client) = serve(&kubeconfig).await;
    assert_eq!(std::fs::metadata(&kubeconfig).unwrap().permissions().mode() & 0o777, 0o600);
    let processes = start_processes(&client).await;
    assert_eq!(processes.len(), 2);
    cluster.kill().await.unwrap();
    for process in &processes {
        end_of(process).await;
    }
}

#[tokio::test]
async fn an_interrupted_cluster_cleans_up_and_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let (mut cluster, client) = serve(&folder.path().join("kubeconfig")).await;
    let processes = start_processes(&client).await;
    let id = cluster.id().unwrap().to_string();
    assert!(signal("INT", &id));
    assert!(bounded(cluster.wait()).await.unwrap().success());
    for process in &processes {
        end_of(process).await;
    }
}

/// Runs a command against a running cluster; its code, stdout and stderr.
async fn control(kubeconfig: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = bounded(program().args(arguments).env("KUBECONFIG", kubeconfig).output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_running_cluster_is_made_to_fail_from_another_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let (_cluster, client) = serve(&kubeconfig).await;
    let added =
        control(&kubeconfig, &["fault", "add", "status=500,verb=list,resource=pods,user=kubernetes-admin"]).await;
    assert_eq!(added, (0, "id 1\n".to_owned(), String::new()));
    let pods = Api::<Pod>::namespaced(client, "default");
    let refused = pods.list(&kube::api::ListParams::default()).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 500));
    let (_, list, _) = control(&kubeconfig, &["fault", "list"]).await;
    assert!(list.contains("fault 1  status=500,verb=list,resource=pods,user=kubernetes-admin  met by "), "{list}");
    assert!(list.contains("controller kube-scheduler  running"), "{list}");
    assert_eq!(control(&kubeconfig, &["fault", "clear", "1"]).await.1, "cleared 1\n");
    pods.list(&kube::api::ListParams::default()).await.unwrap();

    assert_eq!(control(&kubeconfig, &["compact"]).await.0, 0);
    let (_, dropped, _) = control(&kubeconfig, &["drop-watches", "pods"]).await;
    assert!(dropped.starts_with("dropped "), "{dropped}");
    assert_eq!(control(&kubeconfig, &["pause", "kube-scheduler"]).await.0, 0);
    assert!(control(&kubeconfig, &["fault", "list"]).await.1.contains("controller kube-scheduler  paused"));
    assert_eq!(control(&kubeconfig, &["resume", "kube-scheduler"]).await.0, 0);
    let (code, _, error) = control(&kubeconfig, &["kill", "default/nobody"]).await;
    let expected = "error: no process of default/nobody runs; no container runs in this cluster\n";
    assert_eq!((code, error.as_str()), (1, expected));
}

#[tokio::test]
async fn wrong_usage_is_one_sentence_and_exit_code_two() {
    for arguments in [
        &["serve"][..],
        &["serve", "--unknown"],
        &["serve", "--kubeconfig", "/nonexistent/kubeconfig"],
        &["serve", "--kubeconfig", "unused", "--image", "name-without-program"],
        &["serve", "--kubeconfig", "unused", "--image", "name=/nonexistent/program"],
        &["serve", "--kubeconfig", "unused", "--listen", "nowhere"],
        &["serve", "--kubeconfig", "unused", "--fault", "latency=soon"],
        &["fault", "add", "--kubeconfig", "unused", "status=42"],
        &["kill", "--kubeconfig", "unused", "pod-without-namespace"],
    ] {
        let output = bounded(program().args(arguments).output()).await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(message.starts_with("error: "), "{message}");
    }
}
