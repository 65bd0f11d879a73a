//! What every request meets first: MCP itself is answered here, everything else by routes.

use super::{Ingress, answer, mcp};
use crate::jsonrpc::code;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures::future::BoxFuture;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::service::Service;
use std::convert::Infallible;
use std::sync::Arc;
use tower::ServiceExt;

/// The path of MCP.
const ENDPOINT: &str = "/mcp";

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
}

impl Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let published = || self.ingress.published();
        if let Err(refused) = self.ingress.origins.check(request.headers(), request.uri().authority(), published) {
            let refusal = answer::refusal(StatusCode::FORBIDDEN, code::INVALID_REQUEST, refused.to_string());
            return Box::pin(async move { Ok(*refusal.0) });
        }
        let request = request.map(Body::new);
        if request.uri().path() == ENDPOINT {
            let ingress = Arc::clone(&self.ingress);
            return Box::pin(async move { Ok(mcp(&ingress, request).await) });
        }
        Box::pin(self.routes.clone().oneshot(request))
    }
}
