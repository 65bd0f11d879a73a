//! Answers that clients do not wait for: where leaving cancels the request, the journal says so.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

use super::{LiveWorld, afterwards};
use crate::clock::Clock;
use crate::journal::{Journal, JournalEntry};
use crate::wire::{Body, Dropped, Received};

/// A request whose answer has not ended. Dropped before that, it is cancelled.
pub(super) struct Unfinished {
    journal: Journal,
    clock: Clock,
    entry: Option<Box<JournalEntry>>,
}

impl Unfinished {
    /// Watches over the request of the journal's entry `sequence`.
    pub(super) fn new(world: &LiveWorld, received: &Received, server: Option<String>, sequence: u64) -> Self {
        let mut entry = afterwards::entry(received, server);
        entry.verdict = Some(format!("the client left before the end of the answer: request {sequence} is cancelled"));
        entry.cancels = Some(sequence);
        Self { journal: world.journal.clone(), clock: world.clock.clone(), entry: Some(Box::new(entry)) }
    }

    /// The answer, watched to its end. Without one it was the world that ended the connection.
    pub(super) fn watch(mut self, delivered: Result<Response<Body>, Dropped>) -> Result<Response<Body>, Dropped> {
        match delivered {
            Ok(response) => Ok(response.map(|body| Watched { body, unfinished: self }.boxed_unsync())),
            Err(dropped) => {
                self.finish();
                Err(dropped)
            }
        }
    }

    fn finish(&mut self) {
        self.entry = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            entry.at = self.clock.now();
            self.journal.record(*entry);
        }
    }
}

/// A body that tells when it has ended.
struct Watched {
    body: Body,
    unfinished: Unfinished,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        // An error is the world's own: it cuts the answer off.
        if !matches!(frame, Some(Ok(_))) || self.body.is_end_stream() {
            self.unfinished.finish();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
