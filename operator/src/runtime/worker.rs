//! The worker: takes objects from the queue and runs their controllers, several at once.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Target, queue::Queue};
use crate::controllers::{Context, reconcile};

/// How many objects are reconciled at once.
const CONCURRENCY: usize = 16;
/// How long controllers that are under way may take to end. What they leave undone the next operator does: every one
/// starts from what the cluster says.
const GRACE: Duration = Duration::from_millis(800);

/// The queue, shared between the watches that fill it and the worker.
#[derive(Debug, Clone, Default)]
pub struct Work {
    queue: Arc<Mutex<Queue>>,
    added: Arc<Notify>,
}

impl Work {
    /// Asks for `targets`.
    pub fn add(&self, targets: impl IntoIterator<Item = Target>) {
        let mut queue = self.lock();
        for target in targets {
            queue.add(target);
        }
        drop(queue);
        self.added.notify_one();
    }

    /// Whether nothing waits and nothing runs.
    pub fn is_idle(&self) -> bool {
        self.lock().is_idle()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reconciles what is asked for until `stop` is cancelled, then lets what it has begun end, for less than a second.
///
/// It starts when every cache has been filled once: before that, an object that was not listed yet would look missing.
pub async fn run(context: Arc<Context>, work: Work, stop: CancellationToken) {
    let mut running = JoinSet::new();
    let mut targets = HashMap::new();
    let jitter = RandomState::new();
    loop {
        if context.shared.read().synced() {
            while running.len() < CONCURRENCY
                && let Some(target) = { work.lock().take(Instant::now()) }
            {
                let context = context.clone();
                let taken = target.clone();
                let task = running.spawn(async move { reconcile(&context, &target).await });
                targets.insert(task.id(), taken);
            }
        }
        let due = work.lock().next_due();
        tokio::select! {
            () = stop.cancelled() => break,
            () = work.added.notified() => {}
            () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {}
            Some(done) = running.join_next_with_id() => {
                let (id, result) = match done {
                    Ok((id, result)) => (id, result.map_err(|error| explain(&error))),
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

/// Puts an object whose controller failed back into the queue.
fn finished(work: &Work, target: &Target, result: Result<(), String>, jitter: &RandomState) {
    let Err(error) = result else {
        work.lock().succeeded(target);
        return;
    };
    let now = Instant::now();
    #[expect(clippy::cast_precision_loss, reason = "a jitter needs no precision")]
    let fraction = jitter.hash_one((target, now)) as f64 / u64::MAX as f64;
    let delay = work.lock().failed(target, now, fraction);
    tracing::warn!(kind = %target.kind, key = %target.key, error, ?delay, "will try again");
}

/// An error with its causes, in one line.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = format!("failed to {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
