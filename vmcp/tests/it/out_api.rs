//! A stand-in of the API server: lists, watches and patches, nothing more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::out_support::PATIENCE;

/// The stand-in.
#[derive(Clone, Default)]
pub(crate) struct Api {
    state: Arc<Mutex<State>>,
    patches: Arc<watch::Sender<Vec<Value>>>,
}

/// Objects of one namespace by `plural/name`, what may not be read, and who watches.
#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    forbidden: Vec<String>,
    not_installed: Vec<String>,
    version: u64,
    watchers: Vec<(String, mpsc::UnboundedSender<Value>)>,
    requests: Vec<String>,
}

impl Api {
    /// A client of it.
    pub(crate) fn client(&self) -> kube::Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, std::convert::Infallible>(api.answer(request).await) }
        });
        kube::Client::new(service, "ns")
    }

    /// Puts an object in place, and tells those who watch.
    pub(crate) fn put(&self, plural: &str, mut object: Value) {
        let mut state = self.state();
        state.version += 1;
        object["metadata"]["resourceVersion"] = json!(state.version.to_string());
        let key = format!("{plural}/{}", object["metadata"]["name"].as_str().unwrap());
        let kind = if state.objects.insert(key.clone(), object.clone()).is_some() { "MODIFIED" } else { "ADDED" };
        state.tell(&key, &json!({"type": kind, "object": object}));
    }

    /// Takes an object away, and tells those who watch.
    pub(crate) fn delete(&self, key: &str) {
        let mut state = self.state();
        let object = state.objects.remove(key).unwrap();
        state.tell(key, &json!({"type": "DELETED", "object": object}));
    }

    /// From now on these objects may not be read.
    pub(crate) fn forbid(&self, keys: &[&str]) {
        self.state().forbidden = keys.iter().map(|key| (*key).to_owned()).collect();
    }

    /// From now on these kinds are not installed.
    pub(crate) fn uninstall(&self, kinds: &[&str]) {
        self.state().not_installed = kinds.iter().map(|key| (*key).to_owned()).collect();
    }

    /// What it was asked.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// The patches of statuses, when there are so many.
    pub(crate) async fn patches(&self, count: usize) -> Vec<Value> {
        self.patched(&format!("{count} patches"), |patches| patches.len() >= count).await
    }

    /// The patches of statuses, when they are such; `what` tells people what was awaited.
    pub(crate) async fn patched(&self, what: &str, are_such: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut patches = self.patches.subscribe();
        let found = tokio::time::timeout(PATIENCE, patches.wait_for(|patches| are_such(patches))).await;
        let found = found.map(|found| found.unwrap().clone());
        found.unwrap_or_else(|_| panic!("never {what}: {:?}", *self.patches.borrow()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn answer(&self, request: Request<Body>) -> Response<axum::body::Body> {
        let (head, body) = request.into_parts();
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let path = head.uri.path().split_once("/namespaces/ns/").unwrap().1.to_owned();
        let body = body.collect().await.unwrap().to_bytes();
        let mut state = self.state();
        state.requests.push(format!(
            "{} {path} {}",
            head.method,
            query.get("fieldSelector").cloned().unwrap_or_default()
        ));
        if head.method == "PATCH" {
            assert_eq!((query["fieldManager"].as_str(), query["force"].as_str()), ("vmcp", "true"));
            self.patches.send_modify(|patches| patches.push(serde_json::from_slice(&body).unwrap()));
            return answer(200, &state.objects[path.trim_end_matches("/status")]);
        }
        if path.contains('/') {
            return answer(200, &state.objects[&path]);
        }
        let key = query.get("fieldSelector").map_or_else(
            || format!("{path}/"),
            |selector| format!("{path}/{}", selector.strip_prefix("metadata.name=").unwrap()),
        );
        if state.not_installed.contains(&path) {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
                "message": "the server could not find the requested resource", "code": 404});
            return answer(404, &status);
        }
        if state.forbidden.contains(&key) {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden",
                "message": "forbidden", "code": 403});
            return answer(403, &status);
        }
        if query.contains_key("watch") {
            let (sender, receiver) = mpsc::unbounded_channel();
            state.watchers.push((key, sender));
            let events = UnboundedReceiverStream::new(receiver)
                .map(|event| Ok::<_, std::io::Error>(Bytes::from(format!("{event}\n"))));
            return Response::new(axum::body::Body::from_stream(events));
        }
        let items: Vec<&Value> =
            state.objects.iter().filter(|(own, _)| fits(&key, own)).map(|(_, object)| object).collect();
        let version = state.version.to_string();
        answer(
            200,
            &json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items}),
        )
    }
}

fn fits(watched: &str, key: &str) -> bool {
    watched == key || (watched.ends_with('/') && key.starts_with(watched))
}

impl State {
    fn tell(&mut self, key: &str, event: &Value) {
        self.watchers.retain(|(watched, sender)| !fits(watched, key) || sender.send(event.clone()).is_ok());
    }
}

fn answer(status: u16, value: &Value) -> Response<axum::body::Body> {
    Response::builder().status(status).body(axum::body::Body::from(value.to_string())).unwrap()
}

pub(crate) fn entry(name: &str, generation: i64, spec: &Value) -> Value {
    let mut full = json!({
        "remoteUrl": format!("https://{name}.example.com/mcp"), "transport": "streamable-http",
        "groupRef": {"name": "tools"},
    });
    full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({
        "apiVersion": "toolhive.stacklok.dev/v1beta1", "kind": "MCPServerEntry",
        "metadata": {"name": name, "namespace": "ns", "uid": name, "generation": generation},
        "spec": full,
        "status": {"phase": "Valid", "observedGeneration": generation},
    })
}

pub(crate) fn secret(name: &str, key: &str, base64: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "ns"}, "data": {key: base64}})
}

pub(crate) fn bundle(pem: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bundle", "namespace": "ns"},
        "data": {"ca.crt": pem}})
}
