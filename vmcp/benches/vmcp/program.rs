//! The programs that are measured or measured with, each a process of its own, and what they take.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, ensure};

/// Ticks of the processor's time per second in `/proc`, as Linux shows it to programs (`USER_HZ`).
const TICKS: f64 = 100.0;

/// A program that serves, until it is dropped.
pub(crate) struct Program {
    child: Child,
    /// The address that the `ready` line names.
    pub(crate) address: String,
    _stdout: BufReader<ChildStdout>,
}

impl Program {
    /// Starts `program` and waits until it is ready.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("failed to start {}", program.display()))?;
        let mut stdout = BufReader::new(child.stdout.take().context("standard output is piped")?);
        let mut ready = String::new();
        stdout.read_line(&mut ready)?;
        let address = ready.trim().strip_prefix("ready http://").map(str::to_owned);
        let address = address.with_context(|| format!("{} {arguments:?} does not get ready", program.display()))?;
        Ok(Self { child, address, _stdout: stdout })
    }

    /// Memory that it holds, in MiB.
    pub(crate) fn resident(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS in /proc")?;
        let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kibibytes / 1024.0)
    }

    /// Time of the processor that it has taken, in seconds.
    pub(crate) fn processor(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in parentheses, may hold anything: fields are counted after it (proc_pid_stat(5): utime 14, stime 15).
        let fields: Vec<&str> = stat.rsplit_once(')').context("a name in /proc")?.1.split_whitespace().collect();
        let ticks =
            |index: usize| -> anyhow::Result<f64> { Ok(fields.get(index).context("a field in /proc")?.parse()?) };
        Ok((ticks(11)? + ticks(12)?) / TICKS)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds the simulator with the profile and into the folder of this benchmark: `vmcp` itself knows nothing of it.
pub(crate) fn simulator() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).context("a benchmark lies in deps/")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        other => other.context("the folder has the name of the profile")?,
    };
    let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--package", "simulator", "--bin", "simulator", "--profile", profile])
        .arg("--target-dir")
        .arg(folder.parent().context("the folder lies in the target folder")?)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .context("failed to run cargo")?;
    ensure!(built.success(), "the simulator cannot be built");
    Ok(folder.join("simulator"))
}
