//! `--target kind`: what it would run, and what it makes of the programs that it runs. Those are stand-ins, which record
//! their arguments.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use embedded_cluster::{ApiOptions, ApiServer};
use tempfile::TempDir;

/// A `PATH` with stand-ins alone, and what they were asked to do.
struct StandIns {
    folder: TempDir,
}

impl StandIns {
    /// Stand-ins that record their arguments; `kind create` copies `kubeconfig` to where it shall write its own.
    fn new(kubeconfig: &str) -> Self {
        let stand_ins = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(stand_ins.path("given"), kubeconfig).unwrap();
        for program in ["docker", "helm"] {
            stand_ins.add(program, "");
        }
        stand_ins.add(
            "kind",
            &format!(
                "case \"$1 $2\" in 'get clusters') echo others;; 'create cluster') grep '^kind: ' >>'{log}'; \
             cat '{given}' >\"$6\";; esac",
                log = stand_ins.path("log").display(),
                given = stand_ins.path("given").display(),
            ),
        );
        stand_ins
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program that records its arguments, then does what the script says.
    fn add(&self, program: &str, script: &str) {
        let folder = self.path("bin");
        std::fs::create_dir_all(&folder).unwrap();
        let text = format!(
            "#!/bin/sh\nPATH=/usr/bin:/bin\necho {program} \"$@\" >>'{}'\n{script}\n",
            self.path("log").display()
        );
        std::fs::write(folder.join(program), text).unwrap();
        std::fs::set_permissions(folder.join(program), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
        command.args(["run", "--target", "kind"]).args(arguments);
        command.env("PATH", self.path("bin")).stdin(Stdio::null());
        command
    }

    /// The exit code, and the last line of stderr.
    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = tokio::process::Command::from(self.command(arguments)).output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text.lines().last().unwrap_or_default().to_owned())
    }

    /// The commands that were run, up to their first option.
    fn commands(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        log.lines().map(|line| line.split(" -").next().unwrap_or_default().to_owned()).collect()
    }
}

#[test]
fn a_dry_run_prints_every_command() {
    let stand_ins = StandIns::new("");
    let output = stand_ins.command(&["--dry-run", "--image-tag", "1.2.3"]).output().unwrap();
    assert!(output.status.success());
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
    assert_eq!(stand_ins.commands(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_goes_when_what_follows_fails() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let api = ApiServer::new(ApiOptions::default());
    let served = api.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let stand_ins = StandIns::new(&served.kubeconfig(None));
    // The stand-in for helm installs nothing.
    let (code, message) = stand_ins.run(&["--cluster", "mine"]).await;
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains(" does not serve mcpgroups.toolhive.stacklok.dev"), "{message}");
    let chart = "helm install toolhive-operator deploy/chart";
    let load = stand_ins.commands()[4].clone();
    assert!(load.starts_with("kind load docker-image ghcr.io/waggle/operator:"), "{load}");
    // What kind reads is the configuration of the repository.
    let create = ["kind create cluster", "kind: Cluster"];
    let commands =
        ["kind get clusters", "docker image inspect", create[0], create[1], &load, chart, "kind delete cluster"];
    assert_eq!(stand_ins.commands(), commands);
    served.shutdown().await;
}

#[tokio::test]
async fn a_program_that_fails_is_quoted_and_the_cluster_goes() {
    for (program, script, begins, last) in [
        (
            "helm",
            "echo first >&2; echo 'Error: chart is broken' >&2; exit 3",
            "`helm install toolhive-operator` failed: exit status: 3: first / Error: chart is broken",
            "kind delete cluster",
        ),
        (
            "docker",
            "echo 'No such image' >&2; exit 1",
            "the images ghcr.io/waggle/operator:1, ghcr.io/waggle/vmcp:1, ghcr.io/waggle/simulator:1 are needed; \
             deploy/images.sh builds them: ",
            "docker image inspect",
        ),
    ] {
        let stand_ins = StandIns::new("");
        stand_ins.add(program, script);
        let (code, message) = stand_ins.run(&["--image-tag", "1"]).await;
        assert!(message.starts_with(begins), "{message}");
        assert_eq!(code, Some(if program == "docker" { 2 } else { 3 }));
        assert_eq!(stand_ins.commands().last().map(String::as_str), Some(last));
    }
}

#[tokio::test]
async fn a_cluster_that_is_there_already_is_left_alone() {
    let stand_ins = StandIns::new("");
    let (code, message) = stand_ins.run(&["--cluster", "others"]).await;
    assert_eq!(code, Some(2));
    assert!(message.starts_with("there is a kind cluster `others` already"), "{message}");
    assert_eq!(stand_ins.commands(), ["kind get clusters"]);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let stand_ins = StandIns::new("");
    std::fs::remove_file(stand_ins.path("bin/kind")).unwrap();
    let (code, message) = stand_ins.run(&[]).await;
    assert_eq!(code, Some(3));
    assert!(message.starts_with("`kind get clusters` failed: kind cannot be started: "), "{message}");
}

#[tokio::test]
async fn an_interrupt_deletes_the_cluster() {
    let stand_ins = StandIns::new("");
    let ready = stand_ins.path("ready");
    // Opening the pipe to write waits for the test, which reads it: then helm is known to run.
    assert!(Command::new("mkfifo").arg(&ready).status().unwrap().success());
    stand_ins.add("helm", &format!("echo now >'{}'; exec sleep 60", ready.display()));
    let mut child = tokio::process::Command::from(stand_ins.command(&[])).spawn().unwrap();
    assert_eq!(read(&ready).await, "now\n");
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
    assert_eq!(stand_ins.commands().last().map(String::as_str), Some("kind delete cluster"));
}

async fn read(path: &Path) -> String {
    tokio::fs::read_to_string(path).await.unwrap()
}
