//! From the discovered backends and their health to the fields of the status.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use operator_api::{
    BackendStatus, Capabilities, CircuitState, DiscoveredBackend, VirtualServerCondition, VirtualServerReason,
};
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::catalog::Counts;
use crate::circuit::Circuit;
use crate::discovery::Snapshot;
use crate::health::FailureCategory;
use crate::offers::Kind;

/// What the health check knows about one backend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// What the last checks found.
    pub state: BackendStatus,
    /// When that was last checked, by a probe or a call.
    pub checked_at: Option<Timestamp>,
    /// Why it is not ready.
    pub message: Option<String>,
    /// What kind of failure was seen last, if nothing better was seen since.
    pub failure: Option<FailureCategory>,
    /// When it fared otherwise last.
    pub transitioned_at: Option<Timestamp>,
    /// How many checks failed in a row.
    pub consecutive_failures: u32,
    /// The MCP revision that was negotiated.
    pub revision: Option<String>,
    /// Its circuit breaker, where one acts.
    pub circuit: Option<Circuit>,
}

impl Observation {
    /// How it fares for clients: nobody reaches a backend whose circuit is not closed, whatever the last checks found.
    pub fn status(&self) -> BackendStatus {
        match self.circuit.as_ref().map(Circuit::state) {
            Some(CircuitState::Open | CircuitState::HalfOpen) => BackendStatus::Unavailable,
            Some(CircuitState::Closed) | None => self.state,
        }
    }

    /// Why it is not ready, for people.
    fn reason(&self) -> Option<String> {
        let circuit = self.circuit.as_ref();
        match circuit.map(|circuit| (circuit.state(), circuit.reason())) {
            Some((CircuitState::Open, reason)) => Some(format!("Circuit breaker OPEN: {reason}")),
            Some((CircuitState::HalfOpen, reason)) => {
                Some(format!("Circuit breaker HALF-OPEN, one request tries the backend again after: {reason}"))
            }
            Some((CircuitState::Closed, _)) | None => self.message.clone(),
        }
    }
}

/// Observations by name of the backend; health publishes them.
pub type Observations = BTreeMap<String, Observation>;

/// What is to be said about all backends.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    backends: Vec<DiscoveredBackend>,
    capabilities: Capabilities,
    message: String,
}

impl Report {
    /// The report on a snapshot; a backend that nobody observed yet is unknown.
    pub fn new(snapshot: &Snapshot, observations: &Observations, capabilities: Capabilities) -> Self {
        let unobserved = Observation::default();
        let backends = snapshot
            .backends
            .values()
            .map(|backend| describe(backend, observations.get(&backend.name).unwrap_or(&unobserved)))
            .collect();
        Self { backends, capabilities, message: message(snapshot) }
    }

    /// The same without what changes all the time.
    #[must_use]
    pub fn without_times(&self) -> Self {
        let mut timeless = self.clone();
        for backend in &mut timeless.backends {
            backend.last_health_check = None;
        }
        timeless
    }

    /// The condition `BackendsDiscovered`, which holds since `since` and was observed at `generation`.
    pub fn condition(&self, since: Timestamp, generation: Option<i64>) -> Condition {
        Condition {
            type_: VirtualServerCondition::BackendsDiscovered.as_str().to_owned(),
            status: "True".to_owned(),
            reason: VirtualServerReason::BackendsDiscovered.as_str().to_owned(),
            message: self.message.clone(),
            last_transition_time: Time(since),
            observed_generation: generation,
        }
    }

    /// The status to apply.
    pub fn status(&self, condition: &Condition) -> Value {
        json!({
            "backendCount": self.backends.len(),
            "discoveredBackends": self.backends,
            "capabilities": self.capabilities,
            "conditions": [condition],
        })
    }
}

/// What a gateway offers: what the last lists had, and its composite tools. Of a list that nobody asked for yet, or that depends on who
/// asks, nothing is said.
pub fn capabilities(counts: &Counts, workflows: usize) -> Capabilities {
    let count = |count: usize| i32::try_from(count).ok();
    let of = |kind: Kind| counts.get(&kind).copied().and_then(count);
    Capabilities {
        tool_count: of(Kind::Tools),
        resource_count: of(Kind::Resources),
        prompt_count: of(Kind::Prompts),
        composite_tool_count: count(workflows),
    }
}

fn describe(backend: &Backend, observation: &Observation) -> DiscoveredBackend {
    DiscoveredBackend {
        name: backend.name.clone(),
        url: Some(backend.url.to_string()),
        status: Some(observation.status().as_str().to_owned()),
        auth_type: Some(backend.auth.kind().to_owned()),
        auth_config_ref: backend.auth_config_ref.clone(),
        message: observation.reason(),
        last_health_check: observation.checked_at.map(whole_seconds).map(Time),
        consecutive_failures: Some(i64::from(observation.consecutive_failures)),
        mcp_revision: observation.revision.clone(),
        circuit_breaker_state: observation.circuit.as_ref().map(Circuit::state),
        circuit_last_changed: observation.circuit.as_ref().and_then(Circuit::changed_at).map(whole_seconds).map(Time),
    }
}

/// Kubernetes keeps times in whole seconds.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn message(snapshot: &Snapshot) -> String {
    let mut message = match snapshot.backends.len() {
        0 => "The group has no usable backend".to_owned(),
        1 => "1 backend discovered".to_owned(),
        count => format!("{count} backends discovered"),
    };
    if !snapshot.left_out.is_empty() {
        let reasons: Vec<String> = snapshot.left_out.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        message.push_str("; left out: ");
        message.push_str(&reasons.join("; "));
    }
    if let Some(pending) = &snapshot.pending {
        message.push_str("; ");
        message.push_str(&pending.to_string());
    }
    // The API server takes 32768 characters.
    message.chars().take(4096).collect()
}
