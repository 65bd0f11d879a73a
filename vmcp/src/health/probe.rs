//! Probes: every backend is asked at once when it appears or changes, and then at an interval; an MCPRemoteProxy only until
//! it answers, unless the gateway is told otherwise. What calls find out counts for all. A call that takes too long
//! makes the backend be asked out of turn, once for any number of them, and so does one that shows that it is back.
//!
//! A probe is a `ping` in a session of its own. A backend whose credentials belong to users is probed without any:
//! that it refuses shows that it is there. Because there is one such session per backend for as long as it is
//! configured, it is also where the backend's news are heard.

use super::Health;
use crate::backend::{Backend, Backends, Caller};
use crate::discovery::Snapshot;
use crate::egress::{Agreed, BackendSession, Egress, EgressError};
use crate::offers::Kind;
use futures::FutureExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// When and for how long backends are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeSchedule {
    /// Time between two probes of a backend.
    pub interval: Duration,
    /// How long one probe may take.
    pub timeout: Duration,
}

/// What a probe's session learns of its backend beside its health.
#[derive(Debug)]
pub enum BackendNews {
    /// What the backend tells of itself to everyone.
    Agreed(Arc<Backend>, Agreed),
    /// The backend of this name says that its lists of these kinds have changed.
    ListsChanged(String, Vec<Kind>),
}

/// Probes all backends, following what discovery publishes, until `stop`; then ends the probes' sessions. What they learn
/// beside goes to `news`. Backends that are remote proxies are probed at the interval too where `remote_proxies` says so (D-17).
pub async fn probe_all(
    mut discovered: watch::Receiver<Snapshot>,
    egress: Egress,
    health: Health,
    remote_proxies: bool,
    news: mpsc::Sender<BackendNews>,
    stop: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let mut probes: BTreeMap<String, (u64, DropGuard)> = BTreeMap::new();
    let mut previous = Backends::default();
    // Those that `health` was made with.
    let mut settings = Arc::clone(&discovered.borrow().settings);
    let schedule = watch::Sender::new(settings.probes);
    loop {
        let (current, before) = {
            let now = discovered.borrow_and_update();
            (Arc::clone(&now.backends), std::mem::replace(&mut settings, Arc::clone(&now.settings)))
        };
        health.follow(&previous, &current);
        if before != settings {
            health.configure(settings.unhealthy_threshold, settings.circuits, &current);
            schedule.send_if_modified(|schedule| std::mem::replace(schedule, settings.probes) != settings.probes);
        }
        probes.retain(|name, (identity, _)| current.get(name).is_some_and(|backend| backend.identity == *identity));
        for (name, backend) in current.iter() {
            probes.entry(name.clone()).or_insert_with(|| {
                let stop = stop.child_token();
                let probe = Probe {
                    session: egress.open(backend, &Caller::probe()),
                    backend: Arc::clone(backend),
                    health: health.clone(),
                    schedule: schedule.subscribe(),
                    once: backend.is_remote_proxy && !remote_proxies,
                };
                tasks.spawn(probe.run(news.clone(), stop.clone()));
                (backend.identity, stop.drop_guard())
            });
        }
        previous = current;
        tokio::select! {
            () = stop.cancelled() => break,
            // Without discovery nothing changes any more.
            Ok(()) = discovered.changed() => {}
        }
    }
    drop(probes);
    tasks.close();
    tasks.wait().await;
}

/// The probe of one backend.
struct Probe {
    backend: Arc<Backend>,
    session: BackendSession,
    health: Health,
    schedule: watch::Receiver<ProbeSchedule>,
    /// Whether it is asked only until it answers, and when it comes into doubt.
    once: bool,
}

impl Probe {
    async fn run(self, news: mpsc::Sender<BackendNews>, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            tokio::join!(self.ask(&news), self.listen(&news));
        })
        .await;
        self.session.close().await;
    }

    /// Asks at the interval (where nobody wants that, until there was an answer), and whenever the backend comes into doubt.
    async fn ask(&self, news: &mpsc::Sender<BackendNews>) {
        let mut schedule = self.schedule.clone();
        let doubt = self.health.doubt(&self.backend.name);
        let mut told = None;
        let mut last = None;
        let mut answered = false;
        loop {
            let interval = schedule.borrow_and_update().interval;
            let due = last.map_or_else(Instant::now, |last| last + interval);
            tokio::select! {
                () = sleep_until(due), if !(self.once && answered) => {}
                () = doubt.notified() => {}
                Ok(()) = schedule.changed() => continue,
            }
            // Until then nothing reaches the backend, and then it is tried at once.
            tokio::time::sleep(self.health.shut_for(&self.backend)).await;
            let started = Instant::now();
            let outcome = self.ping().await;
            self.health.record_probe(&self.backend, started.elapsed(), outcome.as_ref().copied());
            if let Some(agreed) = self.session.agreed() {
                self.health.record_revision(&self.backend, agreed.revision);
                if told.as_ref() != Some(&agreed) {
                    told = Some(agreed.clone());
                    // Whoever does not listen any more is about to end this probe.
                    let _ = news.send(BackendNews::Agreed(Arc::clone(&self.backend), agreed)).await;
                }
            }
            answered |= outcome.is_ok();
            // Doubts that came up meanwhile are settled.
            let _ = doubt.notified().now_or_never();
            last = Some(Instant::now());
        }
    }

    /// Any answer will do, also an error, and one that nobody could use: it shows that the backend is there.
    async fn ping(&self) -> Result<(), EgressError> {
        let timeout = self.schedule.borrow().timeout;
        match self.session.request(&Caller::probe(), "ping", None, timeout).await {
            Err(error) if !error.is_malformed_answer() => Err(error),
            _ => Ok(()),
        }
    }

    /// Passes on that the backend's lists have changed.
    async fn listen(&self, news: &mpsc::Sender<BackendNews>) {
        let mut changes = self.session.list_changed();
        let mut heard = *changes.borrow_and_update();
        while changes.changed().await.is_ok() {
            let now = *changes.borrow_and_update();
            let kinds = now.since(heard).collect();
            heard = now;
            if news.send(BackendNews::ListsChanged(self.backend.name.clone(), kinds)).await.is_err() {
                return;
            }
        }
    }
}
