//! The cluster as users meet it: by the `kubectl` on the PATH.
//!
//! Where there is none the tests say so and pass. A `kubectl` older than 1.32 is not tried.

mod access;
mod creation;
mod reading;
mod workloads;
mod writing;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use embedded_cluster::cluster::Cluster;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The bound of every command: on a busy machine each start of `kubectl` takes its time.
const BOUND: Duration = Duration::from_mins(1);

/// A custom resource with a scale, a status and a column.
const WIDGETS: &str = include_str!("widgets.yaml");

/// A deployment of one shell that says hello and waits.
const WEB: &str = include_str!("web.yaml");

/// A cluster, and `kubectl` with a home of its own that reaches it.
struct Kubectl {
    /// Ends with the test.
    _cluster: Cluster,
    home: TempDir,
}

/// A `kubectl` that goes on telling.
struct Follower {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Kubectl {
    /// Starts a cluster; none where there is no `kubectl`.
    async fn start() -> Option<Self> {
        if let Err(error) = std::process::Command::new("kubectl").args(["version", "--client"]).output() {
            eprintln!("skipped: failed to run kubectl from the PATH: {error}");
            return None;
        }
        let cluster = crate::node_support::cluster().await;
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("kubeconfig"), cluster.kubeconfig()).unwrap();
        Some(Self { _cluster: cluster, home })
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    /// A command line: words without quotes.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(line.split_whitespace())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("TMPDIR", self.home())
            .env("KUBECONFIG", self.home().join("kubeconfig"))
            .env("KUBECACHEDIR", self.home().join("cache"))
            .current_dir(self.home())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn output(&self, mut command: Command, input: &str) -> Output {
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that reads no input may have ended already.
        let _ = stdin.write_all(format!("---\n{input}").as_bytes()).await;
        drop(stdin);
        tokio::time::timeout(BOUND, child.wait_with_output()).await.unwrap().unwrap()
    }

    /// What a command that succeeds prints.
    async fn run(&self, line: &str) -> String {
        self.run_on(line, "").await
    }

    /// What a command prints that succeeds and reads `input` as its `-f -`.
    async fn run_on(&self, line: &str, input: &str) -> String {
        let output = self.output(self.command(line), input).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {line}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The exit code and all text of a command that fails.
    async fn refused(&self, line: &str) -> (i32, String) {
        self.refused_on(line, "").await
    }

    /// The exit code and all text of a command that reads `input` and fails.
    async fn refused_on(&self, line: &str, input: &str) -> (i32, String) {
        let output = self.output(self.command(line), input).await;
        assert!(!output.status.success(), "kubectl {line} succeeded");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// The value of a field.
    async fn field(&self, object: &str, path: &str) -> String {
        self.run(&format!("get {object} -o jsonpath={{{path}}}")).await
    }

    /// A deployment that is available.
    async fn deploy_web(&self) {
        assert_eq!(self.run_on("apply -f -", WEB).await, "deployment.apps/web created\n");
        let status = self.run("rollout status deployment/web --timeout=40s").await;
        assert!(status.contains("deployment \"web\" successfully rolled out"), "{status}");
    }

    /// Starts a command that goes on until it is dropped.
    fn follow(&self, line: &str) -> Follower {
        let mut child = self.command(line).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Follower { _child: child, lines }
    }
}

impl Follower {
    /// The next line with this in it.
    async fn line_with(&mut self, text: &str) -> String {
        let found = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains(text) {
                    return line;
                }
            }
            panic!("kubectl ended without a line with {text}")
        };
        tokio::time::timeout(BOUND, found).await.unwrap()
    }
}

/// The columns of a table's line.
fn columns(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}
