//! One HTTP request to a backend, with everything that the backend's configuration adds to it.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use url::Url;

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::answers::Answers;
use super::error::{Cause, EgressError};
use super::gate::Gate;
use super::guard::Reach;
use super::http_client::{HttpClient, Partition};
use super::peer::{Hearer, Peer};
use super::questions::QuestionLimit;
use crate::backend::{Backend, Caller};
use crate::outgoing::{Credential, Credentials};
use crate::replicas::SharedBackend;

/// Redirects of the same origin that are followed for one request.
const MAX_REDIRECTS: usize = 3;

/// Sends requests to one backend.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) http: HttpClient,
    pub(super) credentials: Credentials,
    pub(super) backend: Arc<Backend>,
    /// What every request carries as it is now: it may change while the session lasts.
    pub(super) settings: watch::Receiver<Arc<Backend>>,
    pub(super) answers: Answers,
    /// Whether the backend is left alone.
    pub(super) gate: Arc<dyn Gate>,
    /// Who hears what the backend says of its own accord.
    pub(super) hearer: Hearer,
    pub(super) questions: QuestionLimit,
    /// What tells the backend that requests are cancelled.
    pub(super) cancellations: TaskTracker,
}

impl Exchange {
    /// Sends a request on behalf of `caller` and returns the answer, whatever its status but 401 and 403.
    ///
    /// When the backend does not accept an exchanged token, a new one is obtained, once.
    pub(super) async fn send(
        &self,
        caller: &Caller,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, EgressError> {
        let mut retried = false;
        let settings = Arc::clone(&self.settings.borrow());
        loop {
            let credential = self.credentials.obtain(&settings, caller).await?;
            let headers = || {
                let mut headers = with_settings(headers.clone(), &settings, credential.as_ref());
                caller.passed.apply(&mut headers);
                headers
            };
            let response = self.follow(&method, url, headers, &body).await?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED
                && !retried
                && let Some(credential) = &credential
                && self.credentials.reject(credential)
            {
                retried = true;
                continue;
            }
            if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
                return Err(unauthorized(status));
            }
            return Ok(response);
        }
    }

    /// Whether what no request waits for (streams, notifications, answers, the end of a session) is not sent now.
    pub(super) fn is_shut(&self) -> bool {
        self.gate.is_shut(&self.backend)
    }

    /// Delivers the answer to a request of the backend, in a task of its own.
    pub(super) fn answer(&self, delivery: impl Future<Output = Result<(), EgressError>> + Send + 'static) {
        if !self.is_shut() {
            self.answers.deliver(&self.backend.name, delivery);
        }
    }

    /// Passes a message of the backend on to the client whose session this is.
    pub(super) fn deliver(&self, message: Bytes) {
        if let Hearer::Inbox { inbox, .. } = &self.hearer {
            inbox.deliver(message);
        }
    }

    /// The client that hears what concerns no request, if the gateway speaks for one.
    pub(super) fn peer(&self) -> Option<&Arc<dyn Peer>> {
        match &self.hearer {
            Hearer::Client(client) => Some(&client.peer),
            Hearer::Gateway | Hearer::Inbox { .. } => None,
        }
    }

    /// The session as other replicas know it, if they do.
    pub(super) fn shared(&self) -> Option<&Arc<SharedBackend>> {
        match &self.hearer {
            Hearer::Client(client) => client.shared.as_ref(),
            Hearer::Inbox { shared, .. } => shared.as_ref(),
            Hearer::Gateway => None,
        }
    }

    /// Whether the gateway speaks for a client that has declared anything for which a backend can ask it.
    pub(super) fn can_ask(&self) -> bool {
        matches!(&self.hearer, Hearer::Client(client) if client.capabilities.get() != "{}")
    }

    /// Sends a request and follows what MCP clients may follow: 307 and 308 of the same origin, with the same headers and body.
    async fn follow(
        &self,
        method: &Method,
        url: &Url,
        headers: impl Fn() -> HeaderMap,
        body: &Bytes,
    ) -> Result<Response<Incoming>, EgressError> {
        let mut url = Cow::Borrowed(url);
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send_once(method, &url, headers(), body).await?;
            let status = response.status();
            if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
            let target = redirect_target(&url, status, response.headers().get(LOCATION))?;
            tracing::debug!(backend = self.backend.name, %status, "following a redirect of the same origin");
            url = Cow::Owned(target);
        }
        Err(EgressError::new(Cause::Protocol, format!("more than {MAX_REDIRECTS} redirects")))
    }

    async fn send_once(
        &self,
        method: &Method,
        url: &Url,
        headers: HeaderMap,
        body: &Bytes,
    ) -> Result<Response<Incoming>, EgressError> {
        let mut request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .body(Full::new(body.clone()))
            .map_err(|_| EgressError::new(Cause::Protocol, "the URL of the backend is malformed"))?;
        *request.headers_mut() = headers;
        let reach = Reach { class: self.backend.class, allow_private: self.backend.allow_private };
        self.http.send(Partition::Backend(self.backend.name.clone()), reach, &self.backend.trust, request).await
    }
}

fn with_settings(mut headers: HeaderMap, settings: &Backend, credential: Option<&Credential>) -> HeaderMap {
    settings.headers.apply(&mut headers);
    if let Some(credential) = credential {
        headers.insert(credential.name().clone(), credential.value().clone());
    }
    headers
}

fn unauthorized(status: StatusCode) -> EgressError {
    EgressError::new(Cause::Unauthorized, format!("the backend answered {status}")).with_status(status)
}

/// Where a redirect leads, if it may be followed.
fn redirect_target(from: &Url, status: StatusCode, location: Option<&HeaderValue>) -> Result<Url, EgressError> {
    let refused = |why: &str| {
        EgressError::new(Cause::Protocol, format!("the backend answered {status}: {why}")).with_status(status)
    };
    if !matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
        return Err(refused("only redirects with 307 and 308 are followed, put the final URL into the configuration"));
    }
    let target = location
        .and_then(|location| location.to_str().ok())
        .and_then(|location| from.join(location).ok())
        .ok_or_else(|| refused("it does not say where to"))?;
    if same_origin(from, &target) {
        Ok(target)
    } else {
        Err(refused("it leads to another origin, put the final URL into the configuration"))
    }
}

/// Whether two URLs have scheme, host and port in common, and the second one brings no credentials of its own.
pub(super) fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin().is_tuple()
        && one.origin() == other.origin()
        && other.username().is_empty()
        && other.password().is_none()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn target(status: u16, location: &str) -> Result<String, EgressError> {
        let from = Url::parse("https://mcp.example.com/mcp").unwrap();
        let location = HeaderValue::from_str(location).unwrap();
        redirect_target(&from, StatusCode::from_u16(status).unwrap(), Some(&location)).map(String::from)
    }

    #[test]
    fn only_307_and_308_of_the_same_origin_are_followed() {
        assert_eq!(target(307, "/mcp/").unwrap(), "https://mcp.example.com/mcp/");
        assert_eq!(target(308, "https://mcp.example.com:443/v2").unwrap(), "https://mcp.example.com/v2");
        for (status, location) in [
            (301, "/mcp/"),
            (302, "/mcp/"),
            (303, "/mcp/"),
            (307, "http://mcp.example.com/mcp"),
            (307, "https://mcp.example.com:8443/mcp"),
            (307, "https://evil.example.com/mcp"),
            (308, "//169.254.169.254/latest"),
            (308, "https://user:password@mcp.example.com/mcp"),
            (307, "file:///etc/passwd"),
        ] {
            let error = target(status, location).unwrap_err();
            assert_eq!(error.cause(), Cause::Protocol, "{status} {location}");
            assert_eq!(error.status(), Some(status));
        }
    }
}
