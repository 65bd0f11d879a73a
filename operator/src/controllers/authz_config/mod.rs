//! MCPAuthzConfig: an authorization policy that several servers share.

pub(in crate::controllers) mod cedar;
#[cfg(test)]
mod tests;
pub(in crate::controllers) mod validate;

use k8s_openapi::jiff::Timestamp;
use operator_api::{Condition, ConfigCondition, ConfigStatus, MCPAuthzConfig};

use crate::{
    controllers::configuration::{self, Configuration, Reasons},
    runtime::Target,
};

impl Configuration for MCPAuthzConfig {
    const FINALIZER: &'static str = "mcpauthzconfig.toolhive.stacklok.dev/finalizer";
    const USABLE: &'static str = ConfigCondition::Valid.as_str();

    fn judge(&self, referrers: &[Target], now: Timestamp) -> ConfigStatus {
        configuration::of(self, &validate::problems(&self.spec), Reasons::CONFIG, referrers, now)
    }

    fn conditions(status: &ConfigStatus) -> &[Condition] {
        &status.conditions
    }
}
