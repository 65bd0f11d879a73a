//! Plain HTTP to addresses that the target gives, with the names that users would use.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};
use serde_json::{Value, json};

use super::sse;
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
    /// The messages of an event stream.
    pub events: Vec<Value>,
}

impl Response {
    /// The answer as expressions see it.
    pub fn to_json(&self) -> Value {
        json!({
            "status": self.status,
            "headers": self.headers,
            "body": self.body,
            "json": self.json(),
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

    /// Sends a request and reads the whole answer; of an event stream, up to the answer to `id`.
    pub async fn send(
        &self,
        route: &Route,
        method: &str,
        headers: &BTreeMap<String, String>,
        body: Option<String>,
        id: Option<&Value>,
        timeout: Duration,
    ) -> Result<Response, HttpError> {
        let unanswered =
            |reason: String| HttpError::Unanswered { method: method.to_owned(), url: route.url.to_string(), reason };
        let sending = self.start(route, method, headers, body)?;
        let answer = async {
            let response = sending.await.map_err(|error| unanswered(chain(&error)))?;
            read(response, id).await.map_err(|error| unanswered(chain(&error)))
        };
        tokio::time::timeout(timeout, answer).await.map_err(|_| unanswered(format!("no answer within {timeout:?}")))?
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

async fn read(response: reqwest::Response, id: Option<&Value>) -> reqwest::Result<Response> {
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
    let mut answer = Response { status: response.status().as_u16(), headers, ..Response::default() };
    let streams = answer.headers.get("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
    if !streams {
        answer.body = response.text().await?;
        return Ok(answer);
    }
    let mut decoder = sse::Decoder::default();
    let mut bytes = response.bytes_stream();
    while let Some(chunk) = bytes.next().await {
        let chunk = chunk?;
        answer.body.push_str(&String::from_utf8_lossy(&chunk));
        for event in decoder.feed(&chunk) {
            if let Ok(message) = serde_json::from_str::<Value>(&event.data) {
                answer.events.push(message);
            }
        }
        let is_answer =
            |message: &Value| id.is_some_and(|id| message.get("id") == Some(id) && message.get("method").is_none());
        if answer.events.iter().any(is_answer) {
            break;
        }
    }
    Ok(answer)
}
