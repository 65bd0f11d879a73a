//! Requests of sessions that are being worked on.

use super::dispatch::Outcome;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// A request that is being worked on, and what comes of it before its answer. The work goes on when this is dropped: in the
/// era with sessions it is no cancellation that a client leaves.
#[derive(Debug)]
pub(super) struct Work {
    task: Lasting,
    /// Messages that belong to the request.
    messages: mpsc::Receiver<Bytes>,
    /// What became of it, while there are messages to be told before.
    outcome: Option<Outcome>,
}

/// What comes of a request.
#[derive(Debug)]
pub(super) enum Progress {
    /// A message before the answer.
    Said(Bytes),
    /// The end.
    Done(Outcome),
}

impl Work {
    /// The work that `answer` does, which says by `messages` what comes before the outcome. It starts when it is waited for.
    pub(super) fn new(answer: impl Future<Output = Outcome> + Send + 'static, messages: mpsc::Receiver<Bytes>) -> Self {
        Self { task: Lasting::new(answer), messages, outcome: None }
    }

    /// The same in a task of its own, which goes on whether or not somebody waits: nobody does while the messages that there are
    /// already are not read.
    pub(super) fn in_task(mut self) -> Self {
        if let Some(future) = self.task.0.take() {
            let task = tokio::spawn(future);
            self.task = Lasting::new(async { task.await.unwrap_or(Outcome::Panicked) });
        }
        self
    }

    /// What comes next. What was said before the answer is told before it; nothing comes after that. Nothing is lost when the
    /// future is dropped.
    pub(super) async fn next(&mut self) -> Progress {
        let outcome = if let Some(outcome) = self.outcome.take() {
            outcome
        } else {
            tokio::select! {
                biased;
                Some(message) = self.messages.recv() => return Progress::Said(message),
                outcome = &mut self.task => outcome,
            }
        };
        match self.messages.try_recv() {
            Ok(message) => {
                self.outcome = Some(outcome);
                Progress::Said(message)
            }
            Err(_) => Progress::Done(outcome),
        }
    }
}

/// A future that is polled by whoever waits for it, and becomes a task of its own when nobody does any more.
struct Lasting(Option<BoxFuture<'static, Outcome>>);

impl Lasting {
    fn new(future: impl Future<Output = Outcome> + Send + 'static) -> Self {
        // A panic ends the one request, as it would in a task of its own, and nothing else of its connection.
        let caught = AssertUnwindSafe(future).catch_unwind();
        Self(Some(caught.map(|outcome| outcome.unwrap_or(Outcome::Panicked)).boxed()))
    }
}

impl Future for Lasting {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        let polled = future.poll_unpin(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        if let (Some(future), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(future);
        }
    }
}

impl fmt::Debug for Lasting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lasting").field("is_done", &self.0.is_none()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use tokio::sync::oneshot;

    fn answered() -> Outcome {
        Outcome::Answered(Bytes::from_static(b"{}"))
    }

    #[tokio::test]
    async fn what_was_said_is_told_before_the_outcome() {
        let (sender, messages) = mpsc::channel(8);
        let mut work = Work::new(
            async move {
                for message in ["1", "2"] {
                    sender.send(Bytes::from(message)).await.unwrap();
                }
                answered()
            },
            messages,
        );
        for expected in ["1", "2"] {
            let Progress::Said(message) = work.next().await else { panic!("{expected} is told") };
            assert_eq!(message, expected);
        }
        assert!(matches!(work.next().await, Progress::Done(Outcome::Answered(_))));
    }

    #[tokio::test]
    async fn work_goes_on_when_nobody_waits_for_it() {
        let ((begun, has_begun), (go_on, goes_on), (end, ended)) =
            (oneshot::channel(), oneshot::channel::<()>(), oneshot::channel());
        let mut work = Work::new(
            async move {
                begun.send(()).unwrap();
                goes_on.await.unwrap();
                end.send(()).unwrap();
                answered()
            },
            mpsc::channel(1).1,
        );
        tokio::select! {
            _ = work.next() => panic!("it waits"),
            begun = has_begun => begun.unwrap(),
        }
        drop(work);
        go_on.send(()).unwrap();
        ended.await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_the_end_of_one_request() {
        let mut work = Work::new(async { panic!("as a test wants it") }, mpsc::channel(1).1);
        assert!(matches!(work.next().await, Progress::Done(Outcome::Panicked)));
    }
}
