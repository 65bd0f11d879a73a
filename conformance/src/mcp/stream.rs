//! Event streams that stay open: read in the background, so that nothing that a server says is lost between two steps.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::http::{EventStream, Http, HttpError, Response, Route};
use super::sse::{Decoder, Event};

/// What opens a stream.
pub(super) struct Opening<'a> {
    /// The HTTP method.
    pub(super) method: &'static str,
    /// Where it is sent.
    pub(super) route: &'a Route,
    /// Its headers.
    pub(super) headers: &'a BTreeMap<String, String>,
    /// Its body.
    pub(super) body: Option<String>,
}

/// An open stream, and all that it has brought.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    method: &'static str,
    route: Route,
    events: watch::Receiver<Vec<Event>>,
    reader: AbortHandle,
}

impl Stream {
    /// Opens a stream; an answer that is none is returned.
    pub(super) async fn open(
        http: &Http,
        opening: Opening<'_>,
        timeout: Duration,
    ) -> Result<Result<Self, Response>, HttpError> {
        let Opening { method, route, headers, body } = opening;
        let stream = match http.open(route, method, headers, body, timeout).await? {
            Ok(stream) => stream,
            Err(answer) => return Ok(Err(answer)),
        };
        let (said, events) = watch::channel(Vec::new());
        let reader = tokio::spawn(read(stream, said)).abort_handle();
        Ok(Ok(Self { method, route: route.clone(), events, reader }))
    }

    /// The first event that is wanted; `what` it is stands in the error when it does not come.
    pub(super) async fn event(
        &self,
        wanted: impl Fn(&Event) -> bool,
        what: &str,
        timeout: Duration,
    ) -> Result<Event, HttpError> {
        let mut events = self.events.clone();
        let arrived = async {
            let events = events.wait_for(|events| events.iter().any(&wanted)).await.ok()?;
            events.iter().find(|event| wanted(event)).cloned()
        };
        match tokio::time::timeout(timeout, arrived).await {
            Ok(Some(event)) => Ok(event),
            Ok(None) => Err(self.unanswered(format!("the stream ended without an {what}"))),
            Err(_) => Err(self.unanswered(format!("no {what} on the stream within {timeout:?}"))),
        }
    }

    /// All events so far and those to come; it closes with the stream.
    pub(super) fn events(&self) -> watch::Receiver<Vec<Event>> {
        self.events.clone()
    }

    /// Leaves the stream.
    pub(super) fn close(&self) {
        self.reader.abort();
    }

    /// The stream did not bring what it had to.
    pub(super) fn unanswered(&self, reason: String) -> HttpError {
        HttpError::Unanswered { method: self.method.to_owned(), url: self.route.url.to_string(), reason }
    }
}

/// Reads a stream to its end.
async fn read(mut stream: EventStream, said: watch::Sender<Vec<Event>>) {
    let mut decoder = Decoder::default();
    while let Some(Ok(chunk)) = stream.bytes.next().await {
        let events = decoder.feed(&chunk);
        if !events.is_empty() {
            said.send_modify(|all| all.extend(events));
        }
    }
}
