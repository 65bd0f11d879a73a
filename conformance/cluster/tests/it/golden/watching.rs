//! Follows a watch as far as the recording goes.

use std::time::Duration;

use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;

/// How long a recorded event may take.
const EVENT_WAIT: Duration = Duration::from_secs(5);
/// How long nothing more may come after the last recorded event.
const QUIET: Duration = Duration::from_millis(150);

/// The events of an open watch: as many as were recorded, and what else follows at once.
pub(super) async fn events(mut body: Body, recorded: usize) -> Vec<Value> {
    let (mut events, mut buffer) = (Vec::new(), Vec::new());
    loop {
        let wait = if events.len() < recorded { EVENT_WAIT } else { QUIET };
        let Ok(Some(Ok(frame))) = tokio::time::timeout(wait, body.frame()).await else {
            return events;
        };
        buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            events.push(serde_json::from_slice(&line).unwrap());
        }
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
