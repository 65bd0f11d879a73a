//! Sees what the API server is asked and what it answers, as a layer of the client: counted, and with a span for each request.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::http::{Method, Request, Response};
use tower::{Layer, Service};
use tracing::{Instrument, Span, field::Empty};

use crate::metrics::Metrics;

/// A layer that observes requests and their answers.
#[derive(Debug, Clone)]
pub struct ObserveCalls(pub Metrics);

impl<S> Layer<S> for ObserveCalls {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { inner, metrics: self.0.clone() }
    }
}

/// A client whose requests are observed.
#[derive(Debug, Clone)]
pub struct Observed<S> {
    inner: S,
    metrics: Metrics,
}

impl<S, A, B> Service<Request<A>> for Observed<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (verb, resource) = call(request.method(), request.uri().path(), request.uri().query().unwrap_or_default());
        let span = span(&request, verb, &resource);
        let metrics = self.metrics.clone();
        let answer = span.in_scope(|| self.inner.call(request));
        let observed = async move {
            let answer = answer.await;
            let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            if let Some(status) = status {
                Span::current().record("http.response.status_code", status);
            }
            let code = status.map_or_else(|| "error".to_owned(), |status| status.to_string());
            if status.is_none_or(|status| status >= 400) {
                Span::current().record("error.type", &code).record("otel.status_code", "ERROR");
            }
            metrics.api_called(verb, resource, code);
            answer
        };
        Box::pin(observed.instrument(span))
    }
}

/// The span of a request, as the semantic conventions of HTTP clients have it. It is told to collectors, and to logs that
/// ask for as much as that.
fn span<A>(request: &Request<A>, verb: &str, resource: &str) -> Span {
    tracing::debug_span!(
        "api_call",
        otel.name = format!("{verb} {resource}").trim_end(),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = %request.method(),
        url.path = request.uri().path(),
        http.response.status_code = Empty,
        "error.type" = Empty,
    )
}

/// The verb and the resource of a request, as RBAC names them; of a path that is no resource, the HTTP method and
/// nothing.
fn call(method: &Method, path: &str, query: &str) -> (&'static str, String) {
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let rest = match segments.as_slice() {
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
        _ => &[],
    };
    let rest = match rest {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
        rest => rest,
    };
    let (resource, named) = match rest {
        [] => (String::new(), true),
        [resource] => ((*resource).to_owned(), false),
        [resource, _] => ((*resource).to_owned(), true),
        [resource, _, subresource, ..] => (format!("{resource}/{subresource}"), true),
    };
    let watches = query.split('&').any(|part| part == "watch=true" || part == "watch=1");
    let verb = match *method {
        Method::GET if watches => "watch",
        Method::GET if named => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if named => "delete",
        Method::DELETE => "deletecollection",
        _ => "other",
    };
    (verb, resource)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn requests_are_named_without_the_names_of_objects() {
        for (method, path, query, verb, resource) in [
            (Method::GET, "/api/v1/namespaces/a/secrets/s3cr3t", "", "get", "secrets"),
            (Method::GET, "/api/v1/secrets", "limit=500", "list", "secrets"),
            (Method::GET, "/api/v1/namespaces", "", "list", "namespaces"),
            (Method::GET, "/api/v1/namespaces/a", "", "get", "namespaces"),
            (Method::GET, "/apis/apps/v1/deployments", "&watch=true&timeoutSeconds=290", "watch", "deployments"),
            (Method::PATCH, "/apis/x.dev/v1/namespaces/a/things/b/status", "force=true", "patch", "things/status"),
            (Method::POST, "/apis/events.k8s.io/v1/namespaces/a/events", "", "create", "events"),
            (Method::DELETE, "/api/v1/namespaces/a/configmaps/b", "", "delete", "configmaps"),
            (Method::GET, "/version", "", "get", ""),
            (Method::GET, "/apis", "", "get", ""),
        ] {
            assert_eq!(call(&method, path, query), (verb, resource.to_owned()), "{method} {path}?{query}");
        }
    }
}
