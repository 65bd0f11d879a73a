//! MCPOIDCConfig: which tokens servers accept from their clients.

#[cfg(test)]
mod tests;
pub mod validate;

use k8s_openapi::jiff::Timestamp;
use operator_api::{Condition, ConfigCondition, ConfigStatus, MCPOIDCConfig};

use crate::{
    controllers::configuration::{self, Configuration, Reasons},
    runtime::Target,
};

impl Configuration for MCPOIDCConfig {
    const FINALIZER: &'static str = "mcpoidcconfig.toolhive.stacklok.dev/finalizer";
    const USABLE: &'static str = ConfigCondition::Valid.as_str();

    fn judge(&self, referrers: &[Target], now: Timestamp) -> ConfigStatus {
        configuration::of(self, &validate::problems(&self.spec), Reasons::CONFIG, referrers, now)
    }

    fn conditions(status: &ConfigStatus) -> &[Condition] {
        &status.conditions
    }
}
