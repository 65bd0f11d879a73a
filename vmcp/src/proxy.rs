//! The proxy as a whole (`vmcp proxy`): the gateway's own parts in front of one backend, whose messages pass through.

use crate::cli::Proxy as Flags;
use crate::discovery;
use crate::egress::Egress;
use crate::ingress::{Ingress, Patience, Report, Requests, SseEndpoint, StatelessEndpoint};
use crate::outgoing::TokenCache;
use crate::policy::Policy;
use crate::relay::Relay;
use crate::reload::{ConfigFile, ProxyReload, follow};
use crate::seal::Sealer;
use crate::selection::ToolSelection;
use crate::start::{self, Bound, Cluster, Server, StartError, http_client};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use vmcp_config::Transport;
use vmcp_config::proxy::{ProxyConfig, ProxyIncomingKind};

/// What a proxy is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration, checked.
    pub config: ProxyConfig,
    /// The flags.
    pub flags: Flags,
}

/// A proxy that listens and does not answer yet.
pub struct Proxy {
    server: Server,
    relay: Arc<Relay>,
    config: ProxyConfig,
    followed: Option<ConfigFile<ProxyConfig>>,
}

impl Proxy {
    /// Checks the configuration and starts to listen.
    pub async fn bind(options: Options) -> Result<Self, StartError> {
        let cluster = Cluster::of(options.flags.serving.namespace.as_deref()).await?;
        Self::bind_in(options, cluster).await
    }

    /// The same with this Kubernetes API, and this namespace of it, in place of those around the process.
    pub async fn bind_with(
        options: Options,
        client: kube::Client,
        namespace: impl Into<String>,
    ) -> Result<Self, StartError> {
        Self::bind_in(options, Cluster::with(client, namespace.into())).await
    }

    async fn bind_in(options: Options, cluster: Cluster) -> Result<Self, StartError> {
        let Options { config, flags: Flags { port, serving, .. } } = options;
        let unsupported = config.unsupported();
        if !unsupported.is_empty() {
            return Err(StartError::Unsupported(unsupported));
        }
        if cluster.api().is_none() && !config.secrets().is_empty() {
            return Err(StartError::NoSecrets);
        }
        let client = http_client(&serving, &cluster)?;
        let policy = match (config.incoming.kind, &config.incoming.oidc) {
            (ProxyIncomingKind::Oidc, Some(oidc)) => Policy::oidc(oidc, client.clone())?,
            (ProxyIncomingKind::Oidc, None) => return Err(crate::policy::PolicyError::MissingOidc.into()),
            (ProxyIncomingKind::Anonymous, _) => Policy::Anonymous,
        };
        let bound = Bound::at(&serving.host, port).await?;
        let egress = Egress::new(client, TokenCache::new(serving.token_cache_max)).with_lane_width(serving.backend_cap);
        let background = CancellationToken::new();
        let discovered = discovery::start_proxy(&config, cluster.api(), background.clone())?;
        let (tools, sealer) = (ToolSelection::of_proxy(&config), Arc::new(Sealer::random()?));
        let limits = start::session_limits(&serving);
        let relay = Arc::new(Relay::new(config.name.clone(), discovered.clone(), egress, tools, sealer, limits));
        let sse =
            SseEndpoint { prefix: config.endpoint_prefix.clone(), trust_proxy_headers: config.trust_proxy_headers };
        let ingress = Arc::new(Ingress {
            origins: bound.origins(&serving, &policy),
            policy,
            sessions: start::sessions(&serving),
            upstream: Arc::<Relay>::clone(&relay),
            stateless: StatelessEndpoint {
                gateway: Arc::<Relay>::clone(&relay),
                requests: Requests::new(serving.session_cap),
            },
            http_sse: Some(sse).filter(|_| config.transport == Transport::Sse),
            report: Report { mode: "proxy", discovered, group: None },
            patience: Patience::default(),
            stop: CancellationToken::new(),
        });
        Ok(Self { server: bound.server(ingress, background), relay, config, followed: None })
    }

    /// The same, which takes in changes of the `file` that its configuration was read from, while it serves.
    #[must_use]
    pub fn following(mut self, file: ConfigFile<ProxyConfig>) -> Self {
        self.followed = Some(file);
        self
    }

    /// Where the proxy listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Serves until `stop`, then lets the calls that are under way finish, and ends what it has opened.
    pub async fn serve(self, stop: CancellationToken) {
        let Self { server, relay, config, followed } = self;
        if let Some(file) = followed {
            server.spawn_until_end(follow(file, ProxyReload { started: config, relay: Arc::clone(&relay) }));
        }
        server.spawn_until_end(async move { relay.follow().await });
        server.serve(stop).await;
    }
}
