//! What the operator tells Prometheus.
//!
//! Labels are kinds, outcomes, verbs, resources and codes: none is the name of an object, so that the number of series does
//! not grow with the cluster.

mod queue;

use std::{fmt, sync::Arc, time::Duration};

use axum::{Router, extract::State, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
use parking_lot::Mutex;
use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::Registry,
};

use crate::runtime::{Kind, worker::Work};

/// Prefix of every metric.
const PREFIX: &str = "toolhive_operator";
/// What Prometheus and its successors are told that the text is.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels<const N: usize> = [(&'static str, String); N];

/// How a reconciliation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The cluster is as the object says.
    Success,
    /// It failed, and the object is tried again.
    Error,
    /// It took too long and was cut off; the object is tried again.
    Timeout,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Timeout => "timeout",
        }
    }
}

/// The counters of one operator. Clones count together.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    reconciles: Family<Labels<2>, Counter>,
    durations: Family<Labels<1>, Histogram, fn() -> Histogram>,
    retries: Family<Labels<1>, Counter>,
    api_calls: Family<Labels<3>, Counter>,
    watch_restarts: Family<Labels<1>, Counter>,
    leader: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Arc::default(),
            reconciles: Family::default(),
            // From a millisecond to half a minute.
            durations: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 16))),
            retries: Family::default(),
            api_calls: Family::default(),
            watch_restarts: Family::default(),
            leader: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&self) {
        let mut registry = self.registry.lock();
        let registry = registry.sub_registry_with_prefix(PREFIX);
        registry.register("reconciles", "Reconciliations, by kind and outcome", self.reconciles.clone());
        registry.register(
            "reconcile_duration_seconds",
            "How long reconciliations took, by kind",
            self.durations.clone(),
        );
        registry.register("retries", "Objects that were put back to be tried again, by kind", self.retries.clone());
        registry.register(
            "api_requests",
            "Answers of the API server, by verb, resource and code; the code is error when there was no answer",
            self.api_calls.clone(),
        );
        registry.register(
            "watch_restarts",
            "Watches that were interrupted and started again, by resource",
            self.watch_restarts.clone(),
        );
        registry.register("leader", "Whether this replica leads", self.leader.clone());
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The release of this operator", Info::new(version));
    }

    /// Tells the state of `work` too.
    pub(crate) fn observe_queue(&self, work: Work) {
        let mut registry = self.registry.lock();
        registry.sub_registry_with_prefix(PREFIX).register_collector(Box::new(queue::QueueState(work)));
    }

    /// An object of `kind` was reconciled.
    pub(crate) fn reconciled(&self, kind: Kind, outcome: Outcome, duration: Duration) {
        let kind = kind.to_string();
        self.durations.get_or_create(&[("kind", kind.clone())]).observe(duration.as_secs_f64());
        if outcome != Outcome::Success {
            self.retries.get_or_create(&[("kind", kind.clone())]).inc();
        }
        self.reconciles.get_or_create(&[("kind", kind), ("outcome", outcome.as_str().to_owned())]).inc();
    }

    /// The API server was asked to do `verb` with `resource`, and answered with `code`.
    pub(crate) fn api_called(&self, verb: &str, resource: String, code: String) {
        self.api_calls.get_or_create(&[("verb", verb.to_owned()), ("resource", resource), ("code", code)]).inc();
    }

    /// A watch of `resource` was interrupted.
    pub(crate) fn watch_restarted(&self, resource: &str) {
        self.watch_restarts.get_or_create(&[("resource", resource.to_owned())]).inc();
    }

    /// This replica leads, or not.
    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Everything, in the text format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    }

    /// Serves `/metrics`.
    pub fn router(self) -> Router {
        Router::new().route("/metrics", get(metrics)).with_state(self)
    }
}

async fn metrics(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPEN_METRICS)], metrics.text())
}
