//! The workloads of a group, as its gateways see them.

use operator_api::{ExternalAuthConfigReference, GroupReference, MCPRemoteProxy, MCPServer, ServerTransport};
use vmcp_config::{StaticBackend, StaticBackendKind, Transport};

use crate::runtime::{Kind, ObjectKey, index::Referent, observed::Observed};

/// What gateways look at of an MCPServer or an MCPRemoteProxy. The rest of its status changes with each of its pods.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: Option<GroupReference>,
    /// How a gateway authenticates to it.
    pub auth_config: Option<ExternalAuthConfigReference>,
    /// What it is to a gateway; `None` for a server of the cluster.
    kind: Option<StaticBackendKind>,
    /// How its proxy speaks MCP.
    transport: Transport,
    /// Where its proxy serves, without the path of the transport; `None` while it has no Service.
    url: Option<String>,
}

impl From<&MCPRemoteProxy> for Workload {
    fn from(proxy: &MCPRemoteProxy) -> Self {
        Self {
            name: proxy.metadata.name.clone().unwrap_or_default(),
            group: proxy.spec.group_ref.clone(),
            auth_config: proxy.spec.external_auth_config_ref.clone(),
            kind: Some(StaticBackendKind::RemoteProxy),
            transport: proxy.spec.transport,
            url: proxy.status.as_ref().and_then(|status| status.url.clone()),
        }
    }
}

impl From<&MCPServer> for Workload {
    fn from(server: &MCPServer) -> Self {
        Self {
            name: server.metadata.name.clone().unwrap_or_default(),
            group: server.spec.group_ref.clone(),
            auth_config: server.spec.external_auth_config_ref.clone(),
            kind: None,
            transport: match server.spec.transport {
                ServerTransport::StreamableHttp => Transport::StreamableHttp,
                ServerTransport::Sse => Transport::Sse,
                ServerTransport::Stdio => server.spec.proxy_mode,
            },
            url: server.status.as_ref().and_then(|status| status.url.clone()),
        }
    }
}

impl Workload {
    /// The backend that it is, once it has a Service. Whether its pods are ready is seen when they are called: a gateway
    /// is not started anew for it.
    pub(super) fn backend(&self) -> Option<StaticBackend> {
        let path = match self.transport {
            Transport::StreamableHttp => "/mcp",
            Transport::Sse => "/sse",
        };
        Some(StaticBackend {
            name: self.name.clone(),
            url: format!("{}{path}", self.url.as_deref()?.trim_end_matches('/')),
            transport: self.transport,
            kind: self.kind,
            ca_bundle_path: None,
            allow_private_endpoint: None,
            headers: None,
            headers_from_env: None,
            metadata: None,
        })
    }
}

/// The workloads of `group`. Of several with one name the first is served, by its pods' discovery too.
pub(super) fn of(observed: &Observed, group: &ObjectKey) -> Vec<Workload> {
    let referent = Referent::Ours(Kind::Group);
    let servers = observed.servers.referring(referent, group).map(|server| Workload::from(&**server));
    let proxies = observed.remote_proxies.referring(referent, group).map(|proxy| Workload::from(&**proxy));
    servers.chain(proxies).collect()
}
