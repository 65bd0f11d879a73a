//! Collectors of telemetry as a world file describes them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Certificate, Fault, ServerUrl, Tls};

/// A collector: it takes traces, metrics and logs by OTLP over HTTP, for the journal.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Collector {
    /// Its base URL, e.g. `http://collector.example.com:4318`; `v1/traces`, `v1/metrics` and `v1/logs` are below it.
    pub url: ServerUrl,
    /// The certificate of its host. Servers that share a host share it.
    #[serde(default)]
    pub certificate: Option<Certificate>,
    /// How its host speaks TLS. Servers that share a host share it.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Why it takes nothing, as the error message of a partial success that rejects everything. Absent: it takes everything.
    #[serde(default)]
    pub rejects: Option<String>,
    /// What it does wrong.
    #[serde(default)]
    pub faults: Vec<Fault>,
}
