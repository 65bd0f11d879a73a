//! MCPToolConfig: which tools of a server are shown, and under which names.

#[cfg(test)]
mod tests;
mod validate;

use k8s_openapi::jiff::Timestamp;
use operator_api::{Condition, ConfigCondition, ConfigStatus, MCPToolConfig};

use crate::{
    controllers::configuration::{self, Configuration, Reasons},
    runtime::Target,
};

impl Configuration for MCPToolConfig {
    const FINALIZER: &'static str = "toolhive.stacklok.dev/toolconfig-finalizer";
    const USABLE: &'static str = ConfigCondition::Valid.as_str();

    fn judge(&self, referrers: &[Target], now: Timestamp) -> ConfigStatus {
        configuration::of(self, &validate::problems(&self.spec), Reasons::VALIDATION, referrers, now)
    }

    fn conditions(status: &ConfigStatus) -> &[Condition] {
        &status.conditions
    }
}
