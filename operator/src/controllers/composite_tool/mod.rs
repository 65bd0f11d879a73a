//! VirtualMCPCompositeToolDefinition: a workflow that several gateways offer as a tool. Can it be run, and may it go?

mod status;
#[cfg(test)]
mod tests;

use k8s_openapi::jiff::Timestamp;
use operator_api::{
    Condition, VirtualMCPCompositeToolDefinition, VirtualMCPCompositeToolDefinitionStatus, WorkflowCondition,
};

use crate::{controllers::configuration::Configuration, runtime::Target};

impl Configuration for VirtualMCPCompositeToolDefinition {
    const FINALIZER: &'static str = "virtualmcpcompositetooldefinition.toolhive.stacklok.dev/finalizer";
    const USABLE: &'static str = WorkflowCondition::WorkflowValidated.as_str();

    fn judge(&self, referrers: &[Target], now: Timestamp) -> VirtualMCPCompositeToolDefinitionStatus {
        status::of(self, &self.spec.workflow.problems(), referrers, now)
    }

    fn conditions(status: &VirtualMCPCompositeToolDefinitionStatus) -> &[Condition] {
        &status.conditions
    }
}
