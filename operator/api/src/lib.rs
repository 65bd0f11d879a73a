//! The `toolhive.stacklok.dev` kinds as Rust types, their CRDs, and the names of conditions and reasons.
//!
//! One Rust type per kind serves both versions: their schemas are identical, `v1beta1` is stored and `v1alpha1` is
//! deprecated. [`crds`] returns what an administrator installs. Nothing here does input or output.

#![allow(clippy::doc_markdown, reason = "the documentation of fields is their description in the CRDs")]
#![allow(clippy::duplicated_attributes, reason = "every printer column has a type")]

mod conditions;
mod crd;
mod entry;
mod external_auth;
mod group;
mod oidc;
mod references;
mod virtual_server;

pub use conditions::{ConditionStatus, condition_status, find_condition, is_true};
pub use crd::{crds, definitions};
pub use entry::{
    EntryCondition, EntryPhase, EntryReason, HeaderForward, HeaderFromSecret, MCPServerEntry, MCPServerEntrySpec,
    MCPServerEntryStatus,
};
pub use external_auth::{
    ExternalAuthType, HeaderInjection, MCPExternalAuthConfig, MCPExternalAuthConfigSpec, MCPExternalAuthConfigStatus,
    TokenExchange,
};
pub use group::{GroupCondition, GroupPhase, GroupReason, MCPGroup, MCPGroupSpec, MCPGroupStatus};
pub use oidc::{InlineOidc, MCPOIDCConfig, MCPOIDCConfigSpec, MCPOIDCConfigStatus, OidcType};
pub use references::{
    AuthConfigCondition, AuthConfigReason, CaBundleReference, ConfigMapKeyReference, ExternalAuthConfigReference,
    GroupReference, OidcConfigCondition, OidcConfigReason, SecretKeyReference,
};
pub use virtual_server::{
    BackendStatus, CircuitState, DiscoveredBackend, GatewayConfig, IncomingAuth, IncomingAuthType, OidcConfigReference,
    OutgoingAuth, OutgoingAuthSource, ServiceType, SessionAffinity, VirtualMCPServer, VirtualMCPServerSpec,
    VirtualMCPServerStatus, VirtualServerCondition, VirtualServerPhase, VirtualServerReason,
};

/// How a server speaks MCP.
pub use vmcp_config::Transport;

/// The API group of every kind.
pub const GROUP: &str = "toolhive.stacklok.dev";

/// The stored version, which the operator and the gateway use.
pub const VERSION: &str = "v1beta1";

/// The deprecated version.
pub const DEPRECATED_VERSION: &str = "v1alpha1";
