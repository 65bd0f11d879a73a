//! MCPTelemetryConfig: where traces and metrics of servers go.

#[cfg(test)]
mod tests;
mod validate;

use k8s_openapi::jiff::Timestamp;
use operator_api::{Condition, ConfigCondition, ConfigStatus, MCPTelemetryConfig};

use crate::{
    controllers::configuration::{self, Configuration, Reasons},
    runtime::Target,
};

impl Configuration for MCPTelemetryConfig {
    const FINALIZER: &'static str = "mcptelemetryconfig.toolhive.stacklok.dev/finalizer";
    const USABLE: &'static str = ConfigCondition::Valid.as_str();

    fn judge(&self, referrers: &[Target], now: Timestamp) -> ConfigStatus {
        configuration::of(self, &validate::problems(&self.spec), Reasons::VALIDATION, referrers, now)
    }

    fn conditions(status: &ConfigStatus) -> &[Condition] {
        &status.conditions
    }
}
