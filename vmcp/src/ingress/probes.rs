//! What is told without authentication: that the process lives, that it is ready, and how the backends fare.

use super::{Ingress, answer};
use crate::backend::Backends;
use crate::circuit::Circuit;
use crate::discovery::Snapshot;
use crate::health::{FailureCategory, Health};
use crate::settings::Pending;
use crate::status::{BackendStatus, Observation, Observations};
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;
use vmcp_config::Transport;

/// Where the probes get their answers from.
#[derive(Debug)]
pub struct Report {
    /// How backends are found, in a word.
    pub mode: &'static str,
    /// The backends.
    pub discovered: watch::Receiver<Snapshot>,
    /// What is told about a group; without one the only backend must be there for this server to be ready.
    pub group: Option<GroupReport>,
}

/// What is told about the backends of a group.
#[derive(Debug)]
pub struct GroupReport {
    /// How its backends fare.
    pub health: Health,
}

impl Report {
    /// Why this server is not ready, if it is not.
    fn not_ready(&self) -> Option<&'static str> {
        let discovered = self.discovered.borrow();
        if !discovered.synced {
            Some("cache_sync_pending")
        } else if self.group.is_none() && discovered.backends.is_empty() {
            Some("backend_unusable")
        } else {
            None
        }
    }

    fn status(&self, group: &GroupReport) -> Value {
        let (backends, settings, pending) = {
            let discovered = self.discovered.borrow();
            (Arc::clone(&discovered.backends), Arc::clone(&discovered.settings), discovered.pending.clone())
        };
        let states = group.health.subscribe();
        let states = states.borrow();
        let rows: Vec<Value> = backends
            .values()
            .map(|backend| {
                let seen = states.get(&backend.name);
                json!({
                    "name": backend.name,
                    "health": health_word(seen.map(Observation::status).unwrap_or_default()),
                    "transport": transport_word(backend.transport),
                    "auth_type": backend.auth.kind(),
                    "mcp_revision": seen.and_then(|seen| seen.revision.clone()),
                })
            })
            .collect();
        // In the sense of the rows: a backend that is degraded is there, and not healthy.
        let healthy =
            backends.keys().filter_map(|name| states.get(name)).any(|seen| seen.status() == BackendStatus::Ready);
        json!({
            "backends": rows,
            "healthy": healthy,
            "version": env!("CARGO_PKG_VERSION"),
            "group_ref": settings.group,
            "configuration": configuration_word(pending.as_ref()),
        })
    }
}

/// What `/api/backends/health` tells, with the keys that its readers know.
fn backends_health(backends: &Backends, states: &Observations) -> Value {
    let unobserved = Observation::default();
    let mut counts: BTreeMap<BackendStatus, usize> = BTreeMap::new();
    let mut rows = Map::new();
    for name in backends.keys() {
        let seen = states.get(name).unwrap_or(&unobserved);
        *counts.entry(seen.status()).or_default() += 1;
        let circuit = seen.circuit.as_ref();
        let row = json!({
            "Status": health_word(seen.status()),
            "ConsecutiveFailures": seen.consecutive_failures,
            "LastCheckTime": seen.checked_at,
            "LastErrorCategory": seen.failure.map(FailureCategory::as_str),
            "LastTransitionTime": seen.transitioned_at,
            "CircuitState": circuit.map(Circuit::state),
            "CircuitLastChanged": circuit.and_then(Circuit::changed_at),
            "MCPRevision": seen.revision,
        });
        rows.insert(name.clone(), row);
    }
    let count = |status| counts.get(&status).copied().unwrap_or_default();
    json!({
        "monitoring_enabled": true,
        "summary": {
            "Total": rows.len(),
            "Healthy": count(BackendStatus::Ready),
            "Degraded": count(BackendStatus::Degraded),
            "Unhealthy": count(BackendStatus::Unavailable),
            "Unknown": count(BackendStatus::Unknown),
            "Unauthenticated": count(BackendStatus::Unauthenticated),
        },
        "backends": rows,
    })
}

/// Whether the configuration that was written last is in force. What is wrong with it is for the log: anybody may ask this.
fn configuration_word(pending: Option<&Pending>) -> &'static str {
    match pending {
        None => "current",
        Some(Pending::Refused(_)) => "refused",
        Some(Pending::Restart(_)) => "restart_needed",
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
    let mode = ingress.report.mode;
    let reason = if ingress.stop.is_cancelled() {
        Some("shutting_down")
    } else if ingress.sessions.were_reached() {
        ingress.report.not_ready()
    } else {
        Some("session_storage_pending")
    };
    match reason {
        None => answer::json(StatusCode::OK, json!({ "status": "ready", "mode": mode }).to_string()),
        Some(reason) => {
            let body = json!({ "status": "not_ready", "mode": mode, "reason": reason });
            answer::json(StatusCode::SERVICE_UNAVAILABLE, body.to_string())
        }
    }
}

pub(super) async fn status(State(ingress): State<Arc<Ingress>>) -> Response {
    let Some(group) = &ingress.report.group else { return super::not_found().await };
    document(&ingress.report.status(group))
}

pub(super) async fn backends(State(ingress): State<Arc<Ingress>>) -> Response {
    let Some(group) = &ingress.report.group else { return super::not_found().await };
    let backends = Arc::clone(&ingress.report.discovered.borrow().backends);
    let health = backends_health(&backends, &group.health.subscribe().borrow());
    document(&health)
}

fn document(body: &Value) -> Response {
    let mut response = answer::json(StatusCode::OK, body.to_string());
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::backend::Backend;
    use crate::circuit::CircuitSettings;
    use crate::egress::{Cause, EgressError, Gate, Verdict};
    use crate::status::report;
    use jiff::Timestamp;
    use operator_api::Capabilities;
    use std::time::Duration;

    /// What a reader of each of the three learns: the backend's state, and whether any is healthy.
    fn told(seen: impl FnOnce(&Health, &Backend)) -> (String, bool, String, Value, String) {
        let backend = Backend::at("http://b.example/mcp");
        let backends: Backends = Arc::new([(backend.name.clone(), Arc::new(backend.clone()))].into());
        let settings = CircuitSettings { threshold: 1, timeout: Duration::from_hours(1) };
        let health = Health::new(1).with_circuits(Some(settings));
        health.follow(&Backends::default(), &backends);
        seen(&health, &backend);
        let snapshot = Snapshot { backends: Arc::clone(&backends), ..Snapshot::default() };
        let observations = health.subscribe().borrow().clone();
        let reported = report::Report::new(&snapshot, &observations, Capabilities::default());
        let page = backends_health(&backends, &observations);
        let group = GroupReport { health };
        let discovered = watch::Sender::new(snapshot).subscribe();
        let status = Report { mode: "static", discovered, group: None }.status(&group);
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        (
            word(&status["backends"][0]["health"]),
            status["healthy"].as_bool().unwrap(),
            word(&page["backends"]["b"]["Status"]),
            page["summary"].clone(),
            word(&reported.status(&reported.condition(Timestamp::UNIX_EPOCH, None))["discoveredBackends"][0]["status"]),
        )
    }

    #[test]
    fn every_reader_learns_the_same_state() {
        type Seen = fn(&Health, &Backend);
        fn error(cause: Cause) -> EgressError {
            EgressError::new(cause, "why")
        }
        fn answered(health: &Health, backend: &Backend) {
            health.record_probe(backend, Duration::ZERO, Ok(()));
        }
        fn broken(health: &Health, backend: &Backend) {
            answered(health, backend);
            let ticket = health.admit(backend).unwrap();
            health.settle(backend, ticket, Verdict::Failed("reset".to_owned()));
        }
        let rows: [(Seen, &str, &str, &str); 6] = [
            (|_, _| {}, "unknown", "unknown", "Unknown"),
            (answered, "healthy", "ready", "Healthy"),
            (|health, of| health.record_probe(of, Duration::from_secs(6), Ok(())), "degraded", "degraded", "Degraded"),
            (|health, of| health.record_call(of, Err(&error(Cause::Refused))), "unhealthy", "unavailable", "Unhealthy"),
            (
                |health, of| {
                    let refused = error(Cause::Unauthorized).with_status(StatusCode::UNAUTHORIZED);
                    health.record_call(of, Err(&refused));
                },
                "unauthenticated",
                "unauthenticated",
                "Unauthenticated",
            ),
            // The last check went well, and nobody reaches it.
            (broken, "unhealthy", "unavailable", "Unhealthy"),
        ];
        for (seen, word, of_resource, counted) in rows {
            let (row, healthy, page, summary, resource) = told(seen);
            assert_eq!((row.as_str(), page.as_str(), resource.as_str()), (word, word, of_resource));
            assert_eq!(healthy, word == "healthy", "{word}");
            for (state, count) in summary.as_object().unwrap() {
                assert_eq!(*count, i32::from(state == counted || state == "Total"), "{word}: {state}");
            }
        }
    }
}
