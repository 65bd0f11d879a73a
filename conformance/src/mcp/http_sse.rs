//! HTTP+SSE, the transport of revision 2024-11-05: one stream carries all that the server says, and names the endpoint to
//! which the client posts.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::http::{EventStream, Http, HttpError, Response, Route, answers, message};
use super::sse::{Decoder, Event};

/// The stream of a session, and where its messages go.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    /// Where the client posts.
    pub(super) endpoint: Route,
    stream: Route,
    events: watch::Receiver<Vec<Event>>,
    reader: AbortHandle,
}

impl Channel {
    /// Opens the stream of the session; an answer that is none is returned.
    pub(super) async fn open(
        http: &Http,
        route: &Route,
        headers: &BTreeMap<String, String>,
        timeout: Duration,
    ) -> Result<Result<Self, Response>, HttpError> {
        let mut headers = headers.clone();
        headers.insert("accept".to_owned(), "text/event-stream".to_owned());
        let stream = match http.open(route, &headers, timeout).await? {
            Ok(stream) => stream,
            Err(answer) => return Ok(Err(answer)),
        };
        let (said, events) = watch::channel(Vec::new());
        let reader = tokio::spawn(listen(stream, said)).abort_handle();
        let mut channel = Self { endpoint: route.clone(), stream: route.clone(), events, reader };
        let endpoint = channel.event(|event| event.event == "endpoint", "endpoint", timeout).await?;
        channel.endpoint.url = endpoint_of(route, &endpoint.data).map_err(|reason| channel.unanswered(reason))?;
        Ok(Ok(channel))
    }

    /// The answer to the request of this id.
    pub(super) async fn answer(&self, id: &Value, timeout: Duration) -> Result<Event, HttpError> {
        self.event(|event| answers(&message(event), id), "answer", timeout).await
    }

    /// Ends the session with its stream.
    pub(super) fn close(&self) {
        self.reader.abort();
    }

    async fn event(&self, wanted: impl Fn(&Event) -> bool, what: &str, timeout: Duration) -> Result<Event, HttpError> {
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

    fn unanswered(&self, reason: String) -> HttpError {
        HttpError::Unanswered { method: "GET".to_owned(), url: self.stream.url.to_string(), reason }
    }
}

/// Reads a stream to its end.
async fn listen(mut stream: EventStream, said: watch::Sender<Vec<Event>>) {
    let mut decoder = Decoder::default();
    while let Some(Ok(chunk)) = stream.bytes.next().await {
        let events = decoder.feed(&chunk);
        if !events.is_empty() {
            said.send_modify(|all| all.extend(events));
        }
    }
}

/// The URL that the stream of `route` names as its endpoint, which must be of the same origin.
fn endpoint_of(route: &Route, endpoint: &str) -> Result<url::Url, String> {
    let url = route.url.join(endpoint).map_err(|error| format!("its endpoint `{endpoint}` is no URL: {error}"))?;
    if url.origin() != route.url.origin() {
        return Err(format!("its endpoint `{endpoint}` is of another origin"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_endpoint_is_of_the_origin_of_its_stream() {
        let route = Route { url: "http://a.example:80/x/sse".parse().unwrap(), address: ([127, 0, 0, 1], 1).into() };
        assert_eq!(endpoint_of(&route, "/messages?s=1").unwrap().as_str(), "http://a.example/messages?s=1");
        assert_eq!(endpoint_of(&route, "http://a.example/y").unwrap().as_str(), "http://a.example/y");
        assert!(endpoint_of(&route, "https://a.example/y").unwrap_err().contains("another origin"));
    }
}
