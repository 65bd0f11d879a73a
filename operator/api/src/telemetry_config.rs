//! MCPTelemetryConfig: where traces and metrics of servers go.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CaBundleReference, ConfigStatus, SecretKeyReference};

/// OpenTelemetry over OTLP, and metrics for Prometheus.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "toolhive.stacklok.dev",
    version = "v1beta1",
    kind = "MCPTelemetryConfig",
    plural = "mcptelemetryconfigs",
    singular = "mcptelemetryconfig",
    shortname = "mcpotel",
    category = "toolhive",
    doc = "Where traces and metrics of servers go; servers, proxies and gateways refer to it.",
    namespaced,
    status = "ConfigStatus",
    derive = "PartialEq",
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".spec.openTelemetry.endpoint"),
    printcolumn(name = "Valid", type_ = "string", json_path = ".status.conditions[?(@.type=='Valid')].status"),
    printcolumn(name = "Tracing", type_ = "boolean", json_path = ".spec.openTelemetry.tracing.enabled"),
    printcolumn(name = "Metrics", type_ = "boolean", json_path = ".spec.openTelemetry.metrics.enabled"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct MCPTelemetryConfigSpec {
    /// What is sent by OTLP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_telemetry: Option<OpenTelemetry>,
    /// What is served for Prometheus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Prometheus>,
}

/// What is sent by OTLP, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "message": "a header is named in headers or in sensitiveHeaders, not in both",
        "rule": "!has(self.headers) || !has(self.sensitiveHeaders) || self.sensitiveHeaders.all(sh, !(sh.name in self.headers))"
    }
]))]
pub struct OpenTelemetry {
    /// Whether anything is sent.
    #[serde(default)]
    pub enabled: bool,
    /// The collector: host and port, or a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Sends without TLS.
    #[serde(default)]
    pub insecure: bool,
    /// Headers for the collector. Everyone who may read this object sees the values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Headers for the collector whose values are in Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub sensitive_headers: Option<Vec<SensitiveHeader>>,
    /// Attributes of every signal, beside those that name the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_attributes: Option<BTreeMap<String, String>>,
    /// Traces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Tracing>,
    /// Metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// Whether attributes keep their former names too, for dashboards that still use them.
    #[serde(default = "default_use_legacy_attributes")]
    pub use_legacy_attributes: bool,
    /// Certificate authorities to trust for the collector, beside those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_ref: Option<CaBundleReference>,
}

/// A header for the collector whose value is in a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SensitiveHeader {
    /// Name of the header.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Where the value is.
    pub secret_key_ref: SecretKeyReference,
}

/// Which traces are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tracing {
    /// Whether traces are sent.
    #[serde(default)]
    pub enabled: bool,
    /// Share of traces that are sampled, from 0 to 1.
    #[serde(default = "default_sampling_rate")]
    #[schemars(regex(pattern = r"^(0(\.\d+)?|1(\.0+)?)$"))]
    pub sampling_rate: String,
}

/// Which metrics are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Whether metrics are sent.
    #[serde(default)]
    pub enabled: bool,
}

/// Metrics for Prometheus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prometheus {
    /// Whether servers offer /metrics.
    #[serde(default)]
    pub enabled: bool,
}

const fn default_use_legacy_attributes() -> bool {
    true
}

fn default_sampling_rate() -> String {
    "0.05".to_owned()
}
