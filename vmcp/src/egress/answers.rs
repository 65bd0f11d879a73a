//! Delivering the gateway's answers to requests of a backend, beside the stream that must go on being read.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::error::EgressError;

/// Bound on delivering one answer.
const RESPOND: Duration = Duration::from_secs(10);
/// How many answers of one session may be under way. A backend that asks faster than it takes answers gets none to
/// the rest.
const UNDER_WAY: usize = 16;

/// The answers of one session. Clones share their bound.
#[derive(Debug, Clone)]
pub(super) struct Answers(Arc<Semaphore>);

impl Default for Answers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(UNDER_WAY)))
    }
}

impl Answers {
    /// Delivers an answer to the backend of this name in a task of its own.
    pub(super) fn deliver(
        &self,
        backend: &str,
        delivery: impl Future<Output = Result<(), EgressError>> + Send + 'static,
    ) {
        let backend = backend.to_owned();
        let Ok(permit) = Arc::clone(&self.0).try_acquire_owned() else {
            tracing::debug!(backend, "the backend asks faster than it takes answers, one is left out");
            return;
        };
        tokio::spawn(async move {
            if let Ok(Err(error)) = tokio::time::timeout(RESPOND, delivery).await {
                tracing::debug!(backend, %error, "an answer could not be delivered");
            }
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_backend_that_asks_without_end_has_a_bounded_number_of_answers_under_way() {
        let answers = Answers::default();
        let started = Arc::new(AtomicUsize::new(0));
        let deliver = |count: usize| {
            for _ in 0..count {
                let started = Arc::clone(&started);
                answers.deliver("b", async move {
                    started.fetch_add(1, Ordering::SeqCst);
                    std::future::pending().await
                });
            }
        };
        deliver(1000);
        tokio::time::sleep(RESPOND / 2).await;
        assert_eq!(started.load(Ordering::SeqCst), UNDER_WAY);
        tokio::time::sleep(RESPOND).await;
        deliver(1);
        tokio::task::yield_now().await;
        assert_eq!(started.load(Ordering::SeqCst), UNDER_WAY + 1, "those that took too long make room");
    }
}
