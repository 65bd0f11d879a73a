//! A request that has arrived completely, and what becomes of it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header};
use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::mpsc;

use super::body::{Body, complete};
use super::connection::Connection;
use crate::faults::Edits;
use crate::journal::TelemetryFacts;

/// A request with its whole body.
pub(crate) struct Received {
    pub(crate) at: Timestamp,
    pub(crate) connection: Arc<Connection>,
    pub(crate) method: Method,
    pub(crate) version: Version,
    /// The host name in lower case, without port.
    pub(crate) host: String,
    /// The port that the client wrote, if it wrote one.
    pub(crate) port: Option<u16>,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: Arc<HeaderMap>,
    pub(crate) body: Bytes,
    /// What faults do to the messages of the answer.
    pub(crate) edits: Edits,
}

impl Received {
    /// The only value of a header; `None` when it is absent, repeated or not text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }

    /// The content type without parameters, in lower case.
    pub(crate) fn media_type(&self) -> Option<String> {
        let value = self.header(header::CONTENT_TYPE.as_str())?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// Whether `Accept` names the media type itself; wildcards do not count, as MCP asks clients to list what they take.
    pub(crate) fn accepts(&self, media_type: &str) -> bool {
        self.headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|item| item.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type))
    }

    /// The first value of a query parameter.
    pub(crate) fn query_parameter(&self, name: &str) -> Option<String> {
        let query = self.query.as_deref()?;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The URL without its query, as the client knows it.
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.origin(), self.path)
    }

    /// Scheme, host and the port of the URL, which is left out when it is the scheme's own.
    pub(crate) fn origin(&self) -> String {
        origin(self.connection.scheme(), &self.host, self.connection.url_port)
    }
}

/// Scheme, host and port as an origin is written.
pub(crate) fn origin(scheme: &str, host: &str, port: u16) -> String {
    match (scheme, port) {
        ("https", 443) | ("http", 80) => format!("{scheme}://{host}"),
        _ => format!("{scheme}://{host}:{port}"),
    }
}

/// What becomes of a request.
pub(crate) struct Outcome {
    /// The response; `None` drops the connection instead.
    pub(crate) response: Option<Response<Body>>,
    /// Why the request is refused.
    pub(crate) verdict: Option<String>,
    /// The session that the request belongs to or has begun, when its headers do not tell.
    pub(crate) session: Option<String>,
    /// Whether a client that leaves before the end of the answer has cancelled the request.
    pub(crate) cancellable: bool,
    /// The telemetry that the request brought.
    pub(crate) telemetry: Option<Box<TelemetryFacts>>,
    /// Why the request, or one of a batch, fails although its answer has begun; when that is open still.
    pub(crate) failures: Option<mpsc::Receiver<String>>,
}

impl Outcome {
    pub(crate) fn answered(response: Response<Body>) -> Self {
        Self { response: Some(response), ..Self::empty() }
    }

    pub(crate) fn refused(response: Response<Body>, verdict: impl Into<String>) -> Self {
        Self { response: Some(response), verdict: Some(verdict.into()), ..Self::empty() }
    }

    /// Refused with a plain sentence as body.
    pub(crate) fn refused_with(status: StatusCode, verdict: impl Into<String>) -> Self {
        let verdict = verdict.into();
        Self::refused(text_response(status, &verdict), verdict)
    }

    pub(crate) fn dropped(verdict: impl Into<String>) -> Self {
        Self { verdict: Some(verdict.into()), ..Self::empty() }
    }

    fn empty() -> Self {
        Self { response: None, verdict: None, session: None, cancellable: false, telemetry: None, failures: None }
    }

    pub(crate) fn in_session(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }

    pub(crate) fn cancellable(mut self) -> Self {
        self.cancellable = true;
        self
    }
}

/// The error that makes hyper close a connection without an answer.
#[derive(Debug, Error)]
#[error("the world drops this connection")]
pub(crate) struct Dropped;

pub(crate) fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = page(status, value.to_string());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer without headers.
pub(crate) fn page(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(complete(body));
    *response.status_mut() = status;
    response
}

pub(crate) fn text_response(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = page(status, format!("{text}\n"));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

pub(crate) fn empty_response(status: StatusCode) -> Response<Body> {
    page(status, String::new())
}

pub(crate) fn method_not_allowed(allowed: &'static str, verdict: impl Into<String>) -> Outcome {
    let verdict = verdict.into();
    let mut response = text_response(StatusCode::METHOD_NOT_ALLOWED, &verdict);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    Outcome::refused(response, verdict)
}
