//! Plain HTTP to addresses that the target gives, with the names that users would use.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};
use serde_json::{Value, json};

use super::sse::{Decoder, Event};
use crate::causes::chain;

/// How a URL is reached: its name is kept, the address is the target's.
#[derive(Clone, Debug)]
pub struct Route {
    /// The URL as users write it.
    pub url: Url,
    /// Where its host and port really listen.
    pub address: SocketAddr,
}

/// Why a request has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HttpError {
    /// No answer came.
    #[error("{method} {url} was not answered: {reason}")]
    Unanswered {
        /// The method.
        method: String,
        /// The URL.
        url: String,
        /// Why.
        reason: String,
    },
    /// The request cannot be made.
    #[error("cannot make a request: {0}")]
    Invalid(String),
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers by lower-case name; several of one name are joined with a comma.
    pub headers: BTreeMap<String, String>,
    /// The body; of an event stream, all of it that was read.
    pub body: String,
    /// What was read of an event stream.
    pub events: Vec<Event>,
}

/// How far an event stream is read; any other answer is read whole.
#[derive(Clone, Copy, Debug)]
pub enum Extent<'a> {
    /// To its end.
    Whole,
    /// To the answer to the request of this id.
    Answer(&'a Value),
    /// So many events.
    Events(usize),
}

impl Extent<'_> {
    fn is_reached(self, events: &[Event]) -> bool {
        match self {
            Self::Whole => false,
            Self::Answer(id) => events.iter().any(|event| answers(&message(event), id)),
            Self::Events(count) => events.len() >= count,
        }
    }
}

/// The JSON-RPC message of an event; null when it has none.
pub(super) fn message(event: &Event) -> Value {
    serde_json::from_str(&event.data).unwrap_or(Value::Null)
}

/// Whether a message is the answer to the request of this id.
pub(super) fn answers(message: &Value, id: &Value) -> bool {
    message.get("id") == Some(id) && message.get("method").is_none()
}

impl Response {
    /// The answer as expressions see it.
    pub fn to_json(&self) -> Value {
        json!({
            "status": self.status,
            "headers": self.headers,
            "body": self.body,
            "json": self.json(),
            "events": self.events,
        })
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// Whether the status says success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the body is an event stream.
    fn streams(&self) -> bool {
        self.headers.get("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }
}

/// An HTTP client that trusts the world's authorities.
#[derive(Clone, Debug)]
pub struct Http {
    authorities: Vec<reqwest::Certificate>,
}

impl Http {
    /// Trusts these authorities and no others.
    pub fn new<'a>(pems: impl IntoIterator<Item = &'a str>) -> Result<Self, HttpError> {
        let authorities = pems
            .into_iter()
            .map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()))
            .collect::<Result<_, _>>()
            .map_err(|error| HttpError::Invalid(error.to_string()))?;
        Ok(Self { authorities })
    }

    /// Sends a request and reads the answer; of an event stream, as much as `extent` says.
    pub async fn send(
        &self,
        route: &Route,
        method: &str,
        headers: &BTreeMap<String, String>,
        body: Option<String>,
        extent: Extent<'_>,
        timeout: Duration,
    ) -> Result<Response, HttpError> {
        let unanswered =
            |reason: String| HttpError::Unanswered { method: method.to_owned(), url: route.url.to_string(), reason };
        let sending = self.start(route, method, headers, body)?;
        let answer = async {
            let response = sending.await.map_err(|error| unanswered(chain(&error)))?;
            read(response, extent).await.map_err(|error| unanswered(chain(&error)))
        };
        tokio::time::timeout(timeout, answer).await.map_err(|_| unanswered(format!("no answer within {timeout:?}")))?
    }

    /// Opens an event stream; an answer that is none is returned whole.
    pub(super) async fn open(
        &self,
        route: &Route,
        method: &str,
        headers: &BTreeMap<String, String>,
        body: Option<String>,
        timeout: Duration,
    ) -> Result<Result<EventStream, Response>, HttpError> {
        let unanswered =
            |reason: String| HttpError::Unanswered { method: method.to_owned(), url: route.url.to_string(), reason };
        let sending = self.start(route, method, headers, body)?;
        let opening = async {
            let response = sending.await.map_err(|error| unanswered(chain(&error)))?;
            let head = head(&response);
            if head.is_success() && head.streams() {
                return Ok(Ok(EventStream { bytes: response.bytes_stream().boxed() }));
            }
            read(response, Extent::Whole).await.map(Err).map_err(|error| unanswered(chain(&error)))
        };
        tokio::time::timeout(timeout, opening).await.map_err(|_| unanswered(format!("no answer within {timeout:?}")))?
    }

    fn start(
        &self,
        route: &Route,
        method: &str,
        headers: &BTreeMap<String, String>,
        body: Option<String>,
    ) -> Result<impl Future<Output = reqwest::Result<reqwest::Response>> + use<>, HttpError> {
        let invalid = |reason: String| HttpError::Invalid(reason);
        let host = route.url.host_str().unwrap_or_default().to_owned();
        let client: Client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only(self.authorities.clone())
            .resolve(&host, route.address)
            .build()
            .map_err(|error| invalid(chain(&error)))?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| invalid(error.to_string()))?;
        let mut url = route.url.clone();
        let mut fields = HeaderMap::new();
        if url.port().is_some_and(|port| port != route.address.port()) {
            // A URL's own port wins over that of the address: so it is replaced, and Host keeps it.
            let authority = format!("{host}:{}", url.port().unwrap_or_default());
            let value = HeaderValue::from_str(&authority).map_err(|error| invalid(error.to_string()))?;
            fields.insert(reqwest::header::HOST, value);
            url.set_port(Some(route.address.port())).map_err(|()| invalid(format!("{url} cannot have a port")))?;
        }
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| invalid(error.to_string()))?;
            let value = HeaderValue::from_str(value).map_err(|error| invalid(error.to_string()))?;
            fields.insert(name, value);
        }
        let mut request = client.request(method, url).headers(fields);
        if let Some(body) = body {
            request = request.body(body);
        }
        Ok(request.send())
    }
}

/// An event stream that is open.
pub(super) struct EventStream {
    /// What comes of it.
    pub(super) bytes: BoxStream<'static, reqwest::Result<Bytes>>,
}

async fn read(response: reqwest::Response, extent: Extent<'_>) -> reqwest::Result<Response> {
    let mut answer = head(&response);
    if !answer.streams() {
        answer.body = response.text().await?;
        return Ok(answer);
    }
    let mut decoder = Decoder::default();
    let mut bytes = response.bytes_stream();
    while !extent.is_reached(&answer.events) {
        let Some(chunk) = bytes.next().await.transpose()? else { break };
        answer.body.push_str(&String::from_utf8_lossy(&chunk));
        answer.events.extend(decoder.feed(&chunk));
    }
    Ok(answer)
}

/// Status and headers of an answer.
fn head(response: &reqwest::Response) -> Response {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|joined| {
                joined.push_str(", ");
                joined.push_str(&value);
            })
            .or_insert(value);
    }
    Response { status: response.status().as_u16(), headers, ..Response::default() }
}
