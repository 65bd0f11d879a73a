//! What is told without authentication: that the process lives, that it is ready, and how the backends fare.

use super::{Ingress, answer};
use crate::discovery::Snapshot;
use crate::health::{Health, is_available};
use crate::status::BackendStatus;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::watch;
use vmcp_config::Transport;

/// Where the probes get their answers from.
#[derive(Debug)]
pub struct Report {
    /// The group whose members are the backends.
    pub group: String,
    /// Whether backends come from the Kubernetes API.
    pub dynamic: bool,
    /// The backends.
    pub discovered: watch::Receiver<Snapshot>,
    /// How they fare.
    pub health: Health,
}

impl Report {
    fn mode(&self) -> &'static str {
        if self.dynamic { "dynamic" } else { "static" }
    }

    fn status(&self) -> Value {
        let backends = Arc::clone(&self.discovered.borrow().backends);
        let states = self.health.subscribe();
        let states = states.borrow();
        let rows: Vec<Value> = backends
            .values()
            .map(|backend| {
                let seen = states.get(&backend.name);
                json!({
                    "name": backend.name,
                    "health": health_word(seen.map(|seen| seen.state).unwrap_or_default()),
                    "transport": transport_word(backend.transport),
                    "auth_type": backend.auth.kind(),
                    "mcp_revision": seen.and_then(|seen| seen.revision.clone()),
                })
            })
            .collect();
        let healthy = backends.keys().filter_map(|name| states.get(name)).any(|seen| is_available(seen.state));
        json!({
            "backends": rows,
            "healthy": healthy,
            "version": env!("CARGO_PKG_VERSION"),
            "group_ref": self.group,
        })
    }
}

/// `/status` spells health in its own words.
fn health_word(state: BackendStatus) -> &'static str {
    match state {
        BackendStatus::Ready => "healthy",
        BackendStatus::Degraded => "degraded",
        BackendStatus::Unavailable => "unhealthy",
        BackendStatus::Unauthenticated => "unauthenticated",
        BackendStatus::Unknown => "unknown",
    }
}

fn transport_word(transport: Transport) -> &'static str {
    match transport {
        Transport::Sse => "sse",
        Transport::StreamableHttp => "streamable-http",
    }
}

pub(super) async fn health() -> Response {
    answer::json(StatusCode::OK, r#"{"status":"ok"}"#)
}

pub(super) async fn readyz(State(ingress): State<Arc<Ingress>>) -> Response {
    let mode = ingress.report.mode();
    if ingress.stop.is_cancelled() {
        let body = json!({ "status": "not_ready", "mode": mode, "reason": "shutting_down" });
        return answer::json(StatusCode::SERVICE_UNAVAILABLE, body.to_string());
    }
    if ingress.report.discovered.borrow().synced {
        answer::json(StatusCode::OK, json!({ "status": "ready", "mode": mode }).to_string())
    } else {
        let body = json!({ "status": "not_ready", "mode": mode, "reason": "cache_sync_pending" });
        answer::json(StatusCode::SERVICE_UNAVAILABLE, body.to_string())
    }
}

pub(super) async fn status(State(ingress): State<Arc<Ingress>>) -> Response {
    let mut response = answer::json(StatusCode::OK, ingress.report.status().to_string());
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
