//! A container's process: a local program in a process group of its own, which never outlives the node.
//!
//! The node starts a small shell script (`supervisor.sh`) that leads the process group, runs the program as its child
//! and holds a pipe to the node. When the pipe ends, because the node stopped or was killed, the script kills the group.
//! When the program exits, the script reports the status and kills the group too, as the end of process 1 ends a
//! container. A program that leaves its group (`setsid`) escapes; containers' programs do not.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

const SUPERVISOR: &str = include_str!("supervisor.sh");

/// The script without its comments, which the list of the machine's processes would show.
fn script() -> String {
    let lines = SUPERVISOR.lines().filter(|line| !line.starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

/// The exit code of a program that was killed without a report, as the kernel's out-of-memory killer leaves it.
const KILLED: i32 = 137;

/// What to run, with nothing inherited from the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) folder: PathBuf,
}

/// A signal that a container gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Please end.
    Terminate,
    /// End now.
    Kill,
}

/// A running program.
pub(crate) struct Process {
    supervisor: Child,
    commands: Option<ChildStdin>,
    reports: Lines<BufReader<ChildStderr>>,
    id: String,
    /// The reported status, kept for a caller that stopped waiting in between.
    status: Option<i32>,
}

impl Process {
    /// Starts a program; returns when it runs. The second value is what it writes to stdout and stderr.
    ///
    /// Dropping the process kills its group.
    pub(crate) async fn start(invocation: &Invocation) -> io::Result<(Self, ChildStdout)> {
        let metadata = std::fs::metadata(&invocation.program)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "not a file"));
        }
        let mut supervisor = Command::new("/bin/sh")
            .args(["-c", &script(), "supervisor"])
            .arg(&invocation.program)
            .args(&invocation.arguments)
            .env_clear()
            .envs(&invocation.environment)
            .current_dir(&invocation.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(false)
            .spawn()?;
        let commands = supervisor.stdin.take();
        let (Some(output), Some(reports)) = (supervisor.stdout.take(), supervisor.stderr.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let mut reports = BufReader::new(reports).lines();
        while let Some(report) = reports.next_line().await? {
            if let Some(id) = report.strip_prefix("started ") {
                let id = id.to_owned();
                return Ok((Self { supervisor, commands, reports, id, status: None }, output));
            }
        }
        Err(io::Error::other("the supervising shell ended before it started the program"))
    }

    /// Sends a signal to the program (not to its children), if it still runs.
    pub(crate) async fn signal(&mut self, signal: Signal) {
        let name = match signal {
            Signal::Terminate => "TERM",
            Signal::Kill => "KILL",
        };
        if let Some(commands) = &mut self.commands {
            // A broken pipe means that the program has ended, which `exited` tells.
            let _ = commands.write_all(format!("{name} {}\n", self.id).as_bytes()).await;
        }
    }

    /// Waits for the end of the program and of its group; the exit status as a container runtime gives it. Cancel safe.
    pub(crate) async fn exited(&mut self) -> i32 {
        while self.status.is_none() {
            let report = self.reports.next_line().await;
            self.status = match report {
                Ok(Some(report)) => report.strip_prefix("exited ").and_then(|status| status.parse().ok()),
                Ok(None) | Err(_) => Some(KILLED),
            };
        }
        self.commands = None;
        // The supervisor kills its own group last.
        let _ = self.supervisor.wait().await;
        self.status.unwrap_or(KILLED)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::time::Duration;

    use tokio::io::AsyncReadExt;

    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into()), ("GREETING".into(), "hello".into())]),
            folder: std::env::temp_dir(),
        }
    }

    async fn bounded<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(10), future).await.unwrap()
    }

    #[tokio::test]
    async fn output_and_status_of_a_program_are_told() {
        let (mut process, mut output) = Process::start(&shell("echo $GREETING; echo oops >&2; exit 7")).await.unwrap();
        let mut text = String::new();
        bounded(output.read_to_string(&mut text)).await.unwrap();
        assert_eq!(text, "hello\noops\n");
        assert_eq!(bounded(process.exited()).await, 7);
    }

    #[tokio::test]
    async fn nothing_is_inherited_but_the_given_environment() {
        let (mut process, mut output) = Process::start(&shell("env; cat")).await.unwrap();
        let mut text = String::new();
        bounded(output.read_to_string(&mut text)).await.unwrap();
        bounded(process.exited()).await;
        let names: Vec<_> = text.lines().filter_map(|line| line.split('=').next()).collect();
        assert!(names.contains(&"GREETING") && !names.contains(&"CARGO_MANIFEST_DIR"), "{text}");
    }

    #[tokio::test]
    async fn a_program_gets_sigterm_and_may_end_by_itself() {
        let script = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
        let (mut process, output) = Process::start(&shell(script)).await.unwrap();
        let mut lines = BufReader::new(output).lines();
        assert_eq!(bounded(lines.next_line()).await.unwrap().unwrap(), "ready");
        process.signal(Signal::Terminate).await;
        assert_eq!(bounded(process.exited()).await, 3);
        assert_eq!(bounded(lines.next_line()).await.unwrap().unwrap(), "bye");
    }

    #[tokio::test]
    async fn a_signal_ends_with_128_and_its_number() {
        let (mut process, _output) = Process::start(&shell("exec sleep 60")).await.unwrap();
        process.signal(Signal::Kill).await;
        assert_eq!(bounded(process.exited()).await, 137);
    }

    #[tokio::test]
    async fn what_a_program_leaves_behind_ends_with_it() {
        let (mut process, mut output) = Process::start(&shell("sleep 60 & exit 0")).await.unwrap();
        assert_eq!(bounded(process.exited()).await, 0);
        // The end of the output shows that no process holds it any more.
        bounded(output.read_to_end(&mut Vec::new())).await.unwrap();
    }

    #[tokio::test]
    async fn the_group_ends_when_the_node_is_gone() {
        let (process, mut output) = Process::start(&shell("sleep 60 & sleep 60")).await.unwrap();
        drop(process);
        bounded(output.read_to_end(&mut Vec::new())).await.unwrap();
    }

    #[tokio::test]
    async fn a_missing_program_is_an_error() {
        let mut invocation = shell("");
        invocation.program = "/nonexistent/program".into();
        assert_eq!(Process::start(&invocation).await.err().map(|error| error.kind()), Some(io::ErrorKind::NotFound));
    }
}
