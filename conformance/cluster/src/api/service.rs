//! The server as a tower service.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use tower::Service;

use super::dispatch::{Credentials, dispatch};
use super::in_memory;
use super::state::Server;
use super::status::ApiError;

/// The largest body that is read: 3 MiB, as in the real server.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Answers requests to an [`ApiServer`](super::ApiServer) without a socket.
#[derive(Clone)]
pub struct ApiService {
    server: Arc<Server>,
    credentials: Credentials,
    authorization: Option<HeaderValue>,
}

impl fmt::Debug for ApiService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ApiService").finish_non_exhaustive()
    }
}

impl ApiService {
    pub(crate) fn new(server: Arc<Server>, credentials: Credentials) -> Self {
        Self { server, credentials, authorization: None }
    }

    /// Adds a bearer token to each request.
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        // A token that no header can hold is no token: the server refuses the empty one.
        let mut value =
            HeaderValue::from_str(&format!("Bearer {token}")).unwrap_or(HeaderValue::from_static("Bearer "));
        value.set_sensitive(true);
        self.authorization = Some(value);
        self
    }
}

impl<B> Service<Request<B>> for ApiService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { server, credentials, authorization } = self.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            if let Some(value) = authorization {
                parts.headers.insert(AUTHORIZATION, value);
            }
            if in_memory::wants_connection(&parts) {
                return Ok(in_memory::request(Self { server, credentials, authorization: None }, parts).await);
            }
            match Limited::new(body, BODY_LIMIT).collect().await {
                Ok(body) => Ok(dispatch(&server, &credentials, &parts, &body.to_bytes()).await),
                Err(_) => Ok(too_large()),
            }
        })
    }
}

fn too_large() -> Response<Body> {
    let message = format!("Request entity too large: limit is {BODY_LIMIT}");
    let status = ApiError::plain(413, "RequestEntityTooLarge", message).to_status();
    let mut response = Response::new(Body::from(status.to_string()));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
