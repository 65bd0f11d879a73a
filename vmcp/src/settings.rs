//! What a configuration says that requests and probes read anew each time, so that it can change while calls run.
//!
//! Settings are part of the [`Snapshot`](crate::discovery::Snapshot) that also has the backends: whoever reads both reads
//! them of one configuration. A call goes by those of its start.

use crate::circuit::CircuitSettings;
use crate::health::ProbeSchedule;
use crate::naming::Naming;
use crate::outgoing::Passthrough;
use crate::relay::LONGEST_REQUEST;
use crate::selection::ToolSelection;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use vmcp_config::proxy::ProxyConfig;
use vmcp_config::{Config, FailureHandling, PartialFailureMode, Timeouts};

/// The settings of a gateway or of a proxy.
#[derive(Debug, PartialEq)]
pub struct Settings {
    /// Name of the group whose members are the backends.
    pub group: String,
    /// What clients see, under which names.
    pub naming: Arc<Naming>,
    /// How long requests to backends may take.
    pub timeouts: Timeouts,
    /// Whether a list fails when one backend does.
    pub partial_failure: PartialFailureMode,
    /// Which headers of clients backends are sent too.
    pub passthrough: Passthrough,
    /// Failures in a row that make a healthy backend unavailable.
    pub unhealthy_threshold: u32,
    /// When backends are probed.
    pub probes: ProbeSchedule,
    /// When circuit breakers open; none without it.
    pub circuits: Option<CircuitSettings>,
    /// How often the times in the status are brought up to date.
    pub status_interval: Duration,
}

/// Why a configuration that was written is not the one in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pending {
    /// Something is wrong with it: where, and what.
    Refused(String),
    /// These keys of it are read when the gateway starts and not again.
    Restart(Vec<String>),
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(f, "the changed configuration is refused: {reason}"),
            Self::Restart(keys) => write!(f, "the changed configuration takes a restart: {}", keys.join(", ")),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::of(&Config::default())
    }
}

impl Settings {
    /// What `config`, which was checked, says.
    pub fn of(config: &Config) -> Self {
        let operational = config.operational.clone().unwrap_or_default();
        let failures = operational.failure_handling.unwrap_or_else(|| FailureHandling {
            // Who does not say how failures are handled wants the tools of the backends that work.
            partial_failure_mode: PartialFailureMode::BestEffort,
            ..FailureHandling::default()
        });
        Self {
            group: config.group_ref.clone(),
            naming: Arc::new(Naming::of(config.aggregation.clone().unwrap_or_default())),
            timeouts: operational.timeouts.unwrap_or_default(),
            partial_failure: failures.partial_failure_mode,
            passthrough: Passthrough::of(config.passthrough_headers.as_deref().unwrap_or_default()),
            unhealthy_threshold: count(failures.unhealthy_threshold),
            probes: ProbeSchedule {
                interval: failures.health_check_interval.as_std(),
                timeout: failures.health_check_timeout.as_std(),
            },
            circuits: circuits(&failures),
            status_interval: failures.status_reporting_interval.as_std(),
        }
    }

    /// What the `config` of a proxy says, which has one backend and probes nothing.
    pub fn of_proxy(config: &ProxyConfig) -> Self {
        Self {
            naming: Arc::new(Naming::of_one(ToolSelection::of_proxy(config))),
            timeouts: Timeouts { default: LONGEST_REQUEST.into(), per_workload: None },
            // Without the one backend there is nothing to list.
            partial_failure: PartialFailureMode::Fail,
            ..Self::default()
        }
    }
}

/// The circuit breaker is off unless it is enabled.
fn circuits(failures: &FailureHandling) -> Option<CircuitSettings> {
    let breaker = failures.circuit_breaker.as_ref().filter(|breaker| breaker.enabled)?;
    Some(CircuitSettings { threshold: count(breaker.failure_threshold), timeout: breaker.timeout.as_std() })
}

/// A number that was checked to be positive.
fn count(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn settings(config: Value) -> Settings {
        Settings::of(&serde_json::from_value(config).unwrap())
    }

    #[test]
    fn every_key_that_is_followed_changes_the_settings() {
        let base = settings(json!({}));
        assert_eq!(base, settings(json!({})));
        for config in [
            json!({"groupRef": "other"}),
            json!({"aggregation": {"conflictResolution": "priority"}}),
            json!({"aggregation": {"conflictResolutionConfig": {"prefixFormat": "{workload}."}}}),
            json!({"aggregation": {"tools": [{"workload": "a", "filter": ["x"]}]}}),
            json!({"aggregation": {"tools": [{"workload": "a", "overrides": {"x": {"name": "y"}}}]}}),
            json!({"aggregation": {"tools": [{"workload": "a", "excludeAll": true}]}}),
            json!({"aggregation": {"excludeAllTools": true}}),
            json!({"aggregation": {"defaultToolVisibility": "deny"}}),
            json!({"operational": {"timeouts": {"default": "1s"}}}),
            json!({"operational": {"timeouts": {"perWorkload": {"a": "1s"}}}}),
            json!({"operational": {"failureHandling": {}}}),
            json!({"passthroughHeaders": ["X-Tenant"]}),
        ] {
            assert_ne!(settings(config.clone()), base, "{config}");
        }
        let failures = |more: Value| settings(json!({"operational": {"failureHandling": more}}));
        for more in [
            json!({"healthCheckInterval": "1s"}),
            json!({"healthCheckTimeout": "1s"}),
            json!({"unhealthyThreshold": 7}),
            json!({"statusReportingInterval": "1s"}),
            json!({"partialFailureMode": "best_effort"}),
            json!({"circuitBreaker": {"enabled": true}}),
        ] {
            assert_ne!(failures(more.clone()), failures(json!({})), "{more}");
        }
        assert_eq!(failures(json!({"circuitBreaker": {"failureThreshold": 7}})), failures(json!({})), "it is off");
    }
}
