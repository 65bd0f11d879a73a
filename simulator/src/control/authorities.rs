//! Root certificates over HTTP, as files that clients and clusters take as they are.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::answers::Refusal;
use super::operations::{PEM, YAML};
use super::worlds::Worlds;
use crate::tls::ConfigMap;

pub(super) async fn pem(
    State(worlds): State<Arc<Worlds>>,
    Path((name, file)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let authority = file.strip_suffix(".pem").ok_or_else(|| Refusal::no_such_file(&file))?;
    let pem = certificate(&worlds, &name, authority)?;
    Ok(([(CONTENT_TYPE, PEM)], pem).into_response())
}

pub(super) async fn config_map(
    State(worlds): State<Arc<Worlds>>,
    Path((name, authority)): Path<(String, String)>,
    wanted: Result<Query<ConfigMap>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(wanted) = wanted.map_err(|error| Refusal::unreadable(error.body_text()))?;
    let pem = certificate(&worlds, &name, &authority)?;
    let manifest = wanted.manifest(&pem).map_err(|error| Refusal::unreadable(error.to_string()))?;
    Ok(([(CONTENT_TYPE, YAML)], manifest).into_response())
}

fn certificate(worlds: &Worlds, name: &str, authority: &str) -> Result<String, Refusal> {
    let running = worlds.named(name)?;
    running.world.ca_pem(authority).ok_or_else(|| Refusal::no_authority(authority, &running.world.authorities()))
}
