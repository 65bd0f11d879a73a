//! Writes the status when it changes, and the time of the last health check now and then.

use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use operator_api::{GROUP, VERSION, VirtualMCPServer, VirtualServerCondition, find_condition};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::report::{Observations, Report, capabilities};
use crate::catalog::Counts;
use crate::discovery::Snapshot;

/// The field manager of the gateway.
const FIELD_MANAGER: &str = "vmcp";
/// Pauses between attempts to write: first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Whose status is written, and how often the times in it are.
#[derive(Debug, Clone)]
pub struct StatusTarget {
    /// Namespace of the `VirtualMCPServer`.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What the status is written from.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The backends.
    pub snapshots: watch::Receiver<Snapshot>,
    /// How they fare.
    pub observations: watch::Receiver<Observations>,
    /// How many things clients are offered.
    pub counts: watch::Receiver<Counts>,
    /// How many composite tools there are.
    pub workflows: usize,
}

/// What to do next about a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    WriteNow,
    WriteAt(Instant),
    Nothing,
}

/// What was written last, and when.
#[derive(Debug, Default)]
struct Written(Option<(Report, Instant)>);

impl Written {
    /// A change is written at once, new times after the interval, and the same report never again.
    fn next(&self, report: &Report, interval: Duration) -> Next {
        match &self.0 {
            Some((last, _)) if last == report => Next::Nothing,
            Some((last, at)) if last.without_times() == report.without_times() => Next::WriteAt(*at + interval),
            _ => Next::WriteNow,
        }
    }
}

/// Keeps the status up to date until `stop`. Nothing is written before discovery has read everything once.
pub async fn write_status(client: Client, target: StatusTarget, seen: Seen, stop: CancellationToken) {
    let Seen { mut snapshots, mut observations, mut counts, workflows } = seen;
    let api = Api::namespaced(client, &target.namespace);
    let mut written = Written::default();
    let mut pause = None;
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        let offered = capabilities(&counts.borrow_and_update(), workflows);
        let report = Report::new(&snapshot, &observations.borrow_and_update(), offered);
        let next =
            if snapshot.synced { written.next(&report, snapshot.settings.status_interval) } else { Next::Nothing };
        let wake = match next {
            Next::WriteNow => pause.map_or_else(Instant::now, |pause| Instant::now() + pause),
            Next::WriteAt(time) => time.max(pause.map_or(time, |pause| Instant::now() + pause)),
            Next::Nothing => Instant::now() + Duration::from_hours(24),
        };
        let due = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = sleep_until(wake) => next != Next::Nothing,
            changed = snapshots.changed() => { if changed.is_err() { return } false }
            changed = observations.changed() => { if changed.is_err() { return } false }
            changed = counts.changed() => { if changed.is_err() { return } false }
        };
        if !due {
            continue;
        }
        match write(&api, &target.name, &report).await {
            Ok(()) => {
                written.0 = Some((report, Instant::now()));
                pause = None;
            }
            Err(error) => {
                tracing::warn!(%error, "the status could not be written, it is tried again");
                pause = Some(pause.map_or(PAUSES.0, |last: Duration| (last * 2).min(PAUSES.1)));
            }
        }
    }
}

async fn write(api: &Api<VirtualMCPServer>, name: &str, report: &Report) -> Result<(), kube::Error> {
    let server = api.get(name).await?;
    let conditions = server.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let since = find_condition(conditions, VirtualServerCondition::BackendsDiscovered.as_str())
        .filter(|condition| condition.status == "True")
        .map_or_else(now, |condition| condition.last_transition_time.0);
    let condition = report.condition(since, server.metadata.generation);
    let patch = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "VirtualMCPServer",
        "metadata": {"name": name},
        "status": report.status(&condition),
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch_status(name, &params, &Patch::Apply(&patch)).await?;
    tracing::debug!("wrote the status");
    Ok(())
}

fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
