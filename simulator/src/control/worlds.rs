//! The worlds under control, and what is done to them.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::answers::Refusal;
use super::{Authority, WorldState};
use crate::world::read_value;
use crate::{ClientCertificateRequest, IssuedCertificate, Simulator, TokenRequest, World, WorldChange, WorldHandle};

/// The worlds by name.
#[derive(Debug)]
pub(super) struct Worlds {
    simulator: Simulator,
    running: Mutex<BTreeMap<String, Running>>,
}

/// A world, and what tells that it ends.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) world: WorldHandle,
    pub(super) ended: CancellationToken,
}

impl Running {
    fn new(world: WorldHandle) -> Self {
        Self { world, ended: CancellationToken::new() }
    }

    fn state(&self) -> WorldState {
        let authority = |name: String| {
            let certificate = self.world.ca_pem(&name).unwrap_or_default();
            Authority { name, certificate }
        };
        WorldState {
            names: self.world.names(),
            authorities: self.world.authorities().into_iter().map(authority).collect(),
            name_server: self.world.name_server(),
            position: self.world.journal().position(),
            now: self.world.now(),
        }
    }
}

impl Worlds {
    pub(super) fn new(simulator: Simulator) -> Self {
        Self { simulator, running: Mutex::default() }
    }

    pub(super) fn adopt(&self, name: &str, world: WorldHandle) {
        self.lock().insert(name.to_owned(), Running::new(world));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock()
    }

    fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// The world of that name.
    pub(super) fn named(&self, name: &str) -> Result<Running, Refusal> {
        let found = self.lock().get(name).cloned();
        found.ok_or_else(|| Refusal::no_world(name, &self.names()))
    }
}

type Controlled = State<Arc<Worlds>>;

/// The names of the worlds.
#[derive(Serialize, JsonSchema)]
pub(super) struct WorldList {
    worlds: Vec<String>,
}

/// A token.
#[derive(Serialize, JsonSchema)]
pub(super) struct IssuedToken {
    token: String,
}

pub(super) async fn list(State(worlds): Controlled) -> Json<WorldList> {
    Json(WorldList { worlds: worlds.names() })
}

pub(super) async fn make(
    State(worlds): Controlled,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Result<(StatusCode, Json<WorldState>), Refusal> {
    let world = World::from_yaml("the request", json_of(&headers, &body)?)?;
    if worlds.lock().contains_key(&name) {
        return Err(Refusal::exists(&name));
    }
    let running = Running::new(worlds.simulator.add_world(world).await?);
    let state = running.state();
    // Another request may have been faster: then its world stays and this one ends.
    let refused = {
        let mut known = worlds.lock();
        if known.contains_key(&name) {
            Some(running)
        } else {
            known.insert(name.clone(), running);
            None
        }
    };
    match refused {
        None => Ok((StatusCode::CREATED, Json(state))),
        Some(running) => {
            running.world.remove().await;
            Err(Refusal::exists(&name))
        }
    }
}

pub(super) async fn state(State(worlds): Controlled, Path(name): Path<String>) -> Result<Json<WorldState>, Refusal> {
    Ok(Json(worlds.named(&name)?.state()))
}

pub(super) async fn remove(State(worlds): Controlled, Path(name): Path<String>) -> Result<StatusCode, Refusal> {
    let running = worlds.lock().remove(&name);
    let running = running.ok_or_else(|| Refusal::no_world(&name, &worlds.names()))?;
    running.ended.cancel();
    running.world.remove().await;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn change(
    State(worlds): Controlled,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<WorldState>, Refusal> {
    let running = worlds.named(&name)?;
    let change: WorldChange = read(&headers, &body)?;
    running.world.update(change).await?;
    Ok(Json(running.state()))
}

pub(super) async fn token(
    State(worlds): Controlled,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<IssuedToken>, Refusal> {
    let running = worlds.named(&name)?;
    let request: TokenRequest = read(&headers, &body)?;
    Ok(Json(IssuedToken { token: running.world.token(&request)? }))
}

pub(super) async fn client_certificate(
    State(worlds): Controlled,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<IssuedCertificate>, Refusal> {
    let running = worlds.named(&name)?;
    let request: ClientCertificateRequest = read(&headers, &body)?;
    Ok(Json(running.world.client_certificate(&request)?))
}

/// Reads a body as world files are read, so that mistakes are told as well.
fn read<T: serde::de::DeserializeOwned>(headers: &HeaderMap, body: &str) -> Result<T, Refusal> {
    read_value("the request", json_of(headers, body)?).map_err(|error| Refusal::unreadable(error.to_string()))
}

fn json_of<'a>(headers: &HeaderMap, body: &'a str) -> Result<&'a str, Refusal> {
    let declared = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let declared = declared.split(';').next().unwrap_or_default().trim();
    if declared.eq_ignore_ascii_case("application/json") { Ok(body) } else { Err(Refusal::wrong_type()) }
}
