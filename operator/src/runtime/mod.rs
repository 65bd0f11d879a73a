//! What every controller stands on: caches of the cluster, the queue of objects to reconcile, and the one writer.

pub mod apply;
pub mod cache;
pub mod conditions;
pub mod contents;
pub mod events;
pub mod index;
mod managed;
pub mod observed;
pub mod queue;
pub mod references;
pub mod referrers;
pub mod watches;
pub mod worker;

use std::fmt;

/// The namespace and the name of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// The object `name` in `namespace`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of `object`; an object that has no namespace or name yet has an empty one.
    pub fn of(object: &impl kube::Resource) -> Self {
        let metadata = object.meta();
        Self::new(metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
    }

    /// The object `name` in the same namespace.
    #[must_use]
    pub fn sibling(&self, name: impl Into<String>) -> Self {
        Self::new(self.namespace.clone(), name)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The kinds that have a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// MCPGroup.
    Group,
    /// MCPExternalAuthConfig.
    ExternalAuth,
    /// MCPOIDCConfig.
    Oidc,
    /// MCPToolConfig.
    ToolConfig,
    /// MCPTelemetryConfig.
    TelemetryConfig,
    /// MCPAuthzConfig.
    AuthzConfig,
    /// VirtualMCPCompositeToolDefinition.
    CompositeTool,
    /// MCPServerEntry.
    Entry,
    /// MCPRemoteProxy.
    RemoteProxy,
    /// MCPServer.
    Server,
    /// VirtualMCPServer.
    VirtualServer,
}

impl Kind {
    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Group => "MCPGroup",
            Self::ExternalAuth => "MCPExternalAuthConfig",
            Self::Oidc => "MCPOIDCConfig",
            Self::ToolConfig => "MCPToolConfig",
            Self::TelemetryConfig => "MCPTelemetryConfig",
            Self::AuthzConfig => "MCPAuthzConfig",
            Self::CompositeTool => "VirtualMCPCompositeToolDefinition",
            Self::Entry => "MCPServerEntry",
            Self::RemoteProxy => "MCPRemoteProxy",
            Self::Server => "MCPServer",
            Self::VirtualServer => "VirtualMCPServer",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An object to reconcile. Ordered so that what others refer to comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub key: ObjectKey,
}

impl Target {
    /// The object `key` of the kind `kind`.
    pub fn new(kind: Kind, key: ObjectKey) -> Self {
        Self { kind, key }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}
