//! The worker: takes objects from the queue and runs their controllers, several at once.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::Arc,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field::Empty};

use super::{
    Target,
    queue::{Queue, State},
};
use crate::{
    causes::chain,
    controllers::{Context, reconcile},
    metrics::Outcome,
};

/// How many objects are reconciled at once.
const CONCURRENCY: usize = 16;
/// How long one reconciliation may take: an API server that does not answer must not hold a place for ever.
const LIMIT: Duration = Duration::from_secs(30);
/// How long controllers that are under way may take to end. What they leave undone the next operator does: every one
/// starts from what the cluster says.
const GRACE: Duration = Duration::from_millis(800);

/// The queue, shared between the watches that fill it and the worker.
#[derive(Debug, Clone, Default)]
pub struct Work {
    queue: Arc<Mutex<Queue>>,
    added: Arc<Notify>,
    /// When the worker last began or ended something; `None` while there is no worker.
    progress: Arc<Mutex<Option<Instant>>>,
}

impl Work {
    /// Asks for `targets`.
    pub fn add(&self, targets: impl IntoIterator<Item = Target>) {
        let now = Instant::now();
        let mut queue = self.lock();
        if is_resting(&queue) {
            // It is from now on that something should happen.
            self.progressed(now);
        }
        for target in targets {
            queue.add(target, now);
        }
        drop(queue);
        self.added.notify_one();
    }

    /// Whether nothing waits and nothing runs.
    pub fn is_idle(&self) -> bool {
        self.lock().is_idle()
    }

    /// How full the queue is.
    pub fn state(&self) -> State {
        self.lock().state(Instant::now())
    }

    /// For how long objects have been waiting at `now` without that the worker began or ended any.
    pub(crate) fn stuck_for(&self, now: Instant) -> Duration {
        let queue = self.lock();
        let since = *self.progress.lock();
        since.filter(|_| !is_resting(&queue)).map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// There is a worker from now on.
    pub(crate) fn begun(&self) {
        *self.progress.lock() = Some(Instant::now());
    }

    fn progressed(&self, now: Instant) {
        if let Some(progress) = &mut *self.progress.lock() {
            *progress = now;
        }
    }

    fn take(&self) -> Option<Target> {
        let now = Instant::now();
        let taken = self.lock().take(now);
        if taken.is_some() {
            self.progressed(now);
        }
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }
}

/// Whether there is nothing for the worker to do now.
fn is_resting(queue: &Queue) -> bool {
    let state = queue.state(Instant::now());
    state.ready == 0 && state.running == 0
}

/// Reconciles what is asked for until `stop` is cancelled, then lets what it has begun end, for less than a second.
///
/// It starts when every cache has been filled once: before that, an object that was not listed yet would look missing.
pub async fn run(context: Arc<Context>, work: Work, stop: CancellationToken) {
    let mut running = JoinSet::new();
    let mut targets = HashMap::new();
    let jitter = RandomState::new();
    let mut synced = false;
    loop {
        if !synced && context.shared.read().synced() {
            synced = true;
            work.begun();
        }
        while synced
            && running.len() < CONCURRENCY
            && let Some(target) = work.take()
        {
            let taken = target.clone();
            let span = span(&target);
            let task = running.spawn(one(context.clone(), target).instrument(span));
            targets.insert(task.id(), taken);
        }
        // With every place taken, what is due waits for one that ends.
        let due = if running.len() < CONCURRENCY { work.lock().next_due() } else { None };
        tokio::select! {
            () = stop.cancelled() => break,
            () = work.added.notified() => {}
            () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {}
            Some(done) = running.join_next_with_id() => {
                let (id, result) = match done {
                    Ok((id, result)) => (id, result),
                    Err(error) => (error.id(), Err(format!("failed to end: {error}"))),
                };
                if let Some(target) = targets.remove(&id) {
                    finished(&work, &target, result, &jitter);
                }
            }
        }
    }
    let ended = timeout(GRACE, async { while running.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        tracing::warn!(count = running.len(), "controllers did not end in time and are stopped");
    }
}

/// The span of a reconciliation; how it ended is recorded when it has.
fn span(target: &Target) -> Span {
    let (namespace, name) = (&target.key.namespace, &target.key.name);
    tracing::info_span!(
        "reconcile", kind = %target.kind, namespace, name,
        outcome = Empty, otel.status_code = Empty, otel.status_description = Empty,
    )
}

/// Reconciles `target`, for [`LIMIT`] at most.
async fn one(context: Arc<Context>, target: Target) -> Result<(), String> {
    let began = Instant::now();
    let (outcome, result) = match timeout(LIMIT, reconcile(&context, &target)).await {
        Ok(Ok(())) => (Outcome::Success, Ok(())),
        Ok(Err(error)) => (Outcome::Error, Err(format!("failed to {}", chain(&error)))),
        Err(_) => (Outcome::Timeout, Err(format!("failed to end within {LIMIT:?}"))),
    };
    let span = Span::current();
    span.record("outcome", outcome.as_str());
    if let Err(error) = &result {
        span.record("otel.status_code", "ERROR").record("otel.status_description", error);
    }
    context.metrics.reconciled(target.kind, outcome, began.elapsed());
    result
}

/// Puts an object whose controller failed back into the queue.
fn finished(work: &Work, target: &Target, result: Result<(), String>, jitter: &RandomState) {
    let now = Instant::now();
    work.progressed(now);
    let Err(error) = result else {
        work.lock().succeeded(target, now);
        return;
    };
    #[expect(clippy::cast_precision_loss, reason = "a jitter needs no precision")]
    let fraction = jitter.hash_one((target, now)) as f64 / u64::MAX as f64;
    let delay = work.lock().failed(target, now, fraction);
    let (namespace, name) = (&target.key.namespace, &target.key.name);
    tracing::warn!(kind = %target.kind, namespace, name, error, ?delay, "will try again");
}
