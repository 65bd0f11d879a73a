//! Objects in memory, and a client that reads and writes them as the operator does.
//!
//! A write that changes nothing makes no new version, so that the operator comes to rest. The status of an object has two
//! parts: what it came with, which other writers own, and what the operator applied.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::http::{Method, Request, Response, StatusCode};
use kube::{Client, client::Body};
use serde_json::{Value, json};

use super::{NAMESPACE, admission::plural};

/// The kind and the name of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) kind: String,
    pub(crate) name: String,
}

impl Id {
    /// The object that is written `Kind/name`.
    pub(crate) fn parse(text: &str) -> Self {
        let (kind, name) = text.split_once('/').unwrap_or_else(|| panic!("{text:?} is not Kind/name"));
        Self { kind: kind.to_owned(), name: name.to_owned() }
    }

    /// The kind and the name that `object` says.
    pub(crate) fn of(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self { kind: text(&object["kind"]), name: text(&object["metadata"]["name"]) }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// Objects of one namespace as they are at some time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objects {
    by_id: BTreeMap<Id, Value>,
    /// The parts of statuses that others than the operator wrote.
    foreign: BTreeMap<Id, Value>,
    /// The latest version of any of them.
    version: u64,
}

impl Objects {
    /// The object `id`.
    pub(crate) fn get(&self, id: &Id) -> Option<&Value> {
        self.by_id.get(id)
    }

    /// Every object, by kind and name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Id, &Value)> {
        self.by_id.iter()
    }
}

#[derive(Debug, Default)]
struct State {
    objects: Objects,
    /// Objects that went and that the operator has not heard of.
    gone: Vec<Value>,
    /// The conditions that the operator ever wrote: the object, the type, and status and reason.
    said: BTreeSet<(Id, String, String)>,
}

/// Objects that change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store(Arc<Mutex<State>>);

impl Store {
    pub(super) fn new(objects: Objects) -> Self {
        Self(Arc::new(Mutex::new(State { objects, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The objects as they are.
    pub(crate) fn objects(&self) -> Objects {
        self.state().objects.clone()
    }

    /// Objects that went since the last call.
    pub(super) fn take_gone(&self) -> Vec<Value> {
        std::mem::take(&mut self.state().gone)
    }

    /// Whether the operator ever wrote the condition `kind` of the object `id` with this status and reason.
    pub(super) fn has_said(&self, id: &Id, kind: &str, value: &str) -> bool {
        self.state().said.contains(&(id.clone(), kind.to_owned(), value.to_owned()))
    }

    /// Somebody creates or replaces an object. Returns it as it is stored. The
    /// status of a new one is what others say.
    pub(super) fn put(&self, mut object: Value) -> Value {
        let mut state = self.state();
        let id = Id::of(&object);
        object["metadata"]["namespace"] = NAMESPACE.into();
        let uid = object["metadata"]["uid"].as_str().map_or_else(|| format!("uid-of-{id}"), str::to_owned);
        object["metadata"]["uid"] = uid.into();
        let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
        object["metadata"]["generation"] = (generation + 1).into();
        let status = object["status"].clone();
        state.objects.foreign.entry(id).or_insert(status);
        state.store(object)
    }

    /// Another writer than the operator says `status`, a merge patch, of the object `id`. Returns it as it is stored.
    pub(super) fn report(&self, id: &Id, status: &Value) -> Value {
        let mut state = self.state();
        let mut object = state.objects.by_id.get(id).unwrap_or_else(|| panic!("there is no {id}")).clone();
        merge(state.objects.foreign.entry(id.clone()).or_default(), status);
        merge(&mut object["status"], status);
        state.store(object)
    }

    /// Somebody deletes an object: one with finalizers stays until they are gone, and is returned.
    pub(super) fn delete(&self, id: &Id) -> Option<Value> {
        let mut state = self.state();
        let mut object = state.objects.by_id.get(id)?.clone();
        object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        let object = state.store(object);
        state.objects.by_id.contains_key(id).then_some(object)
    }

    /// A client of these objects.
    pub(super) fn client(&self) -> Client {
        let store = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let store = store.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(axum::body::Body::new(body), usize::MAX).await.unwrap();
                let body: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
                let path: Vec<_> = parts.uri.path().split('/').skip_while(|part| *part != "namespaces").collect();
                let answer = store.answer(&parts.method, &path, body);
                Ok::<_, Infallible>(answer.map_or_else(not_found, |object| response(StatusCode::OK, &object)))
            }
        });
        Client::new(service, NAMESPACE)
    }

    /// Answers a request for `namespaces/NAMESPACE/PLURAL[/NAME[/SUBRESOURCE]]`; `None` when there is no such object.
    fn answer(&self, method: &Method, path: &[&str], body: Value) -> Option<Value> {
        let mut state = self.state();
        let (resource, name) = (path[2], path.get(3).copied().unwrap_or_default());
        let name = if method == Method::POST { body["metadata"]["name"].as_str().unwrap_or_default() } else { name };
        let found = || state.objects.by_id.iter().find(|(id, _)| id.name == name && plural(&id.kind) == resource);
        let stored = found().map(|(id, object)| (id.clone(), object.clone()));
        match (method.as_str(), path.get(4).copied()) {
            // A Secret is made once: whoever comes second gets the one that is there.
            ("POST", None) if resource == "secrets" => Some(stored.map_or_else(
                || {
                    let mut object = body;
                    object["metadata"]["uid"] = format!("uid-of-{}", Id::of(&object)).into();
                    state.store(object)
                },
                |(_, object)| object,
            )),
            // Events are announced and not kept.
            ("POST", None) => Some(body),
            ("GET", None) => stored.map(|(_, object)| object),
            ("PATCH", Some("status")) => {
                let (id, mut object) = stored?;
                for condition in body["status"]["conditions"].as_array().into_iter().flatten() {
                    let text = |key: &str| condition[key].as_str().unwrap_or_default();
                    let value = format!("{} {}", text("status"), text("reason"));
                    state.said.insert((id.clone(), text("type").to_owned(), value));
                }
                object["status"] = merged(state.objects.foreign.get(&id), body["status"].clone());
                Some(state.store(object))
            }
            ("PATCH", None) if body["kind"].is_null() => {
                let (_, mut object) = stored?;
                merge(&mut object, &body);
                Some(state.store(object))
            }
            ("PATCH", None) => {
                let mut object = body;
                if let Some((_, before)) = &stored {
                    object["status"] = before["status"].clone();
                } else if matches!(object["kind"].as_str(), Some("Deployment" | "StatefulSet")) {
                    object["status"] = json!({"readyReplicas": 1});
                }
                object["metadata"]["uid"] = format!("uid-of-{}", Id::of(&object)).into();
                Some(state.store(object))
            }
            ("DELETE", None) => {
                let (id, object) = stored?;
                state.objects.by_id.remove(&id);
                state.gone.push(object.clone());
                Some(object)
            }
            (method, subresource) => panic!("the world does not serve {method} {path:?} {subresource:?}"),
        }
    }
}

impl State {
    /// Stores `object`, as a new version unless it says what is stored. One that is to go, and that nothing keeps, goes.
    fn store(&mut self, mut object: Value) -> Value {
        let id = Id::of(&object);
        let before = self.objects.by_id.get(&id);
        let version = before.map_or(Value::Null, |before| before["metadata"]["resourceVersion"].clone());
        object["metadata"]["resourceVersion"] = version;
        if before != Some(&object) {
            self.objects.version += 1;
            object["metadata"]["resourceVersion"] = self.objects.version.to_string().into();
        }
        let metadata = &object["metadata"];
        if !metadata["deletionTimestamp"].is_null() && metadata["finalizers"].as_array().is_none_or(Vec::is_empty) {
            self.objects.by_id.remove(&id);
            self.gone.push(object.clone());
        } else {
            self.objects.by_id.insert(id, object.clone());
        }
        object
    }
}

fn response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string().into_bytes()));
    *response.status_mut() = status;
    response
}

fn not_found() -> Response<Body> {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404,
        "message": "there is no such object", "metadata": {}
    });
    response(StatusCode::NOT_FOUND, &status)
}

/// The status that the operator applied, and what others say beside it.
fn merged(foreign: Option<&Value>, mut applied: Value) -> Value {
    for (key, value) in foreign.and_then(Value::as_object).into_iter().flatten() {
        match (key.as_str(), applied.get_mut(key)) {
            ("conditions", Some(Value::Array(conditions))) => {
                let others = value.as_array().into_iter().flatten();
                let others = others.filter(|other| !conditions.iter().any(|ours| ours["type"] == other["type"]));
                let others: Vec<_> = others.cloned().collect();
                conditions.extend(others);
            }
            (_, Some(_)) => {}
            (_, None) => applied[key] = value.clone(),
        }
    }
    applied
}

/// Changes `target` as a JSON merge patch (RFC 7386) says.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().into_iter().for_each(|target| drop(target.remove(key)));
        } else {
            merge(&mut target[key], value);
        }
    }
}
