//! The `toolhive.stacklok.dev` kinds as Rust types, their CRDs, and the names of conditions and reasons.
//!
//! One Rust type per kind serves both versions: their schemas are identical, `v1beta1` is stored and `v1alpha1` is
//! deprecated. [`crds`] returns what an administrator installs. Nothing here does input or output.

#![allow(clippy::doc_markdown, reason = "the documentation of fields is their description in the CRDs")]
#![allow(clippy::duplicated_attributes, reason = "every printer column has a type")]

mod authorization;
mod authz_config;
mod composite_tool_definition;
mod condition;
mod conditions;
mod config_status;
mod crd;
mod entry;
mod external_auth;
mod group;
mod mcp_server;
mod oidc;
mod proxy_conditions;
mod references;
mod remote_proxy;
mod telemetry_config;
mod tool_config;
mod virtual_server;
mod workload;

pub use authorization::{Authorization, AuthorizationConfigMap, AuthorizationType, InlineAuthorization};
pub use authz_config::{MCPAuthzConfig, MCPAuthzConfigSpec};
pub use composite_tool_definition::{
    VirtualMCPCompositeToolDefinition, VirtualMCPCompositeToolDefinitionSpec, VirtualMCPCompositeToolDefinitionStatus,
    WorkflowCondition, WorkflowReason, WorkflowValidation,
};
pub use condition::{Condition, Statement};
pub use conditions::{ConditionStatus, condition_status, find_condition, is_true};
pub use config_status::{ConfigCondition, ConfigReason, ConfigStatus};
pub use crd::{MIGRATE_LABEL, crds};
pub use entry::{
    EntryCondition, EntryPhase, EntryReason, HeaderForward, HeaderFromSecret, MCPServerEntry, MCPServerEntrySpec,
    MCPServerEntryStatus,
};
pub use external_auth::{
    AclUser, AuthServerStorage, AuthServerStorageType, AwsRoleMapping, AwsSts, BearerToken, ClientMetadataDocuments,
    CrossApplicationAccess, CrossApplicationSubjectTokenType, DelegateClient, DynamicRegistration, EmbeddedAuthServer,
    ExternalAuthType, HeaderInjection, IdentityFromToken, JwtBearerGrant, MCPExternalAuthConfig,
    MCPExternalAuthConfigSpec, Oauth2Provider, OidcProvider, OnBehalfOf, RedisStorage, RedisTls, Sentinel,
    SentinelService, SubjectBinding, TokenExchange, TokenLifespans, TokenResponseMapping, TrustedIssuer,
    UpstreamInject, UpstreamProvider, UpstreamProviderType, UserInfo, UserInfoFields, UserInfoMethod,
};
pub use group::{GroupCondition, GroupPhase, GroupReason, MCPGroup, MCPGroupSpec, MCPGroupStatus};
pub use mcp_server::{
    HostVolume, MCPServer, MCPServerSpec, MCPServerStatus, PermissionProfile, PermissionProfileType, SecretVariable,
    ServerPhase, ServerTransport,
};
pub use oidc::{InlineOidc, KubernetesServiceAccountOidc, MCPOIDCConfig, MCPOIDCConfigSpec, OidcType};
pub use proxy_conditions::{ProxyCondition, ProxyReason};
pub use references::{
    AuthServerKind, AuthServerReference, AuthzConfigReference, CaBundleReference, ConfigMapKeyReference,
    EmbeddingServerReference, ExternalAuthConfigReference, GroupReference, OidcConfigReference, SecretKeyReference,
    TelemetryConfigReference, WebhookConfigReference,
};
pub use remote_proxy::{
    InlineProxyOidc, MCPRemoteProxy, MCPRemoteProxySpec, MCPRemoteProxyStatus, ProxyOidc, ProxyOidcType, ProxyPhase,
};
pub use telemetry_config::{
    MCPTelemetryConfig, MCPTelemetryConfigSpec, Metrics, OpenTelemetry, Prometheus, SensitiveHeader, Tracing,
};
pub use tool_config::{MCPToolConfig, MCPToolConfigSpec};
pub use virtual_server::{
    BackendAuth, BackendAuthType, BackendStatus, Capabilities, CircuitState, DiscoveredBackend, GatewayConfig,
    IncomingAuth, IncomingAuthType, OutgoingAuth, OutgoingAuthSource, ServiceAccountAuth, ServiceType,
    VirtualMCPServer, VirtualMCPServerSpec, VirtualMCPServerStatus, VirtualServerCondition, VirtualServerPhase,
    VirtualServerReason,
};
pub use workload::{
    AuditLog, DeploymentOverrides, EnvironmentVariable, ImagePullSecret, MetadataOverrides, ResourceList,
    ResourceOverrides, ResourceRequirements, SessionAffinity, SharedSessionStorage,
};

/// How a server speaks MCP.
pub use vmcp_config::Transport;

/// The API group of every kind.
pub const GROUP: &str = "toolhive.stacklok.dev";

/// The stored version, which the operator and the gateway use.
pub const VERSION: &str = "v1beta1";

/// The deprecated version.
pub const DEPRECATED_VERSION: &str = "v1alpha1";
