//! Notifications of how tasks fare, for a client that listens for them (`subscriptions/listen` with `taskIds`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use super::subscriptions::tagged;
use crate::mcp::server::McpServer;
use crate::wire::server_sent_event;

/// The tasks of which one subscription tells.
pub(super) struct TaskNews {
    server: Arc<McpServer>,
    /// The id of the request that opened the subscription.
    subscription: Value,
    /// What was told of each last, or is known without being told.
    told: BTreeMap<String, Value>,
    touched: watch::Receiver<()>,
}

impl TaskNews {
    /// What becomes of these tasks from now on.
    pub(super) fn of(server: &Arc<McpServer>, subscription: Value, tasks: &BTreeSet<String>) -> Self {
        let now = server.clock.now();
        let known = |id: &String| Some((id.clone(), server.tasks.look(server, id, now)?.shown));
        let told = tasks.iter().filter_map(known).collect();
        Self { server: Arc::clone(server), subscription, told, touched: server.tasks.touched() }
    }

    /// The next event; never, where no task comes to anything else.
    pub(super) async fn next(&mut self) -> Bytes {
        loop {
            self.touched.borrow_and_update();
            let now = self.server.clock.now();
            let mut pause: Option<Duration> = None;
            for (id, told) in &mut self.told {
                let Some(seen) = self.server.tasks.look(&self.server, id, now) else { continue };
                if seen.shown != *told {
                    told.clone_from(&seen.shown);
                    let message = tagged(&self.subscription, "notifications/tasks", seen.shown);
                    return server_sent_event("message", &message.to_string());
                }
                let left = seen.until.map(|until| until.duration_since(now).unsigned_abs());
                pause = pause.into_iter().chain(left).min();
            }
            let passed = async {
                match pause {
                    Some(pause) => self.server.clock.sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = passed => {}
                // The sender lives in the server: this ends with a change alone.
                _ = self.touched.changed() => {}
            }
        }
    }
}
