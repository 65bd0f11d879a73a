//! Plain requests, and how the runner reaches what users reach by name.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;

use super::session::{Attempts, served_at};
use super::{Stage, Trouble};
use crate::language::{Moment, Request, Step, resolve_text, resolve_value};
use crate::mcp::{Extent, Route};

pub(super) async fn request(
    stage: &Stage<'_>,
    step: &Step,
    spec: &Request,
    row: Option<&Value>,
) -> Result<Value, Trouble> {
    let variables = stage.variables(row);
    let namespace = stage.namespace_of(step).await?;
    let line = resolve_text(&spec.line.value, &variables)?;
    let (method, path) =
        line.split_once(' ').ok_or_else(|| Trouble::harness("a request starts with a method and a path"))?;
    let to = resolve_text(spec.to.text(), &variables)?;
    let origin = origin(stage, step, &to, &namespace).await?;
    let route = route(stage, step, &namespace, &format!("{origin}{path}")).await?;
    let mut headers = BTreeMap::new();
    if let Some(session) = &spec.session {
        headers.extend(stage.session(Some(session))?.headers().clone());
    }
    if let Some(token) = stage.token(spec.token.as_ref(), &variables).await? {
        headers.insert("authorization".to_owned(), format!("Bearer {token}"));
    }
    let body = match (&spec.json, &spec.body) {
        (Some(json), _) => {
            headers.insert("content-type".to_owned(), "application/json".to_owned());
            Some(resolve_value(json, &variables)?.to_string())
        }
        (None, Some(body)) => Some(resolve_text(body, &variables)?),
        (None, None) => None,
    };
    for (name, value) in &spec.headers {
        headers.insert(name.to_lowercase(), resolve_text(value, &variables)?);
    }
    let timeout = if spec.eventually { stage.target.allows(Moment::Call) } else { stage.deadline(step, Moment::Call) };
    // An event stream that answers a JSON-RPC request is read up to the answer.
    let id = spec.json.as_ref().and_then(|json| json.get("id"));
    let extent = match spec.events {
        Some(count) => Extent::Events(count.get()),
        None => id.map_or(Extent::Whole, Extent::Answer),
    };
    let mut attempts = Attempts::until(spec.eventually, stage.deadline(step, Moment::Live));
    loop {
        let answer = stage.http()?.send(&route, method, &headers, body.clone(), extent, timeout).await;
        stage.transcript.add(format!("{method} {}", route.url), body.clone(), &answer);
        let outcome = match answer {
            Err(error) => Err(Trouble::unanswered(&error, &format!("an answer to {method} {path}"), step.at)),
            Ok(response) => {
                let response = response.to_json();
                let variables = variables.clone().with("response", response.clone());
                match &spec.expect {
                    Some(expect) => expect.check(&variables)?.map(|()| response).map_err(Trouble::from),
                    None => Ok(response),
                }
            }
        };
        match outcome {
            Ok(response) => return Ok(response),
            Err(trouble) => attempts.again(trouble).await?,
        }
    }
}

/// Scheme, host and port of what a step names.
async fn origin(stage: &Stage<'_>, step: &Step, to: &str, namespace: &str) -> Result<String, Trouble> {
    if to.contains("://") {
        return Ok(to.trim_end_matches('/').to_owned());
    }
    if let Some(service) = to.strip_prefix("service/").or_else(|| to.strip_prefix("svc/")) {
        return Ok(format!("http://{service}"));
    }
    let url = served_at(stage, step, to, namespace).await?;
    let parsed = url::Url::parse(&url)
        .map_err(|error| Trouble::failed(format!("{to} to have a status.url"), error.to_string(), step.at))?;
    Ok(parsed.origin().ascii_serialization())
}

/// Where a URL really is: a server of the world, or a Service.
pub(super) async fn route(stage: &Stage<'_>, step: &Step, namespace: &str, url: &str) -> Result<Route, Trouble> {
    let url = url::Url::parse(url).map_err(|error| Trouble::harness(format!("`{url}` is not a URL: {error}")))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    // A literal address is somebody's own: a node's, or a load balancer's.
    let literal = match url.host() {
        Some(url::Host::Ipv4(address)) => Some(SocketAddr::new(address.into(), port)),
        Some(url::Host::Ipv6(address)) => Some(SocketAddr::new(address.into(), port)),
        _ => None,
    };
    let address = match in_world(stage, &host, port).or(literal) {
        Some(address) => Some(address),
        None => stage.target.dial(namespace, &host, port).await,
    };
    match address {
        Some(address) => Ok(Route { url, address }),
        None => Err(Trouble::failed(
            format!("{host}:{port} to be served"),
            "no server of the world and no Service of that name and port",
            step.at,
        )),
    }
}

fn in_world(stage: &Stage<'_>, host: &str, port: u16) -> Option<SocketAddr> {
    stage.world()?.address(host, port)
}
