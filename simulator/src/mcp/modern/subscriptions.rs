//! The open streams of one server's modern clients, above all those that hear of changes.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::listen::Filter;
use crate::faults::Edits;
use crate::wire::server_sent_event;
use crate::world::{Acknowledgement, Announcement};

/// Subscriptions of one server; a further one ends the oldest.
const MOST_SUBSCRIPTIONS: usize = 1024;
/// Messages that wait for a slow reader; one that is further behind is cut off, so that it subscribes anew.
const STREAM_BUFFER: usize = 64;

/// Key of the subscription to which a message belongs.
pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// All subscriptions of a server.
#[derive(Default)]
pub(in crate::mcp) struct Subscriptions(Mutex<State>);

#[derive(Default)]
struct State {
    open: BTreeMap<u64, Subscription>,
    next: u64,
    /// Ends all streams of modern clients, whatever they are for.
    cut: CancellationToken,
}

struct Subscription {
    /// The id of the request that opened it.
    id: Value,
    filter: Filter,
    edits: Edits,
    /// An acknowledgement that a fault holds back.
    late: Option<Value>,
    reader: mpsc::Sender<Bytes>,
}

impl Subscriptions {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Cancelled when the server cuts its streams off.
    pub(super) fn cut_off(&self) -> CancellationToken {
        self.state().cut.clone()
    }

    /// Opens a subscription; its first event is the acknowledgement.
    pub(super) fn open(&self, id: Value, filter: Filter, edits: Edits) -> mpsc::Receiver<Bytes> {
        let (reader, events) = mpsc::channel(STREAM_BUFFER);
        let acknowledgement =
            tagged(&id, "notifications/subscriptions/acknowledged", json!({"notifications": filter.shown()}));
        let mut subscription = Subscription { id, filter, edits, late: None, reader };
        match subscription.edits.acknowledgement() {
            None => {
                subscription.send(&acknowledgement);
            }
            Some(Acknowledgement::Late) => subscription.late = Some(acknowledgement),
            Some(Acknowledgement::Never) => {}
        }
        let mut state = self.state();
        state.open.retain(|_, subscription| !subscription.reader.is_closed());
        if state.open.len() >= MOST_SUBSCRIPTIONS
            && let Some((_, oldest)) = state.open.pop_first()
        {
            oldest.finish();
            tracing::warn!("a server has {MOST_SUBSCRIPTIONS} subscriptions: the oldest ends");
        }
        let key = state.next;
        state.next += 1;
        state.open.insert(key, subscription);
        events
    }

    /// Tells whoever wants to hear of it.
    pub(in crate::mcp) fn announce(&self, announcement: &Announcement) {
        let (method, params) = match announcement {
            Announcement::Tools => ("notifications/tools/list_changed", json!({})),
            Announcement::Prompts => ("notifications/prompts/list_changed", json!({})),
            Announcement::Resources => ("notifications/resources/list_changed", json!({})),
            Announcement::Resource(uri) => ("notifications/resources/updated", json!({ "uri": uri })),
        };
        self.state().open.retain(|_, subscription| {
            if !subscription.filter.covers(announcement) {
                return true;
            }
            let sent = subscription.send(&tagged(&subscription.id, method, params.clone()));
            let late = subscription.late.take();
            sent && late.is_none_or(|acknowledgement| subscription.send(&acknowledgement))
        });
    }

    /// Ends all subscriptions in order: each request is answered at last.
    pub(in crate::mcp) fn finish_all(&self) {
        for (_, subscription) in std::mem::take(&mut self.state().open) {
            subscription.finish();
        }
    }

    /// Ends all streams at once, without a word.
    pub(in crate::mcp) fn cut_all(&self) {
        let mut state = self.state();
        state.open.clear();
        std::mem::take(&mut state.cut).cancel();
    }
}

impl Subscription {
    /// `false` when the reader is gone or too far behind.
    fn send(&self, message: &Value) -> bool {
        self.reader.try_send(server_sent_event("message", &message.to_string())).is_ok()
    }

    fn finish(&self) {
        let result = json!({"resultType": "complete", "_meta": {SUBSCRIPTION_ID: self.id}});
        for message in self.edits.messages(json!({"jsonrpc": "2.0", "id": self.id, "result": result})) {
            self.send(&message);
        }
    }
}

/// A notification that says to which subscription it belongs.
pub(super) fn tagged(id: &Value, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({ SUBSCRIPTION_ID: id });
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}
