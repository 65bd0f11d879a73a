//! Everything that the operator knows of the cluster.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Resource,
    api::{ApiResource, DynamicObject},
    core::PartialObjectMeta,
};
use operator_api::{
    MCPAuthzConfig, MCPExternalAuthConfig, MCPGroup, MCPOIDCConfig, MCPRemoteProxy, MCPServer, MCPServerEntry,
    MCPTelemetryConfig, MCPToolConfig, VirtualMCPCompositeToolDefinition, VirtualMCPServer,
};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Kind, Target, cache::Cache};

/// A cache per kind. Secrets and ConfigMaps are known by their metadata alone.
#[derive(Debug, Default)]
pub struct Observed {
    /// MCPGroups.
    pub groups: Cache<MCPGroup>,
    /// MCPServerEntries.
    pub entries: Cache<MCPServerEntry>,
    /// MCPExternalAuthConfigs.
    pub auth_configs: Cache<MCPExternalAuthConfig>,
    /// MCPOIDCConfigs.
    pub oidc_configs: Cache<MCPOIDCConfig>,
    /// MCPToolConfigs.
    pub tool_configs: Cache<MCPToolConfig>,
    /// MCPTelemetryConfigs.
    pub telemetry_configs: Cache<MCPTelemetryConfig>,
    /// MCPAuthzConfigs.
    pub authz_configs: Cache<MCPAuthzConfig>,
    /// VirtualMCPCompositeToolDefinitions.
    pub composite_tools: Cache<VirtualMCPCompositeToolDefinition>,
    /// MCPRemoteProxies.
    pub remote_proxies: Cache<MCPRemoteProxy>,
    /// MCPServers.
    pub servers: Cache<MCPServer>,
    /// VirtualMCPServers.
    pub virtual_servers: Cache<VirtualMCPServer>,
    /// Metadata of Secrets.
    pub secrets: Cache<PartialObjectMeta<Secret>>,
    /// Metadata of ConfigMaps.
    pub config_maps: Cache<PartialObjectMeta<ConfigMap>>,
    /// Metadata and status of the pods of what the operator made.
    pub pods: Cache<Pod>,
    /// What the operator made.
    pub owned: Owned,
    /// Objects of our kinds that passed admission and that this release cannot read, and why.
    pub unreadable: BTreeMap<Target, String>,
}

/// What the operator made, as raw objects: a typed round trip would lose fields of newer API servers.
#[derive(Debug, Default)]
pub struct Owned {
    service_accounts: Cache<DynamicObject>,
    roles: Cache<DynamicObject>,
    role_bindings: Cache<DynamicObject>,
    config_maps: Cache<DynamicObject>,
    deployments: Cache<DynamicObject>,
    stateful_sets: Cache<DynamicObject>,
    services: Cache<DynamicObject>,
    disruption_budgets: Cache<DynamicObject>,
}

/// The kinds of what the operator makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnedKind {
    /// ServiceAccount.
    ServiceAccount,
    /// Role.
    Role,
    /// RoleBinding.
    RoleBinding,
    /// ConfigMap.
    ConfigMap,
    /// Deployment.
    Deployment,
    /// StatefulSet.
    StatefulSet,
    /// Service.
    Service,
    /// PodDisruptionBudget.
    PodDisruptionBudget,
}

impl OwnedKind {
    /// Every kind, in the order in which objects are written.
    pub const ALL: [Self; 8] = [
        Self::ServiceAccount,
        Self::Role,
        Self::RoleBinding,
        Self::ConfigMap,
        Self::Service,
        Self::StatefulSet,
        Self::Deployment,
        Self::PodDisruptionBudget,
    ];

    /// Where the API serves the kind.
    pub fn api_resource(self) -> ApiResource {
        match self {
            Self::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
            Self::Role => ApiResource::erase::<Role>(&()),
            Self::RoleBinding => ApiResource::erase::<RoleBinding>(&()),
            Self::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
            Self::Deployment => ApiResource::erase::<Deployment>(&()),
            Self::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
            Self::PodDisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
            Self::Service => ApiResource::erase::<Service>(&()),
        }
    }
}

impl Owned {
    /// The cache of `kind`.
    pub fn of(&self, kind: OwnedKind) -> &Cache<DynamicObject> {
        match kind {
            OwnedKind::ServiceAccount => &self.service_accounts,
            OwnedKind::Role => &self.roles,
            OwnedKind::RoleBinding => &self.role_bindings,
            OwnedKind::ConfigMap => &self.config_maps,
            OwnedKind::Deployment => &self.deployments,
            OwnedKind::StatefulSet => &self.stateful_sets,
            OwnedKind::PodDisruptionBudget => &self.disruption_budgets,
            OwnedKind::Service => &self.services,
        }
    }

    /// The cache of `kind`, to change it.
    pub fn of_mut(&mut self, kind: OwnedKind) -> &mut Cache<DynamicObject> {
        match kind {
            OwnedKind::ServiceAccount => &mut self.service_accounts,
            OwnedKind::Role => &mut self.roles,
            OwnedKind::RoleBinding => &mut self.role_bindings,
            OwnedKind::ConfigMap => &mut self.config_maps,
            OwnedKind::Deployment => &mut self.deployments,
            OwnedKind::StatefulSet => &mut self.stateful_sets,
            OwnedKind::PodDisruptionBudget => &mut self.disruption_budgets,
            OwnedKind::Service => &mut self.services,
        }
    }
}

impl Observed {
    /// Whether every kind has been listed once.
    pub fn synced(&self) -> bool {
        self.groups.synced()
            && self.entries.synced()
            && self.auth_configs.synced()
            && self.oidc_configs.synced()
            && self.tool_configs.synced()
            && self.telemetry_configs.synced()
            && self.authz_configs.synced()
            && self.composite_tools.synced()
            && self.remote_proxies.synced()
            && self.servers.synced()
            && self.virtual_servers.synced()
            && self.secrets.synced()
            && self.config_maps.synced()
            && self.pods.synced()
            && OwnedKind::ALL.into_iter().all(|kind| self.owned.of(kind).synced())
    }
}

/// A kind that has a cache of its own.
pub trait Cached: Resource + Sized {
    /// The cache of the kind.
    fn cache(observed: &Observed) -> &Cache<Self>;
    /// The cache of the kind, to change it.
    fn cache_mut(observed: &mut Observed) -> &mut Cache<Self>;
}

macro_rules! cached {
    ($($kind:ty => $field:ident,)+) => {$(
        impl Cached for $kind {
            fn cache(observed: &Observed) -> &Cache<Self> {
                &observed.$field
            }

            fn cache_mut(observed: &mut Observed) -> &mut Cache<Self> {
                &mut observed.$field
            }
        }
    )+};
}

cached! {
    MCPGroup => groups,
    MCPServerEntry => entries,
    MCPExternalAuthConfig => auth_configs,
    MCPOIDCConfig => oidc_configs,
    MCPToolConfig => tool_configs,
    MCPTelemetryConfig => telemetry_configs,
    MCPAuthzConfig => authz_configs,
    VirtualMCPCompositeToolDefinition => composite_tools,
    MCPRemoteProxy => remote_proxies,
    MCPServer => servers,
    VirtualMCPServer => virtual_servers,
    PartialObjectMeta<Secret> => secrets,
    PartialObjectMeta<ConfigMap> => config_maps,
    Pod => pods,
}

/// A kind that has a controller.
pub trait Reconciled: Cached {
    /// The kind.
    const KIND: Kind;
}

macro_rules! reconciled {
    ($($kind:ty => $name:ident,)+) => {$(
        impl Reconciled for $kind {
            const KIND: Kind = Kind::$name;
        }
    )+};
}

reconciled! {
    MCPGroup => Group,
    MCPServerEntry => Entry,
    MCPExternalAuthConfig => ExternalAuth,
    MCPOIDCConfig => Oidc,
    MCPToolConfig => ToolConfig,
    MCPTelemetryConfig => TelemetryConfig,
    MCPAuthzConfig => AuthzConfig,
    VirtualMCPCompositeToolDefinition => CompositeTool,
    MCPRemoteProxy => RemoteProxy,
    MCPServer => Server,
    VirtualMCPServer => VirtualServer,
}

/// The caches, shared between watches and controllers. The lock is never held across an await.
#[derive(Debug, Clone)]
pub struct Shared(Arc<RwLock<Observed>>);

impl Default for Shared {
    fn default() -> Self {
        let mut observed = Observed::default();
        observed.index();
        Self(Arc::new(RwLock::new(observed)))
    }
}

impl Shared {
    /// Reads the caches.
    pub fn read(&self) -> RwLockReadGuard<'_, Observed> {
        self.0.read()
    }

    /// Changes the caches.
    pub fn write(&self) -> RwLockWriteGuard<'_, Observed> {
        self.0.write()
    }
}
