//! Objects that passed admission and that this release cannot read: their status says so.
//!
//! They are known as JSON alone, so they are read and written as such. It happens when a value is within the schema's
//! pattern and beyond the type's range, or when the CRDs are of a newer release.

use kube::{
    Api,
    api::{ApiResource, DynamicObject},
};
use operator_api::{
    Condition, ConfigCondition, ConfigReason, EntryCondition, EntryReason, GroupCondition, GroupReason, MCPAuthzConfig,
    MCPExternalAuthConfig, MCPGroup, MCPOIDCConfig, MCPRemoteProxy, MCPServer, MCPServerEntry, MCPTelemetryConfig,
    MCPToolConfig, ProxyCondition, ProxyReason, VirtualMCPCompositeToolDefinition, VirtualMCPServer,
    VirtualServerCondition, VirtualServerReason, WorkflowCondition, WorkflowReason, WorkflowValidation,
};
use serde_json::{Value, json};

use super::{Context, ReconcileError};
use crate::runtime::{
    Kind, Target,
    conditions::{Conditions, now},
};

/// Says in the status of `target` that it cannot be read, and why.
pub(super) async fn tell(context: &Context, target: &Target, error: &str) -> Result<(), ReconcileError> {
    let resource = resource(target.kind);
    let client = context.applier.client();
    let api: Api<DynamicObject> = Api::namespaced_with(client, &target.key.namespace, &resource);
    let live = api.get_opt(&target.key.name).await.map_err(ReconcileError::reading(target))?;
    let Some(live) = live else { return Ok(()) };
    let status = status(target.kind, &live, error);
    context.applier.raw_status(&resource, &live, &status).await?;
    Ok(())
}

fn resource(kind: Kind) -> ApiResource {
    match kind {
        Kind::Group => ApiResource::erase::<MCPGroup>(&()),
        Kind::ExternalAuth => ApiResource::erase::<MCPExternalAuthConfig>(&()),
        Kind::Oidc => ApiResource::erase::<MCPOIDCConfig>(&()),
        Kind::ToolConfig => ApiResource::erase::<MCPToolConfig>(&()),
        Kind::TelemetryConfig => ApiResource::erase::<MCPTelemetryConfig>(&()),
        Kind::AuthzConfig => ApiResource::erase::<MCPAuthzConfig>(&()),
        Kind::CompositeTool => ApiResource::erase::<VirtualMCPCompositeToolDefinition>(&()),
        Kind::Entry => ApiResource::erase::<MCPServerEntry>(&()),
        Kind::RemoteProxy => ApiResource::erase::<MCPRemoteProxy>(&()),
        Kind::Server => ApiResource::erase::<MCPServer>(&()),
        Kind::VirtualServer => ApiResource::erase::<VirtualMCPServer>(&()),
    }
}

/// The status of an object of `kind` that cannot be read.
fn status(kind: Kind, live: &DynamicObject, error: &str) -> Value {
    let (condition, reason): (&'static str, &'static str) = match kind {
        Kind::Group => (GroupCondition::MCPServersChecked.into(), GroupReason::ListMCPServersCheckFailed.into()),
        Kind::ExternalAuth | Kind::ToolConfig | Kind::TelemetryConfig => {
            (ConfigCondition::Valid.into(), ConfigReason::ValidationFailed.into())
        }
        Kind::CompositeTool => (WorkflowCondition::WorkflowValidated.into(), WorkflowReason::ValidationFailed.into()),
        Kind::Oidc | Kind::AuthzConfig => (ConfigCondition::Valid.into(), ConfigReason::ConfigInvalid.into()),
        Kind::Entry => (EntryCondition::Valid.into(), EntryReason::ConfigInvalid.into()),
        Kind::RemoteProxy | Kind::Server => {
            (ProxyCondition::ConfigurationValid.into(), ProxyReason::ConfigurationInvalid.into())
        }
        Kind::VirtualServer => (VirtualServerCondition::Valid.into(), VirtualServerReason::ValidationFailed.into()),
    };
    let before: Vec<Condition> = serde_json::from_value(live.data["status"]["conditions"].clone()).unwrap_or_default();
    let mut conditions = Conditions::new(&before, live.metadata.generation, now());
    conditions.set(condition, false, reason, format!("this release of the operator cannot read the object: {error}"));
    let mut status = json!({
        "observedGeneration": live.metadata.generation,
        "conditions": conditions.finish(),
    });
    if matches!(kind, Kind::Group | Kind::Entry | Kind::RemoteProxy | Kind::Server | Kind::VirtualServer) {
        status["phase"] = json!("Failed");
    }
    if kind == Kind::CompositeTool {
        status["validationStatus"] = json!(WorkflowValidation::Invalid);
    }
    status
}
