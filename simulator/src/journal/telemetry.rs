//! Telemetry as the journal remembers it.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an export held, decoded. Attributes are plain JSON values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TelemetryFacts {
    /// The spans.
    pub spans: Vec<SpanFacts>,
    /// The metrics.
    pub metrics: Vec<MetricFacts>,
    /// The log records.
    pub logs: Vec<LogFacts>,
}

impl TelemetryFacts {
    /// How many spans, data points and log records it holds.
    #[must_use]
    pub fn items(&self) -> usize {
        self.spans.len() + self.metrics.iter().map(|metric| metric.points.len().max(1)).sum::<usize>() + self.logs.len()
    }
}

/// Who sent something.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OriginFacts {
    /// The attributes of the resource, e.g. `service.name`.
    pub resource: Map<String, Value>,
    /// The name of the instrumentation scope.
    pub scope: String,
}

/// A span.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpanFacts {
    /// Who sent it.
    #[serde(flatten)]
    pub origin: Arc<OriginFacts>,
    /// Its name.
    pub name: String,
    /// The trace, in lower-case hexadecimal.
    pub trace_id: String,
    /// The span, in lower-case hexadecimal.
    pub span_id: String,
    /// Its parent; null for a root.
    pub parent_span_id: Option<String>,
    /// `internal`, `server`, `client`, `producer`, `consumer` or `unspecified`.
    pub kind: String,
    /// `unset`, `ok` or `error`.
    pub status: String,
    /// What the status says.
    pub status_message: String,
    /// Its attributes.
    pub attributes: Map<String, Value>,
    /// The names of its events.
    pub events: Vec<String>,
    /// Nanoseconds from its start to its end.
    pub duration_nanos: u64,
}

/// A metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricFacts {
    /// Who sent it.
    #[serde(flatten)]
    pub origin: Arc<OriginFacts>,
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// `gauge`, `sum`, `histogram`, `exponentialHistogram` or `summary`.
    pub kind: String,
    /// Its data points.
    pub points: Vec<PointFacts>,
}

/// A data point: a number, or the count and sum of a distribution.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointFacts {
    /// Its attributes.
    pub attributes: Map<String, Value>,
    /// The number of a gauge or sum.
    pub value: Option<Value>,
    /// How many values a distribution holds.
    pub count: Option<u64>,
    /// The sum of the values of a distribution.
    pub sum: Option<f64>,
}

/// A log record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogFacts {
    /// Who sent it.
    #[serde(flatten)]
    pub origin: Arc<OriginFacts>,
    /// What it says.
    pub body: Value,
    /// Its severity as text, e.g. `INFO`.
    pub severity: String,
    /// Its attributes.
    pub attributes: Map<String, Value>,
    /// The trace that it belongs to, in lower-case hexadecimal; null when there is none.
    pub trace_id: Option<String>,
    /// The span that it belongs to, in lower-case hexadecimal; null when there is none.
    pub span_id: Option<String>,
}
