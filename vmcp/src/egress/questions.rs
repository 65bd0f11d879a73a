//! Requests of a backend that its client is asked.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};

use super::peer::{Peer, Question};
use super::session::Reply;
use crate::jsonrpc::{self, ErrorObject, Id, code};

/// How long a client, or whoever sits before it, may take to answer.
const LONGEST: Duration = Duration::from_mins(5);
/// How many questions of one session may wait for their answers.
const AT_ONCE: usize = 10;

/// The bound on the questions of one session.
#[derive(Debug, Clone)]
pub(super) struct QuestionLimit(Arc<Semaphore>);

impl Default for QuestionLimit {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl QuestionLimit {
    /// Asks the client, and waits for the answer.
    pub(super) async fn put(&self, peer: Arc<dyn Peer>, question: Question) -> Reply {
        match self.place() {
            Ok(_place) => answer(peer, question).await,
            Err(refusal) => refusal,
        }
    }

    /// A place for one more question, or the answer in its place.
    fn place(&self) -> Result<OwnedSemaphorePermit, Reply> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| {
            let message = format!("{AT_ONCE} requests wait for the client already, at most so many may");
            refusal(code::OVERLOADED, message)
        })
    }
}

async fn answer(peer: Arc<dyn Peer>, question: Question) -> Reply {
    tokio::time::timeout(LONGEST, peer.asked(question))
        .await
        .unwrap_or_else(|_| refusal(code::INTERNAL_ERROR, format!("the client did not answer within {LONGEST:?}")))
}

/// The questions of one stream that wait for their answers. Whoever drops them takes them back.
#[derive(Debug, Default)]
pub(super) struct Questions {
    tasks: JoinSet<()>,
    waiting: HashMap<Id, AbortHandle>,
}

impl Questions {
    /// Asks the client, beside the stream, which must go on being read. The response goes to `respond`.
    pub(super) fn ask(
        &mut self,
        limit: &QuestionLimit,
        peer: Arc<dyn Peer>,
        id: Id,
        question: Question,
        respond: impl FnOnce(Bytes) + Send + 'static,
    ) {
        while self.tasks.try_join_next().is_some() {}
        self.waiting.retain(|_, task| !task.is_finished());
        let place = match limit.place() {
            Ok(place) => place,
            Err(refusal) => return respond(response(&id, &refusal)),
        };
        let asked = id.clone();
        let task = self.tasks.spawn(async move {
            respond(response(&asked, &answer(peer, question).await));
            drop(place);
        });
        self.waiting.insert(id, task);
    }

    /// The backend does not want an answer any more.
    pub(super) fn cancel(&mut self, id: &Id) {
        if let Some(task) = self.waiting.remove(id) {
            task.abort();
        }
    }
}

fn refusal(code: i64, message: String) -> Reply {
    Reply::Error(jsonrpc::raw(&ErrorObject::new(code, message)))
}

fn response(id: &Id, reply: &Reply) -> Bytes {
    match reply {
        Reply::Result(result) => jsonrpc::result_response(id, result),
        Reply::Error(error) => jsonrpc::error_response(Some(id), error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::FutureExt;
    use futures::future::BoxFuture;
    use serde_json::Value;
    use tokio::sync::mpsc;

    /// Answers nothing.
    #[derive(Debug)]
    struct Silent;

    impl Peer for Silent {
        fn notified<'a>(&'a self, _method: &'a str, _message: Bytes) -> BoxFuture<'a, ()> {
            futures::future::ready(()).boxed()
        }

        fn asked(self: Arc<Self>, _question: Question) -> BoxFuture<'static, Reply> {
            futures::future::pending().boxed()
        }
    }

    fn ask(questions: &mut Questions, limit: &QuestionLimit, id: u64, answers: &mpsc::UnboundedSender<Value>) {
        let answers = answers.clone();
        let question = Question { method: "roots/list".to_owned(), params: None };
        let respond = move |message: Bytes| answers.send(serde_json::from_slice(&message).unwrap()).unwrap();
        questions.ask(limit, Arc::new(Silent), Id::from(id), question, respond);
    }

    #[tokio::test(start_paused = true)]
    async fn questions_are_bounded_in_number_and_time() {
        let (mut questions, limit) = (Questions::default(), QuestionLimit::default());
        let (sender, mut answers) = mpsc::unbounded_channel();
        for id in 0..=10 {
            ask(&mut questions, &limit, id, &sender);
        }
        let refused = answers.recv().await.unwrap();
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&10.into(), &code::OVERLOADED.into()));
        questions.cancel(&Id::from(3));
        tokio::task::yield_now().await;
        ask(&mut questions, &limit, 11, &sender);
        assert!(answers.try_recv().is_err(), "one that was taken back makes room");
        tokio::time::sleep(LONGEST + Duration::from_secs(1)).await;
        let mut late = Vec::new();
        while let Ok(answer) = answers.try_recv() {
            late.push(answer["id"].as_u64().unwrap());
        }
        late.sort_unstable();
        assert_eq!(late, [0, 1, 2, 4, 5, 6, 7, 8, 9, 11]);
    }
}
