//! Counts what the API server answers, as a layer of the client.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::http::{Method, Request, Response};
use tower::{Layer, Service};

use super::Metrics;

/// A layer that counts requests and their answers.
#[derive(Debug, Clone)]
pub struct CountCalls(pub Metrics);

impl<S> Layer<S> for CountCalls {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, metrics: self.0.clone() }
    }
}

/// A client whose requests are counted.
#[derive(Debug, Clone)]
pub struct Counted<S> {
    inner: S,
    metrics: Metrics,
}

impl<S, A, B> Service<Request<A>> for Counted<S>
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
        let metrics = self.metrics.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code =
                answer.as_ref().map_or_else(|_| "error".to_owned(), |answer| answer.status().as_u16().to_string());
            let labels = [("verb", verb.to_owned()), ("resource", resource), ("code", code)];
            metrics.api_calls.get_or_create(&labels).inc();
            answer
        })
    }
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
