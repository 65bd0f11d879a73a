//! A client whose requests can be held back, to fix how far controllers come.

use std::convert::Infallible;

use axum::body::Body;
use embedded_cluster::ApiServer;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use kube::Client;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tower::{ServiceExt, service_fn};

/// Which requests are held back.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Requests {
    /// The method.
    #[serde(deserialize_with = "method")]
    pub(crate) method: Method,
    /// The whole path, without its query.
    pub(crate) path: String,
    /// What the body says at least; by default any.
    #[serde(default)]
    pub(crate) body: Value,
}

impl Requests {
    /// The reads of a path: gets, lists and watches.
    pub(crate) fn reads(path: &str) -> Self {
        Self { method: Method::GET, path: path.to_owned(), body: Value::Null }
    }

    fn include(&self, request: &Request<Full<bytes::Bytes>>, body: &Value) -> bool {
        self.method == request.method() && self.path == request.uri().path() && says(body, &self.body)
    }
}

/// Holds requests back while it says so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(watch::Sender<Vec<Hold>>);

#[derive(Clone, Debug)]
struct Hold {
    requests: Requests,
    has_held: bool,
}

impl Gate {
    /// An administrator's client in namespace `default` that goes through this gate.
    pub(crate) fn client(&self, api: &ApiServer) -> Client {
        let (gate, service) = (self.clone(), api.service());
        let held = move |request: Request<kube::client::Body>| {
            let (gate, service) = (gate.clone(), service.clone());
            async move {
                let (parts, body) = request.into_parts();
                // A client's own body is in memory.
                let body = body.collect().await.unwrap().to_bytes();
                let content = serde_json::from_slice(&body).unwrap_or_default();
                let request = Request::from_parts(parts, Full::new(body));
                gate.pass(&request, &content).await;
                let answer: Result<Response<Body>, Infallible> = service.oneshot(request).await;
                answer
            }
        };
        Client::new(service_fn(held), "default")
    }

    /// Holds such requests back from now on.
    pub(crate) fn hold(&self, requests: Requests) {
        self.0.send_modify(|holds| holds.push(Hold { requests, has_held: false }));
    }

    /// Waits until such a request is held back.
    pub(crate) async fn has_held(&self, requests: &Requests) {
        let held = |holds: &Vec<Hold>| holds.iter().any(|hold| hold.requests == *requests && hold.has_held);
        // The sender lives as long as the gate.
        let _ = self.0.subscribe().wait_for(held).await;
    }

    /// Lets them pass.
    pub(crate) fn release(&self, requests: &Requests) {
        self.0.send_modify(|holds| holds.retain(|hold| hold.requests != *requests));
    }

    async fn pass(&self, request: &Request<Full<bytes::Bytes>>, body: &Value) {
        let is_held = |hold: &Hold| hold.requests.include(request, body);
        self.0.send_if_modified(|holds| {
            let held = holds.iter_mut().filter(|hold| is_held(hold) && !hold.has_held);
            held.map(|hold| hold.has_held = true).count() > 0
        });
        let _ = self.0.subscribe().wait_for(|holds| !holds.iter().any(is_held)).await;
    }
}

/// Whether a value says at least what the other one does.
fn says(value: &Value, least: &Value) -> bool {
    match least {
        Value::Null => true,
        Value::Object(fields) => fields.iter().all(|(key, least)| says(&value[key], least)),
        least => value == least,
    }
}

fn method<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Method, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}
