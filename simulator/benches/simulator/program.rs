//! The simulator as a program, and what it takes: time of the processor, and memory.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// Ticks of the processor's time per second in `/proc`, as Linux shows it to programs (`USER_HZ`).
const TICKS: f64 = 100.0;

/// A program that serves a world.
pub(crate) struct Program {
    child: Child,
    /// The address that the `ready` line names.
    pub(crate) address: String,
    /// How long it took until that line.
    pub(crate) start: Duration,
}

impl Program {
    /// Serves a world file, without a log.
    pub(crate) async fn serve(world: &Path) -> anyhow::Result<Self> {
        let begin = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_simulator"))
            .arg("serve")
            .arg(world)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("standard output is piped")?).lines();
        let ready = lines.next_line().await?.context("the simulator ended")?;
        let start = begin.elapsed();
        let url = ready.strip_prefix("ready ").context("the first line says where it is")?;
        let address = url.split_once("://").context("it is a URL")?.1.to_owned();
        Ok(Self { child, address, start })
    }

    /// Memory that it holds, in MiB.
    pub(crate) fn resident(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS in /proc")?;
        let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kibibytes / 1024.0)
    }

    /// Time of the processor that it has taken, in seconds.
    pub(crate) fn processor(&self) -> anyhow::Result<f64> {
        processor(&self.id()?.to_string())
    }

    fn id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the simulator has ended")
    }
}

/// Time of the processor that a process has taken, in seconds; `self` is this one.
pub(crate) fn processor(process: &str) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, may hold anything: fields are counted after it (proc_pid_stat(5): utime 14, stime 15).
    let fields: Vec<&str> = stat.rsplit_once(')').context("a name in /proc")?.1.split_whitespace().collect();
    let ticks = |index: usize| -> anyhow::Result<f64> { Ok(fields.get(index).context("a field in /proc")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / TICKS)
}
