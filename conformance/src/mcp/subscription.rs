//! `subscriptions/listen` (2026-07-28): a request whose answer is a stream of what changes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::http::{Http, HttpError, Response, Route, answers, message};
use super::session::Reply;
use super::sse::Event;
use super::stream::{Opening, Stream};

const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// An open subscription, and what it has brought.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The id of the request that opened it; every message names it.
    id: Value,
    acknowledged: Value,
    stream: Stream,
}

impl Subscription {
    /// Sends the request `sent` of that id. The server's first word must be the acknowledgement; a refusal is returned.
    pub(super) async fn open(
        http: &Http,
        route: &Route,
        headers: &BTreeMap<String, String>,
        (id, sent): (&Value, &str),
        timeout: Duration,
    ) -> Result<Result<Self, Reply>, HttpError> {
        let opening = Opening { method: "POST", route, headers, body: Some(sent.to_owned()) };
        let stream = match Stream::open(http, opening, timeout).await? {
            Ok(stream) => stream,
            Err(answer) => return Ok(Err(Reply::read(answer, Some(id)))),
        };
        let first = stream.event(|_| true, "acknowledgement", timeout).await?;
        let word = message(&first);
        if answers(&word, id) {
            let response = Response { status: 200, events: vec![first], ..Response::default() };
            return Ok(Err(Reply::read(response, Some(id))));
        }
        if word["method"] != ACKNOWLEDGED || !belongs(&word, id) {
            stream.close();
            let reason = format!("the first message is no acknowledgement of the subscription: {}", first.data);
            return Err(stream.unanswered(reason));
        }
        let acknowledged = word["params"]["notifications"].clone();
        Ok(Ok(Self { id: id.clone(), acknowledged, stream }))
    }

    /// What of the asked the server tells.
    pub fn acknowledged(&self) -> &Value {
        &self.acknowledged
    }

    /// What the server has said since it acknowledged, the answer at the end of the subscription included.
    pub fn messages(&self) -> Vec<Value> {
        self.of(&self.stream.events().borrow())
    }

    /// Waits until what was said so far is enough, or until the stream ends.
    pub async fn wait_for<E>(&self, mut enough: impl FnMut(&[Value]) -> Result<bool, E>) -> Result<(), E> {
        let mut events = self.stream.events();
        loop {
            let messages = self.of(&events.borrow_and_update());
            if enough(&messages)? || events.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Leaves: the closed stream cancels the request.
    pub fn close(&self) {
        self.stream.close();
    }

    /// The messages that belong to this subscription, without the acknowledgement.
    fn of(&self, events: &[Event]) -> Vec<Value> {
        let messages = events.iter().skip(1).map(message);
        messages.filter(|message| answers(message, &self.id) || belongs(message, &self.id)).collect()
    }
}

fn belongs(message: &Value, id: &Value) -> bool {
    message["params"]["_meta"][SUBSCRIPTION_ID] == *id
}
