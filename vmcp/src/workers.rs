//! The threads that serve clients, each with an event loop of its own.
//!
//! A connection stays with one worker, and so does what is done for it: the calls of a client, the connections to backends
//! they need (the pools of [`crate::egress::HttpClient`] belong to an event loop) and the answers. Nothing of a call wakes up another thread
//! then, which costs more than the call itself when there is little to do. What is not asked for by a client, probes and
//! discovery among it, runs elsewhere and does not keep a worker from answering.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use std::{fmt, io};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long a thread sleeps at most.
const TICK: Duration = Duration::from_secs(1);

/// The threads that serve clients. They end when this is dropped, with what runs there. By default there are none, and work runs where it is
/// handed over.
#[derive(Default)]
pub struct Workers {
    workers: Vec<Worker>,
    _end: Option<DropGuard>,
}

struct Worker {
    event_loop: Handle,
    /// How much was handed to it that has not ended.
    load: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts so many threads, or one for each processor that this process may use.
    pub fn start(count: Option<usize>) -> io::Result<Self> {
        let count = match count {
            Some(count) => count,
            None => thread::available_parallelism()?.get(),
        };
        Self::start_by(Worker::start, count)
    }

    fn start_by(start: impl Fn(usize, CancellationToken) -> io::Result<Worker>, count: usize) -> io::Result<Self> {
        let end = CancellationToken::new();
        // Before the first of them: they end, too, when a later one does not start.
        let guard = end.clone().drop_guard();
        let workers = (0..count).map(|number| start(number, end.clone())).collect::<io::Result<_>>()?;
        Ok(Self { workers, _end: Some(guard) })
    }

    /// Runs `work` on the worker that has least of it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let Some(worker) = self.workers.iter().min_by_key(|worker| worker.load.load(Ordering::Relaxed)) else {
            tokio::spawn(work);
            return;
        };
        let share = Share::of(&worker.load);
        worker.event_loop.spawn(async move {
            work.await;
            drop(share);
        });
    }
}

impl Worker {
    fn start(number: usize, end: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let event_loop = runtime.handle().clone();
        thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || runtime.block_on(end.run_until_cancelled_owned(tick())))?;
        Ok(Self { event_loop, load: Arc::default() })
    }
}

/// Keeps a timer that is due before those of calls. Without one, a call would set the earliest timer of its event loop, and tokio
/// then writes to a file descriptor to wake up the thread, which is awake.
async fn tick() {
    loop {
        tokio::time::sleep(TICK).await;
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Workers").field("count", &self.workers.len()).finish_non_exhaustive()
    }
}

/// A part of a worker's load, until it is dropped.
struct Share(Arc<AtomicUsize>);

impl Share {
    fn of(load: &Arc<AtomicUsize>) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parking_lot::Mutex;
    use tokio::sync::oneshot;

    fn threads(count: usize) -> Workers {
        Workers::start(Some(count)).unwrap()
    }

    /// Hands work to a worker that goes on until the sender is used; the name of the worker's thread.
    async fn occupied(workers: &Workers) -> (String, oneshot::Sender<()>) {
        let (begun, name) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        workers.spawn(async move {
            begun.send(thread::current().name().unwrap().to_owned()).unwrap();
            ended.await.unwrap();
        });
        (name.await.unwrap(), end)
    }

    #[tokio::test]
    async fn work_goes_to_the_worker_that_has_least() {
        let workers = threads(2);
        let (first, end) = occupied(&workers).await;
        let (second, _busy) = occupied(&workers).await;
        assert_ne!(first, second);
        end.send(()).unwrap();
        while workers.workers.iter().all(|worker| worker.load.load(Ordering::Relaxed) == 1) {
            tokio::task::yield_now().await;
        }
        assert_eq!(occupied(&workers).await.0, first);
    }

    #[tokio::test]
    async fn what_runs_on_a_worker_ends_with_it() {
        let workers = threads(1);
        let (alive, is_alive) = oneshot::channel::<()>();
        workers.spawn(async move {
            std::future::pending::<()>().await;
            drop(alive);
        });
        drop(workers);
        assert!(is_alive.await.is_err());
    }

    #[tokio::test]
    async fn those_that_have_started_end_when_another_one_does_not_start() {
        let (alive, is_alive) = oneshot::channel::<()>();
        let alive = Mutex::new(Some(alive));
        let start = |number, end| {
            let alive = alive.lock().take().ok_or(io::ErrorKind::OutOfMemory)?;
            let worker = Worker::start(number, end)?;
            worker.event_loop.spawn(async move {
                std::future::pending::<()>().await;
                drop(alive);
            });
            Ok(worker)
        };
        assert!(Workers::start_by(start, 2).is_err());
        let ended = tokio::time::timeout(Duration::from_secs(10), is_alive).await;
        assert!(ended.expect("it goes on").is_err());
    }

    #[tokio::test]
    async fn without_workers_work_runs_here() {
        let (sender, name) = oneshot::channel();
        Workers::default().spawn(async move { sender.send(thread::current().id()).unwrap() });
        assert_eq!(name.await.unwrap(), thread::current().id());
    }
}
