//! The events of a body that is still coming.

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::MAX_MESSAGE;
use super::error::EgressError;
use super::http_client::broken;
use super::response::protocol;
use super::sse::{SseDecoder, SseEvent};

/// The events of a body.
#[derive(Debug)]
pub(super) struct EventStream {
    body: Incoming,
    decoder: SseDecoder,
    ready: Vec<SseEvent>,
}

impl EventStream {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, decoder: SseDecoder::new(MAX_MESSAGE), ready: Vec::new() }
    }

    /// The first event. Those that came with it are the next ones.
    pub(super) async fn first(&mut self) -> Result<SseEvent, EgressError> {
        loop {
            let mut events = self.next().await?;
            if !events.is_empty() {
                let first = events.remove(0);
                self.ready = events;
                return Ok(first);
            }
        }
    }

    /// The events that came with the next piece of the stream; fails at its end.
    pub(super) async fn next(&mut self) -> Result<Vec<SseEvent>, EgressError> {
        if !self.ready.is_empty() {
            return Ok(std::mem::take(&mut self.ready));
        }
        loop {
            let frame = self.body.frame().await.ok_or_else(broken)?.map_err(|_| broken())?;
            if let Some(piece) = frame.data_ref() {
                return self.decoder.push(piece).map_err(|error| protocol(&error.to_string()));
            }
        }
    }

    /// What is left of the body.
    pub(super) fn into_body(self) -> Incoming {
        self.body
    }
}
