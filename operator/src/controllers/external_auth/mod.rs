//! MCPExternalAuthConfig: how gateways and proxies authenticate to servers.

#[cfg(test)]
mod tests;
pub mod validate;

use k8s_openapi::jiff::Timestamp;
use operator_api::{Condition, ConfigCondition, ConfigStatus, MCPExternalAuthConfig};

use crate::{
    controllers::configuration::{self, Configuration, Reasons},
    runtime::Target,
};

impl Configuration for MCPExternalAuthConfig {
    const FINALIZER: &'static str = "mcpexternalauthconfig.toolhive.stacklok.dev/finalizer";
    const USABLE: &'static str = ConfigCondition::Valid.as_str();

    fn judge(&self, referrers: &[Target], now: Timestamp) -> ConfigStatus {
        configuration::of(self, &validate::problems(&self.spec), Reasons::VALIDATION, referrers, now)
    }

    fn conditions(status: &ConfigStatus) -> &[Condition] {
        &status.conditions
    }
}
