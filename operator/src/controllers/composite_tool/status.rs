//! What the status of a workflow says.

use k8s_openapi::jiff::Timestamp;
use operator_api::{
    VirtualMCPCompositeToolDefinition, VirtualMCPCompositeToolDefinitionStatus, WorkflowCondition, WorkflowReason,
    WorkflowValidation,
};
use vmcp_config::{WorkflowFault, WorkflowProblem};

use crate::{
    controllers::configuration::{Configuration, protection},
    runtime::{Kind, Target, conditions::Conditions},
};

/// How many problems the status names: whoever mends these gets to know the others.
const MAX_ERRORS: usize = 50;

/// The status of `definition` with these problems, while `referrers` refer to it.
pub(super) fn of(
    definition: &VirtualMCPCompositeToolDefinition,
    problems: &[WorkflowProblem],
    referrers: &[Target],
    now: Timestamp,
) -> VirtualMCPCompositeToolDefinitionStatus {
    let generation = definition.metadata.generation;
    let mut conditions = Conditions::new(definition.live_conditions(), generation, now);
    let errors: Vec<_> = problems.iter().take(MAX_ERRORS).map(ToString::to_string).collect();
    let valid = problems.is_empty();
    if valid {
        let (validated, ready) = (WorkflowReason::ValidationSuccess, WorkflowReason::WorkflowReady);
        conditions.set(WorkflowCondition::WorkflowValidated, true, validated, "The workflow can be run");
        conditions.set(WorkflowCondition::Ready, true, ready, "Gateways can offer the workflow");
    } else {
        conditions.set(WorkflowCondition::WorkflowValidated, false, reason(problems), errors.join("; "));
        let message = "The workflow cannot be run: validationErrors says why";
        conditions.set(WorkflowCondition::Ready, false, WorkflowReason::WorkflowNotReady, message);
    }
    protection::say(definition, referrers, &mut conditions);
    let gateways = referrers.iter().filter(|referrer| referrer.kind == Kind::VirtualServer);
    let gateways: Vec<_> = gateways.map(|referrer| referrer.key.name.clone()).collect();
    VirtualMCPCompositeToolDefinitionStatus {
        observed_generation: generation,
        validation_status: Some(if valid { WorkflowValidation::Valid } else { WorkflowValidation::Invalid }),
        // An empty list is left out: the API server drops one whose last element goes.
        validation_errors: Some(errors).filter(|errors| !errors.is_empty()),
        referencing_virtual_servers: Some(gateways).filter(|gateways| !gateways.is_empty()),
        conditions: conditions.finish(),
    }
}

/// The reason that all problems share, or that there are several.
fn reason(problems: &[WorkflowProblem]) -> WorkflowReason {
    let Some(first) = problems.first() else { return WorkflowReason::ValidationSuccess };
    if problems.iter().any(|problem| problem.fault != first.fault) {
        return WorkflowReason::ValidationFailed;
    }
    match first.fault {
        WorkflowFault::Structure => WorkflowReason::ValidationFailed,
        WorkflowFault::Schema => WorkflowReason::SchemaInvalid,
        WorkflowFault::Template => WorkflowReason::TemplateInvalid,
        WorkflowFault::DependencyCycle => WorkflowReason::DependencyCycle,
        WorkflowFault::Tool => WorkflowReason::ToolNotFound,
    }
}
