//! Requests that a client was sent and has not answered yet.

use super::call::progress_token;
use crate::egress::{Question, Reply};
use crate::jsonrpc::{Id, Response};
use parking_lot::Mutex;
use std::collections::HashMap;
use tokio::sync::oneshot;

/// The open requests of one session. The ids are the gateway's own: two backends may use the same.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    last: u64,
    waiting: HashMap<u64, Waiting>,
}

/// Whoever waits for an answer.
#[derive(Debug)]
struct Waiting {
    answer: oneshot::Sender<Reply>,
    backend: String,
    /// What the backend calls the progress of the client, if it wants to hear of it.
    token: Option<Id>,
}

impl Questions {
    /// The first request has the id after `last`.
    pub(super) fn after(last: u64) -> Self {
        Self(Mutex::new(Open { last, waiting: HashMap::new() }))
    }

    /// Opens a request of `backend`; its answer will come to what is returned.
    pub(super) fn open(&self, backend: &str, question: &Question) -> (u64, oneshot::Receiver<Reply>) {
        let (sender, receiver) = oneshot::channel();
        let mut open = self.lock();
        open.last += 1;
        let id = open.last;
        let token = question.params.as_deref().and_then(progress_token);
        open.waiting.insert(id, Waiting { answer: sender, backend: backend.to_owned(), token });
        (id, receiver)
    }

    /// The client has answered. Returns whether that was asked here; an answer to nothing is nothing.
    pub(super) fn answer(&self, response: &Response<'_>) -> bool {
        let waiting = response.id.as_ref().and_then(Id::as_u64).and_then(|id| self.lock().waiting.remove(&id));
        let Some(waiting) = waiting else { return false };
        // Whoever waited may have left at this moment.
        let _ = waiting.answer.send(Reply::from(response.outcome));
        true
    }

    /// The backend that wants to hear of the progress of this name.
    pub(super) fn follower(&self, token: &Id) -> Option<String> {
        let open = self.lock();
        let newest = open.waiting.iter().filter(|(_, waiting)| waiting.token.as_ref() == Some(token));
        newest.max_by_key(|(id, _)| **id).map(|(_, waiting)| waiting.backend.clone())
    }

    /// Closes a request, and returns whether it had no answer yet.
    pub(super) fn close(&self, id: u64) -> bool {
        self.lock().waiting.remove(&id).is_some()
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Open> {
        self.0.lock()
    }
}
