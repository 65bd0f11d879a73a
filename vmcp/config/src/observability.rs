//! Traces, metrics and the audit log.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Secret, operational::number, schema::Integer};

/// Traces and metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "so it is written in the file")]
pub struct Telemetry {
    /// Where OTLP is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// `service.name` of the signals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// `service.version` of the signals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_version: Option<String>,
    /// Whether traces are sent.
    #[serde(default)]
    pub tracing_enabled: bool,
    /// Whether metrics are sent.
    #[serde(default)]
    pub metrics_enabled: bool,
    /// Share of traces that are sampled, from 0.0 to 1.0.
    #[serde(default = "default_sampling_rate")]
    pub sampling_rate: String,
    /// Headers for the endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, Secret>>,
    /// Sends without TLS.
    #[serde(default)]
    pub insecure: bool,
    /// Whether `/metrics` is served.
    #[serde(default)]
    pub enable_prometheus_metrics_path: bool,
    /// Port of `/metrics`, when it has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Integer>")]
    pub prometheus_port: Option<i64>,
    /// Whether `/metrics` is served on the port of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_on_transport_port: Option<bool>,
    /// Environment variables that become attributes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_variables: Option<Vec<String>>,
    /// Attributes of every signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_attributes: Option<BTreeMap<String, String>>,
    /// Whether attributes keep their former names too.
    #[serde(default = "yes")]
    pub use_legacy_attributes: bool,
    /// Absolute path of a PEM file with authorities to trust for the endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_cert_path: Option<String>,
}

/// The audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "so it is written in the file")]
pub struct Audit {
    /// Whether events are written.
    #[serde(default)]
    pub enabled: bool,
    /// Names the source of the events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Types that are written; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_types: Option<Vec<String>>,
    /// Types that are not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_event_types: Option<Vec<String>>,
    /// Whether events hold the request.
    #[serde(default)]
    pub include_request_data: bool,
    /// Whether events hold the response.
    #[serde(default)]
    pub include_response_data: bool,
    /// Whether a tool result that is an error makes the event a failure.
    #[serde(default = "yes")]
    pub detect_application_errors: bool,
    /// Bytes of request and response that an event holds at most.
    #[serde(default = "number::<1024>")]
    #[schemars(with = "Integer")]
    pub max_data_size: i64,
    /// How many actors of a delegation an event names at most.
    #[serde(default = "number::<10>")]
    #[schemars(with = "Integer", range(min = 1))]
    pub max_delegation_depth: i64,
    /// File that events are written to, instead of standard output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_file: Option<String>,
}

fn default_sampling_rate() -> String {
    "0.05".to_owned()
}

const fn yes() -> bool {
    true
}
