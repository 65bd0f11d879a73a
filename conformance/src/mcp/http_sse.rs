//! HTTP+SSE, the transport of revision 2024-11-05: one stream carries all that the server says, and names the endpoint to
//! which the client posts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::http::{Http, HttpError, Response, Route, answers, message};
use super::sse::Event;
use super::stream::{Opening, Stream};

/// The stream of a session, and where its messages go.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    /// Where the client posts.
    pub(super) endpoint: Route,
    stream: Stream,
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
        let opening = Opening { method: "GET", route, headers: &headers, body: None };
        let stream = match Stream::open(http, opening, timeout).await? {
            Ok(stream) => stream,
            Err(answer) => return Ok(Err(answer)),
        };
        let endpoint = stream.event(|event| event.event == "endpoint", "endpoint", timeout).await?;
        let url = endpoint_of(route, &endpoint.data).map_err(|reason| stream.unanswered(reason))?;
        Ok(Ok(Self { endpoint: Route { url, ..route.clone() }, stream }))
    }

    /// The answer to the request of this id.
    pub(super) async fn answer(&self, id: &Value, timeout: Duration) -> Result<Event, HttpError> {
        self.stream.event(|event| answers(&message(event), id), "answer", timeout).await
    }

    /// Ends the session with its stream.
    pub(super) fn close(&self) {
        self.stream.close();
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
