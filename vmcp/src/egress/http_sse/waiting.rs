//! Who waits for which answer of one stream.

use parking_lot::Mutex;
use std::collections::HashMap;

use tokio::sync::oneshot;

use crate::egress::error::EgressError;
use crate::egress::session::Reply;

/// An answer, or what is wrong with it.
type Answer = Result<Reply, EgressError>;

/// Who waits for which answer; `None` once the stream has ended.
#[derive(Debug)]
pub(super) struct Waiting(Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>);

impl Waiting {
    /// Nobody waits yet.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(HashMap::new())))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Option<HashMap<u64, oneshot::Sender<Answer>>>) -> T) -> T {
        act(&mut self.0.lock())
    }

    /// Whether the stream goes on.
    pub(super) fn is_open(&self) -> bool {
        self.with(|waiting| waiting.is_some())
    }

    /// Waits for the answer to a request; `None` when the stream has ended.
    pub(super) fn expect(&self, id: u64) -> Option<oneshot::Receiver<Answer>> {
        let (sender, receiver) = oneshot::channel();
        self.with(|waiting| waiting.as_mut().map(|waiting| waiting.insert(id, sender)))?;
        Some(receiver)
    }

    fn forget(&self, id: u64) {
        self.with(|waiting| waiting.as_mut().and_then(|waiting| waiting.remove(&id)));
    }

    /// Hands an answer to whoever waits for it.
    pub(super) fn answer(&self, id: u64, answer: Answer) {
        if let Some(sender) = self.with(|waiting| waiting.as_mut().and_then(|waiting| waiting.remove(&id))) {
            // Whoever waited may have left at this moment.
            let _ = sender.send(answer);
        }
    }

    /// The stream has ended: nothing will be answered any more.
    pub(super) fn end(&self) {
        self.with(|waiting| *waiting = None);
    }
}

/// Takes a request off the list when nobody waits any more.
pub(super) struct Forget<'a> {
    pub(super) waiting: &'a Waiting,
    pub(super) id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.waiting.forget(self.id);
    }
}
