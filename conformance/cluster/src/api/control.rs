//! The control of faults and of what pods know of machines outside, over HTTP: for `cluster fault` and any other program
//! that holds the administrator's kubeconfig.
//!
//! | request | does |
//! |---|---|
//! | `GET /embedded/faults` | lists the faults of requests and the controllers |
//! | `POST /embedded/faults` `{"fault": TEXT}` | adds a fault |
//! | `DELETE /embedded/faults[/ID]` | clears one fault, or all |
//! | `POST /embedded/compact` | forgets the history |
//! | `POST /embedded/drop-watches` `{"resource": NAME}` | ends watches; without a resource, all |
//! | `POST /embedded/controllers/NAME/pause`, `.../resume` | pauses or resumes a controller |
//! | `POST /embedded/pods/NAMESPACE/NAME/kill` `{"container": NAME, "outOfMemory": BOOL}` | kills a pod's processes |
//! | `GET /embedded/addresses` | tells the blocks of pods, of Services, and of machines that the caller simulates |
//! | `GET /embedded/namespaces/NAME` | tells the resolver of the namespace's pods |
//! | `PUT /embedded/namespaces/NAME` `{"names": {HOST: ADDRESS}, "delegated": {HOST: ADDRESS:PORT}, "environment": {NAME: VALUE}}` | replaces the extra names that the namespace resolves, those that a name server of the caller's answers for, and the variables that its containers get when they start |
//!
//! The paths are authorized as every other path that is no resource, so nobody but administrators reaches them, and no
//! fault concerns them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::respond::Answer;
use super::state::Server;
use super::status::{ApiError, ApiResult};
use crate::faults::{ActiveFault, Faults, Kill, RequestFault};
use crate::surroundings::Surroundings;

const ROOT: &str = "/embedded/";

/// Whether a path is one of these.
pub(crate) fn serves(path: &str) -> bool {
    path.starts_with(ROOT)
}

/// Answers a request of an administrator.
pub(crate) fn answer(server: &Arc<Server>, method: &Method, path: &str, body: &Bytes) -> Answer {
    let faults = Faults::new(Arc::clone(server));
    let segments: Vec<&str> = path.trim_start_matches(ROOT).split('/').filter(|segment| !segment.is_empty()).collect();
    let result = match (method.as_str(), segments.as_slice()) {
        ("GET", ["faults"]) => Ok(list(&faults)),
        ("POST", ["faults"]) => add(&faults, body),
        ("DELETE", ["faults"]) => Ok(json!({"cleared": faults.clear_all()})),
        ("DELETE", ["faults", id]) => clear(&faults, id),
        ("POST", ["compact"]) => {
            faults.compact();
            Ok(json!({}))
        }
        ("POST", ["drop-watches"]) => drop_watches(&faults, body),
        ("POST", ["controllers", name, "pause"]) => faults.pause(name).map(|()| json!({})).map_err(not_found),
        ("POST", ["controllers", name, "resume"]) => faults.resume(name).map(|()| json!({})).map_err(not_found),
        ("POST", ["pods", namespace, name, "kill"]) => kill(&faults, namespace, name, body),
        ("GET", ["addresses"]) => surroundings(server).map(|around| json!(around.blocks())),
        ("GET", ["namespaces", name]) => surroundings(server).and_then(|around| resolver(around, name)),
        ("PUT", ["namespaces", name]) => surroundings(server).and_then(|around| surround(around, name, body)),
        _ => return Answer::page_not_found(),
    };
    match result {
        Ok(value) => Answer::Json { code: 200, value },
        Err(error) => Answer::Failure(error),
    }
}

fn list(faults: &Faults) -> Value {
    let controllers = faults.controllers().into_iter();
    json!({
        "faults": faults.list().iter().map(shown).collect::<Vec<_>>(),
        "controllers": controllers.map(|(name, paused)| json!({"name": name, "paused": paused})).collect::<Vec<_>>(),
    })
}

fn shown(active: &ActiveFault) -> Value {
    json!({"id": active.id, "fault": active.fault.to_string(), "met": active.met})
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    fault: String,
}

fn add(faults: &Faults, body: &Bytes) -> ApiResult<Value> {
    let fault: RequestFault =
        read::<Add>(body)?.fault.parse().map_err(|error| ApiError::bad_request(format!("{error}")))?;
    Ok(json!({"id": faults.add(fault).keep()}))
}

fn clear(faults: &Faults, id: &str) -> ApiResult<Value> {
    let is_cleared = id.parse().is_ok_and(|id| faults.clear(id));
    if is_cleared { Ok(json!({"cleared": 1})) } else { Err(not_found(format!("no fault has the id {id}"))) }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DropWatches {
    resource: Option<String>,
}

fn drop_watches(faults: &Faults, body: &Bytes) -> ApiResult<Value> {
    let dropped = match read::<DropWatches>(body)?.resource {
        Some(resource) => faults.drop_watches_of(&resource).map_err(not_found)?,
        None => faults.drop_watches(),
    };
    Ok(json!({"dropped": dropped}))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KillPod {
    container: Option<String>,
    #[serde(default)]
    out_of_memory: bool,
}

fn kill(faults: &Faults, namespace: &str, name: &str, body: &Bytes) -> ApiResult<Value> {
    let KillPod { container, out_of_memory } = read(body)?;
    let killed = faults.kill(namespace, name, &Kill { container, out_of_memory }).map_err(not_found)?;
    Ok(json!({"killed": killed}))
}

fn surroundings(server: &Arc<Server>) -> ApiResult<&Surroundings> {
    server.surroundings.get().ok_or_else(|| not_found("this API server has no node, so there are no pods to tell"))
}

fn resolver(around: &Surroundings, namespace: &str) -> ApiResult<Value> {
    let resolver = around.resolver(namespace).map_err(|error| no_resolver(namespace, &error))?;
    Ok(json!({"resolver": resolver}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Surround {
    #[serde(default)]
    names: BTreeMap<String, IpAddr>,
    #[serde(default)]
    delegated: BTreeMap<String, SocketAddr>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

fn surround(around: &Surroundings, namespace: &str, body: &Bytes) -> ApiResult<Value> {
    let Surround { names, delegated, environment } = read(body)?;
    let told = around.set_names(namespace, names).and_then(|()| around.delegate(namespace, delegated));
    told.map_err(|error| no_resolver(namespace, &error))?;
    around.set_environment(namespace, environment);
    resolver(around, namespace)
}

fn no_resolver(namespace: &str, error: &std::io::Error) -> ApiError {
    ApiError::generic(500, "InternalError", format!("failed to open the resolver of {namespace}: {error}"))
}

/// The body as JSON; none is an empty object.
fn read<T: DeserializeOwned>(body: &Bytes) -> ApiResult<T> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(text).map_err(|error| ApiError::bad_request(format!("the body is not as expected: {error}")))
}

#[allow(clippy::needless_pass_by_value)] // The signature of an error's mapping.
fn not_found(why: impl ToString) -> ApiError {
    ApiError::generic(404, "", why.to_string())
}
