//! What every request meets first: MCP itself is answered here, everything else by routes.

use super::{Ingress, OriginRefused, answer, cors, mcp};
use crate::jsonrpc::code;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures::TryFutureExt;
use futures::future::{BoxFuture, Either, ready};
use http::{Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::Service;
use std::convert::Infallible;
use std::sync::Arc;
use tower::ServiceExt;

/// The path of MCP.
const ENDPOINT: &str = "/mcp";

/// Below here is what everybody may read, web pages of any origin included: where tokens for this server come from (RFC 9728).
const METADATA: &str = "/.well-known/";

/// Answers the requests of clients. Calls do not go through the router, whose layers and boxed futures cost a tenth of what the
/// program does for a call.
#[derive(Debug, Clone)]
pub struct Front {
    ingress: Arc<Ingress>,
    routes: Router,
}

impl Front {
    /// What answers in the name of `ingress`.
    pub fn new(ingress: &Arc<Ingress>) -> Self {
        Self { routes: ingress.routes(), ingress: Arc::clone(ingress) }
    }

    /// Whether `Host` and `Origin` are right for what is asked for.
    fn check(&self, request: &Request<Incoming>) -> Result<(), OriginRefused> {
        let published = || self.ingress.published();
        match self.ingress.origins.check(request.headers(), request.uri().authority(), published) {
            Err(OriginRefused::Origin) if request.uri().path().starts_with(METADATA) => Ok(()),
            judged => judged,
        }
    }

    /// Answers a request that may be answered.
    fn answer(&self, request: Request<Body>) -> BoxFuture<'static, Result<Response, Infallible>> {
        if request.uri().path() == ENDPOINT {
            let ingress = Arc::clone(&self.ingress);
            return Box::pin(async move { Ok(mcp(&ingress, request).await) });
        }
        Box::pin(self.routes.clone().oneshot(request))
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        if let Err(refused) = self.check(&request) {
            let refusal = answer::refusal(StatusCode::FORBIDDEN, code::INVALID_REQUEST, refused.to_string());
            return Box::pin(async move { Ok(*refusal.0) });
        }
        let request = request.map(Body::new);
        let Some(page) = request.headers().get(header::ORIGIN).cloned() else { return self.answer(request) };
        let answer = match cors::preflight(&request) {
            Some(allowed) => Either::Left(ready(Ok(allowed))),
            None => Either::Right(self.answer(request)),
        };
        Box::pin(answer.map_ok(|mut answer| {
            cors::share(&mut answer, page);
            answer
        }))
    }
}
