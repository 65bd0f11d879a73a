//! Requests that a client was sent and has not answered yet.

use crate::egress::Reply;
use crate::jsonrpc::{Id, Response};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

/// The open requests of one session. The ids are the gateway's own: two backends may use the same.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Reply>>,
}

impl Questions {
    /// Opens a request; its answer will come to what is returned.
    pub(super) fn open(&self) -> (u64, oneshot::Receiver<Reply>) {
        let (sender, receiver) = oneshot::channel();
        let mut open = self.lock();
        open.last += 1;
        let id = open.last;
        open.waiting.insert(id, sender);
        (id, receiver)
    }

    /// The client has answered. An answer to nothing is nothing.
    pub(super) fn answer(&self, response: &Response<'_>) {
        let waiting = response.id.as_ref().and_then(Id::as_u64).and_then(|id| self.lock().waiting.remove(&id));
        if let Some(waiting) = waiting {
            // Whoever waited may have left at this moment.
            let _ = waiting.send(Reply::from(response.outcome));
        }
    }

    /// Closes a request, and returns whether it had no answer yet.
    pub(super) fn close(&self, id: u64) -> bool {
        self.lock().waiting.remove(&id).is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
