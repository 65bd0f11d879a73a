//! The stream that answers a request which takes its time, or several requests of a batch.

use super::Patience;
use super::answer::{self, KEEP_ALIVE};
use super::dispatch::Outcome;
use super::replay::{LogReader, StreamLog};
use super::session::Session;
use super::work::{Progress, Work};
use crate::replicas::SharedReader;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Interval;

/// How long a client waits before it comes back for the rest of a stream that broke.
const RETRY: Duration = Duration::from_secs(1);

/// Answers requests by a stream that begins with the messages `first`. The work goes on when the client leaves: the client may
/// come back for the rest. It goes on, for as long as it may take, when the client stays and does not read.
pub(super) fn answer_later(
    session: &Arc<Session>,
    first: Vec<Bytes>,
    works: Vec<Work>,
    patience: Patience,
) -> Response {
    let log = session.streams.open();
    let response = read(&log, 0, session.is_primed().then_some(log.number), patience);
    let works: Vec<_> = works.into_iter().map(Work::in_task).collect();
    let session = Arc::clone(session);
    tokio::spawn(async move {
        for message in first {
            log.push(message).await;
        }
        futures::future::join_all(works.into_iter().map(|work| finish(&log, work))).await;
        session.streams.end(&log);
    });
    response
}

/// Writes what comes of a request to the stream.
async fn finish(log: &StreamLog, mut work: Work) {
    loop {
        match work.next().await {
            Progress::Said(message) => log.push(message).await,
            Progress::Done(outcome) => {
                if let Outcome::Answered(answer) | Outcome::Overloaded(answer) | Outcome::SessionLost(answer) = outcome
                {
                    log.push(answer).await;
                }
                return;
            }
        }
    }
}

/// Answers with the messages of a stream from number `from` on, after an event that primes stream `primed`.
fn read(log: &Arc<StreamLog>, from: u64, primed: Option<u64>, patience: Patience) -> Response {
    events(log.number, Source::Here(log.reader(from)), primed, patience)
}

/// Answers with the rest of a stream from number `from` on, if it is kept, here or where all replicas find it.
pub(super) async fn read_on(session: &Session, number: u64, from: u64, patience: Patience) -> Option<Response> {
    if let Some(log) = session.streams.find(number) {
        return Some(read(&log, from, None, patience));
    }
    let reader = session.outbox.shared()?.reader(number, Some(from)).await?;
    Some(events(number, Source::Elsewhere(reader), None, patience))
}

fn events(number: u64, source: Source, primed: Option<u64>, patience: Patience) -> Response {
    let keep_alive = tokio::time::interval(patience.keep_alive);
    let reading = Reading { primed, number, source, keep_alive };
    answer::events(Body::from_stream(stream::unfold(reading, Reading::next)))
}

/// Where the messages of a stream come from.
enum Source {
    /// This replica writes it.
    Here(LogReader),
    /// Another one does, or did.
    Elsewhere(SharedReader),
}

impl Source {
    async fn next(&mut self) -> Option<(u64, Bytes)> {
        match self {
            Self::Here(reader) => reader.next().await,
            Self::Elsewhere(reader) => reader.next().await,
        }
    }
}

struct Reading {
    primed: Option<u64>,
    number: u64,
    source: Source,
    keep_alive: Interval,
}

impl Reading {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if let Some(stream) = self.primed.take() {
            return Some((Ok(answer::priming_event(stream, RETRY)), self));
        }
        let event = tokio::select! {
            biased;
            message = self.source.next() => {
                let (number, message) = message?;
                answer::numbered_event(self.number, number, &message)
            }
            _ = self.keep_alive.tick() => KEEP_ALIVE,
        };
        Some((Ok(event), self))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::sessions::{SessionLimits, Sessions};
    use super::*;
    use crate::backend::Caller;
    use http_body_util::BodyExt;
    use tokio::sync::{mpsc, oneshot};

    fn session(revision: &str) -> Arc<Session> {
        let session = Sessions::new(SessionLimits::default()).create(&Caller::anonymous()).unwrap();
        session.agree(revision);
        session
    }

    async fn text(response: Response) -> String {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    fn work(task: impl Future<Output = Outcome> + Send + 'static) -> Work {
        Work::new(task, mpsc::channel(1).1)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_takes_its_time_comes_after_signs_of_life() {
        let slow = work(async {
            tokio::time::sleep(Duration::from_secs(40)).await;
            Outcome::Answered(Bytes::from_static(b"{}"))
        });
        let alive = ": keep-alive\n\n";
        let session = session("2025-06-18");
        let told = text(answer_later(&session, Vec::new(), vec![slow], Patience::default())).await;
        assert_eq!(told, format!("{alive}{alive}{alive}event: message\nid: 1-0\ndata: {{}}\n\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn clients_of_the_newest_revision_with_sessions_can_come_back_before_the_first_message() {
        let session = session("2025-11-25");
        let answered = work(async { Outcome::Answered(Bytes::from_static(b"{}")) });
        let told = text(answer_later(&session, Vec::new(), vec![answered], Patience::default())).await;
        assert!(told.starts_with("id: 1-\nretry: 1000\ndata: \n\n"), "{told}");
    }

    #[tokio::test]
    async fn a_cancelled_request_ends_its_stream_without_an_answer() {
        let cancelled = work(async {
            tokio::task::yield_now().await;
            Outcome::Cancelled
        });
        let told = text(answer_later(&session("2025-06-18"), Vec::new(), vec![cancelled], Patience::default())).await;
        assert!(!told.contains("data"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_ends_in_its_time_though_nobody_reads_its_stream() {
        let (sender, messages) = mpsc::channel(1);
        let (ended, has_ended) = oneshot::channel();
        let task = async move {
            let talking = async { while sender.send(Bytes::from_static(b"{}")).await.is_ok() {} };
            let has_talked = tokio::time::timeout(Duration::from_mins(1), talking).await;
            ended.send(has_talked.is_err()).unwrap();
            Outcome::Cancelled
        };
        let works = vec![Work::new(task, messages)];
        let errors = vec![Bytes::from_static(b"{}"); 100];
        let _unread = answer_later(&session("2025-03-26"), errors, works, Patience::default());
        let had_to_wait = tokio::time::timeout(Duration::from_mins(2), has_ended).await;
        assert!(had_to_wait.expect("nobody watches the clock of the request").unwrap());
    }

    #[tokio::test]
    async fn what_comes_before_the_answer_is_told_before_it() {
        let (sender, messages) = mpsc::channel(8);
        let task = async move {
            for message in ["1", "2", "3"] {
                sender.send(Bytes::from(message)).await.unwrap();
            }
            Outcome::Answered(Bytes::from_static(b"{}"))
        };
        let first = vec![Bytes::from("0")];
        let works = vec![Work::new(task, messages)];
        let told = text(answer_later(&session("2025-06-18"), first, works, Patience::default())).await;
        let told: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        assert_eq!(told, ["0", "1", "2", "3", "{}"]);
    }
}
