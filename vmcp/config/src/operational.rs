//! Time-outs, health checks and logging.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Duration, schema::Integer};

/// How the gateway is operated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operational {
    /// How much is logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_level: Option<LogLevel>,
    /// How long a request to a backend may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// What happens when backends fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_handling: Option<FailureHandling>,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LogLevel {
    /// Everything.
    Debug,
}

/// How long a request to a backend may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// For every backend.
    #[serde(default = "seconds::<30>")]
    pub default: Duration,
    /// By name of the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_workload: Option<BTreeMap<String, Duration>>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { default: seconds::<30>(), per_workload: None }
    }
}

impl Timeouts {
    /// The time-out of requests to the backend `workload`.
    pub fn of(&self, workload: &str) -> Duration {
        self.per_workload.as_ref().and_then(|all| all.get(workload)).copied().unwrap_or(self.default)
    }
}

/// What happens when backends fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureHandling {
    /// Time between two health checks of a backend.
    #[serde(default = "seconds::<30>")]
    pub health_check_interval: Duration,
    /// How long one health check may take; less than the interval.
    #[serde(default = "seconds::<10>")]
    pub health_check_timeout: Duration,
    /// Failures in a row after which a backend is unhealthy.
    #[serde(default = "number::<3>")]
    #[schemars(with = "Integer")]
    pub unhealthy_threshold: i64,
    /// Time between two reports of backend states.
    #[serde(default = "seconds::<30>")]
    pub status_reporting_interval: Duration,
    /// Whether a list fails when one backend does.
    #[serde(default)]
    pub partial_failure_mode: PartialFailureMode,
    /// Stops calls to backends that keep failing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<CircuitBreaker>,
}

impl Default for FailureHandling {
    fn default() -> Self {
        Self {
            health_check_interval: seconds::<30>(),
            health_check_timeout: seconds::<10>(),
            unhealthy_threshold: 3,
            status_reporting_interval: seconds::<30>(),
            partial_failure_mode: PartialFailureMode::default(),
            circuit_breaker: None,
        }
    }
}

/// Whether a list fails when one backend does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartialFailureMode {
    /// The whole request fails.
    #[default]
    Fail,
    /// The others' answers are returned.
    BestEffort,
}

/// Stops calls to backends that keep failing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreaker {
    /// Whether it acts.
    #[serde(default)]
    pub enabled: bool,
    /// Failures in a row that open it.
    #[serde(default = "number::<5>")]
    #[schemars(with = "Integer", range(min = 1))]
    pub failure_threshold: i64,
    /// Time until it lets one call try again; at least one second.
    #[serde(default = "seconds::<60>")]
    #[schemars(extend("default" = "60s", "x-kubernetes-validations" = [
        {"message": "timeout must be >= 1s", "rule": "self == '' || duration(self) >= duration('1s')"}
    ]))]
    pub timeout: Duration,
}

/// A default of whole seconds.
pub(crate) const fn seconds<const SECONDS: u64>() -> Duration {
    Duration::from_secs(SECONDS)
}

/// A default number.
pub(crate) const fn number<const NUMBER: i64>() -> i64 {
    NUMBER
}
