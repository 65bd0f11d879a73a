//! Follows a watch as far as the recording goes.

use std::time::Duration;

use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;

/// How long a recorded event may take.
const EVENT_WAIT: Duration = Duration::from_secs(5);
/// How long nothing more may come after the last recorded event.
const QUIET: Duration = Duration::from_millis(150);

/// The events of an open watch, one by one.
pub(super) struct Events {
    body: Body,
    buffer: Vec<u8>,
}

impl Events {
    pub(super) fn new(body: Body) -> Self {
        Self { body, buffer: Vec::new() }
    }

    /// The next one; none when the watch has ended.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = self.body.frame().await?.ok()?;
            self.buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
    }
}

/// The events of an open watch: as many as were recorded, and what else follows at once.
pub(super) async fn events(body: Body, recorded: usize) -> Vec<Value> {
    let (mut events, mut seen) = (Events::new(body), Vec::new());
    loop {
        let wait = if seen.len() < recorded { EVENT_WAIT } else { QUIET };
        let Ok(Some(event)) = tokio::time::timeout(wait, events.next()).await else {
            return seen;
        };
        seen.push(event);
    }
}

/// The recorded events without the bookmark that a watch ends with at its time limit, for which nobody waits here.
pub(super) fn without_last_bookmark(events: &[Value]) -> &[Value] {
    match events.split_last() {
        Some((last, earlier)) if last["type"] == "BOOKMARK" && last["object"]["metadata"]["annotations"].is_null() => {
            earlier
        }
        _ => events,
    }
}
