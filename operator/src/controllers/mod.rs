//! The controllers: one folder per kind, with its steps resolve, validate, build and status.
//!
//! Only resolve and the calls to the runtime's `apply` do input and output; the steps between are pure.

mod authorization;
mod authz_config;
mod ca_bundle;
mod composite_tool;
mod configuration;
mod endpoint;
pub mod entry;
pub mod external_auth;
pub mod group;
mod headers;
pub mod oidc;
pub mod proxy;
pub mod remote_proxy;
mod secrets;
pub mod server;
mod telemetry_config;
mod tool_config;
mod unreadable;
pub mod unsupported;
pub mod virtual_server;
pub mod workload;

use kube::Client;
use operator_api::{
    MCPAuthzConfig, MCPExternalAuthConfig, MCPOIDCConfig, MCPRemoteProxy, MCPServer, MCPTelemetryConfig, MCPToolConfig,
    VirtualMCPCompositeToolDefinition,
};

use crate::{
    cli::GatewayOptions,
    metrics::Metrics,
    runtime::{
        Kind, Target,
        apply::{Applier, ApplyError},
        contents::Contents,
        events::Events,
        observed::Shared,
        worker::Work,
    },
};

/// What the administrator chose for the gateways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Image of the gateways.
    pub image: String,
    /// What gateways may connect to although it is private or local, as `--egress-allow` takes it.
    pub egress_allow: Vec<String>,
}

impl From<&GatewayOptions> for Settings {
    fn from(options: &GatewayOptions) -> Self {
        Self {
            image: options.vmcp_image.clone(),
            egress_allow: options.vmcp_egress_allow.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What a controller works with.
pub struct Context {
    /// What is known of the cluster.
    pub shared: Shared,
    /// What is in Secrets and ConfigMaps.
    pub contents: Contents,
    /// The writer.
    pub applier: Applier,
    /// The events.
    pub events: Events,
    /// What the administrator chose.
    pub settings: Settings,
    /// The counters.
    pub metrics: Metrics,
}

impl Context {
    /// Works with the cluster of `client`.
    pub fn new(client: Client, shared: Shared, work: Work, settings: Settings, metrics: Metrics) -> Self {
        Self {
            contents: Contents::new(client.clone(), shared.clone()),
            applier: Applier::new(client.clone(), shared.clone(), work),
            events: Events::new(client),
            shared,
            settings,
            metrics,
        }
    }
}

/// Why an object could not be reconciled; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The contents of an object could not be read.
    #[error("read {what}")]
    Read {
        /// The object.
        what: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// Something could not be written.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl ReconcileError {
    /// What it means that `what` could not be read.
    fn reading(what: impl std::fmt::Display) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Read { what: what.to_string(), source: Box::new(source) }
    }
}

/// Makes the world as the object `target` says, and says in its status how that went.
pub async fn reconcile(context: &Context, target: &Target) -> Result<(), ReconcileError> {
    let error = context.shared.read().unreadable.get(target).cloned();
    if let Some(error) = error {
        return unreadable::tell(context, target, &error).await;
    }
    match target.kind {
        Kind::Group => group::reconcile(context, &target.key).await,
        Kind::ExternalAuth => configuration::reconcile::<MCPExternalAuthConfig>(context, &target.key).await,
        Kind::Oidc => configuration::reconcile::<MCPOIDCConfig>(context, &target.key).await,
        Kind::ToolConfig => configuration::reconcile::<MCPToolConfig>(context, &target.key).await,
        Kind::TelemetryConfig => configuration::reconcile::<MCPTelemetryConfig>(context, &target.key).await,
        Kind::AuthzConfig => configuration::reconcile::<MCPAuthzConfig>(context, &target.key).await,
        Kind::CompositeTool => {
            configuration::reconcile::<VirtualMCPCompositeToolDefinition>(context, &target.key).await
        }
        Kind::Entry => entry::reconcile(context, &target.key).await,
        Kind::RemoteProxy => proxy::reconcile::<MCPRemoteProxy>(context, &target.key).await,
        Kind::Server => proxy::reconcile::<MCPServer>(context, &target.key).await,
        Kind::VirtualServer => virtual_server::reconcile(context, &target.key).await,
    }
}
