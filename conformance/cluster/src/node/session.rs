//! A process beside a container's own, with its own stdin, stdout and stderr: what `exec` starts.
//!
//! It joins the process group of a small shell, the guard, which kills the group when its pipe to the node ends: because
//! the process has ended, the container has, nobody listens any more, or the node is gone.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio_util::sync::CancellationToken;

use super::process::Invocation;

/// Waits for the end of its input and kills its group, itself included.
const GUARD: &str = "while read -r _; do :; done; kill -s KILL 0";

/// A running process. Dropping it kills its group.
pub(super) struct Session {
    child: Child,
    guard: Child,
    /// Its end is the end of the group.
    pipe: Option<ChildStdin>,
}

/// What the process reads and writes.
pub(super) struct Pipes {
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

impl Session {
    /// Starts a process; without `stdin` its input is empty.
    pub(super) fn start(invocation: &Invocation, stdin: bool) -> io::Result<(Self, Pipes)> {
        let mut guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "guard"])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        // Dropped on failure, it ends the guard.
        let pipe = guard.stdin.take();
        let group = guard.id().and_then(|id| i32::try_from(id).ok()).ok_or(io::ErrorKind::NotFound)?;
        let mut child = Command::new(&invocation.program)
            .args(&invocation.arguments)
            .env_clear()
            .envs(&invocation.environment)
            .current_dir(&invocation.folder)
            .stdin(if stdin { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(group)
            .spawn()?;
        let pipes = Pipes { stdin: child.stdin.take(), stdout: child.stdout.take(), stderr: child.stderr.take() };
        Ok((Self { child, guard, pipe }, pipes))
    }

    /// Waits for the end of the process, at the latest when `stop` is cancelled; its exit code as a container runtime
    /// gives it: 128 and the signal's number for a signal.
    pub(super) async fn exited(mut self, stop: CancellationToken) -> io::Result<i32> {
        let ended = tokio::select! {
            status = self.child.wait() => Some(status),
            () = stop.cancelled() => None,
        };
        // What the process left behind ends with it.
        self.pipe = None;
        let status = match ended {
            Some(status) => status?,
            None => self.child.wait().await?,
        };
        self.guard.wait().await?;
        Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]),
            folder: std::env::temp_dir(),
        }
    }

    async fn bounded<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(10), future).await.unwrap()
    }

    #[tokio::test]
    async fn a_process_has_its_own_pipes_and_exit_code() {
        let (session, pipes) = Session::start(&shell("cat; echo oops >&2; exit 3"), true).unwrap();
        let mut stdin = pipes.stdin.unwrap();
        stdin.write_all(b"hello").await.unwrap();
        drop(stdin);
        let (mut out, mut err) = (String::new(), String::new());
        bounded(pipes.stdout.unwrap().read_to_string(&mut out)).await.unwrap();
        bounded(pipes.stderr.unwrap().read_to_string(&mut err)).await.unwrap();
        assert_eq!((out.as_str(), err.as_str()), ("hello", "oops\n"));
        assert_eq!(bounded(session.exited(CancellationToken::new())).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_process_and_its_children_end_when_they_are_stopped() {
        let (session, pipes) = Session::start(&shell("sleep 60 & sleep 60"), false).unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        assert_eq!(bounded(session.exited(stop)).await.unwrap(), 137);
        bounded(pipes.stdout.unwrap().read_to_end(&mut Vec::new())).await.unwrap();
    }

    #[tokio::test]
    async fn a_process_ends_when_nobody_waits_for_it() {
        let (session, pipes) = Session::start(&shell("sleep 60 & sleep 60"), false).unwrap();
        drop(session);
        bounded(pipes.stdout.unwrap().read_to_end(&mut Vec::new())).await.unwrap();
    }
}
