//! The streaming subresources of pods: a WebSocket between the client and whoever runs the containers.
//!
//! A request is checked like any other before the protocol is switched, so that a refusal is a `Status`. Port-forwarding
//! ([`portforward`]) speaks `v4.channel.k8s.io`, commands in containers ([`exec`]) that and `v5.channel.k8s.io`. The SPDY
//! upgrade of older clients answers 501, and so does a terminal.

mod exec;
mod portforward;
mod websocket;

use std::sync::Arc;

use http::header::UPGRADE;
use http::request::Parts;
use serde_json::Value;

use self::websocket::{Handshake, WebSocket};
use super::request::{Query, ResourcePath};
use super::respond::Answer;
use super::state::Server;
use super::status::{ApiError, ApiResult};
use crate::access::User;
use crate::access::rbac::{self, Attributes};
use crate::streams::{PodName, PodStreams};

/// Whether a path is one of the subresources of this module.
pub(crate) fn serves(path: &ResourcePath) -> bool {
    path.group.is_empty()
        && path.resource == "pods"
        && matches!(path.subresource.as_deref(), Some("attach" | "exec" | "portforward"))
}

/// Switches the protocol of a request whose user may make it.
pub(crate) fn open(
    server: &Arc<Server>,
    user: &User,
    path: &ResourcePath,
    query: &Query,
    parts: &Parts,
) -> ApiResult<Answer> {
    may_create(server, user, path)?;
    let name = path.name.clone().unwrap_or_default();
    let pod = PodName { namespace: path.namespace.clone().unwrap_or_default(), name };
    let object = server.lock().store.object("pods", &pod.to_string());
    let object = object.ok_or_else(|| ApiError::not_found("", "pods", &pod.name))?;
    if object["spec"]["nodeName"].as_str().is_none_or(str::is_empty) {
        return Err(ApiError::bad_request(format!("pod {} does not have a host assigned", pod.name)));
    }
    let streams = server.streams.read().clone();
    let streams = streams.ok_or_else(|| ApiError::not_implemented("streams to pods without a node"))?;
    match path.subresource.as_deref() {
        Some("portforward") => forward(server, streams, pod, &object, query, parts),
        Some("attach") => attach(server, streams, pod, &object, query, parts),
        _ => execute(server, streams, pod, &object, query, parts),
    }
}

/// A WebSocket begins with GET. It needs the right to create too, since it does more than reading.
fn may_create(server: &Server, user: &User, path: &ResourcePath) -> ApiResult<()> {
    let wanted = Attributes {
        verb: "create".into(),
        resource: format!("{}/{}", path.resource, path.subresource.as_deref().unwrap_or_default()),
        name: path.name.clone().unwrap_or_default(),
        namespace: path.namespace.clone(),
        ..Attributes::default()
    };
    match rbac::allowed_by(&server.lock(), user, &wanted) {
        Some(_) => Ok(()),
        None => Err(rbac::forbidden(user, &wanted)),
    }
}

fn forward(
    server: &Server,
    streams: Arc<dyn PodStreams>,
    pod: PodName,
    object: &Value,
    query: &Query,
    request: &Parts,
) -> ApiResult<Answer> {
    let ports = portforward::ports(query)?;
    let phase = object["status"]["phase"].as_str().unwrap_or("Pending");
    if phase != "Running" {
        let message = format!("unable to forward port because pod is not running. Current status={phase}");
        return Err(ApiError::bad_request(message));
    }
    switch(server, request, &[portforward::CHANNELS], async move |socket| {
        portforward::forward(socket, streams.as_ref(), &pod, &ports).await;
    })
}

fn execute(
    server: &Server,
    streams: Arc<dyn PodStreams>,
    pod: PodName,
    object: &Value,
    query: &Query,
    request: &Parts,
) -> ApiResult<Answer> {
    let wanted = exec::Wanted::parse(query)?;
    let container = container(object, &pod, query)?["name"].as_str().unwrap_or_default().to_owned();
    let command: Vec<String> = query.all("command").map(str::to_owned).collect();
    if command.is_empty() {
        return Err(ApiError::bad_request("you must specify at least one command for the container"));
    }
    switch(server, request, &exec::CHANNELS, async move |socket| {
        let started = streams.exec(&pod, &container, &command, wanted.stdin).await;
        exec::carry(socket, wanted, &command, started).await;
    })
}

fn attach(
    server: &Server,
    streams: Arc<dyn PodStreams>,
    pod: PodName,
    object: &Value,
    query: &Query,
    request: &Parts,
) -> ApiResult<Answer> {
    let wanted = exec::Wanted::parse(query)?;
    let container = container(object, &pod, query)?;
    if wanted.stdin && container["stdin"] == true {
        return Err(ApiError::not_implemented("the stdin of containers: attach without -i"));
    }
    let container = container["name"].as_str().unwrap_or_default().to_owned();
    switch(server, request, &exec::CHANNELS, async move |socket| {
        let started = streams.attach(&pod, &container).await;
        exec::carry(socket, wanted, &[], started).await;
    })
}

/// The container of a request: the one it names, else the only one.
fn container<'a>(object: &'a Value, pod: &PodName, query: &Query) -> ApiResult<&'a Value> {
    let list = |field: &str| object["spec"][field].as_array().map(Vec::as_slice).unwrap_or_default();
    let (containers, init) = (list("containers"), list("initContainers"));
    let pod = &pod.name;
    match (query.value("container"), containers) {
        (Some(name), _) => {
            let found = containers.iter().chain(init).find(|container| container["name"] == name);
            found.ok_or_else(|| ApiError::bad_request(format!("container {name} is not valid for pod {pod}")))
        }
        (None, [only]) => Ok(only),
        (None, _) => {
            let names: Vec<&str> = containers.iter().filter_map(|container| container["name"].as_str()).collect();
            let names = names.join(" ");
            Err(ApiError::bad_request(format!(
                "a container name must be specified for pod {pod}, choose one of: [{names}]"
            )))
        }
    }
}

/// Switches the protocol, and lets `carry` have the socket. What else is wrong with a request is told before this: clients that
/// are refused a WebSocket try the older upgrade, and show what that is answered.
fn switch<F>(
    server: &Server,
    request: &Parts,
    protocols: &[&'static str],
    carry: impl FnOnce(WebSocket) -> F + Send + 'static,
) -> ApiResult<Answer>
where
    F: Future<Output = ()> + Send,
{
    let handshake = handshake(request, protocols)?;
    let response = handshake.response();
    server.spawn(async move {
        match handshake.open().await {
            Ok(socket) => carry(socket).await,
            Err(error) => tracing::debug!(%error, "a client did not switch the protocol"),
        }
    });
    Ok(Answer::Switch(response))
}

/// The handshake of a WebSocket; other upgrades are refused.
fn handshake(parts: &Parts, protocols: &[&'static str]) -> ApiResult<Handshake> {
    let upgrade = parts.headers.get(UPGRADE).and_then(|value| value.to_str().ok());
    match upgrade {
        None => Err(ApiError::bad_request("Upgrade request required")),
        Some(name) if name.eq_ignore_ascii_case("websocket") => Handshake::negotiate(parts, protocols),
        Some(name) => {
            Err(ApiError::not_implemented(&format!("upgrades to {name}: use a client that opens WebSockets")))
        }
    }
}
