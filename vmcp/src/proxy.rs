//! The proxy as a whole (`vmcp proxy`): the gateway's own parts in front of one backend, whose messages pass through.

use crate::cli::Proxy as Flags;
use crate::discovery::{self, ProxyDiscovery};
use crate::egress::{Egress, HttpClient};
use crate::ingress::{Ingress, Patience, Report, Requests, SseEndpoint, StatelessEndpoint};
use crate::outgoing::TokenCache;
use crate::policy::Policy;
use crate::relay::Relay;
use crate::reload::{ConfigFile, ProxyReload, follow};
use crate::start::{self, Bound, Cluster, Server, StartError, Storage, http_client};
use crate::workers::Workers;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use vmcp_config::Transport;
use vmcp_config::proxy::ProxyConfig;

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
    discovery: ProxyDiscovery,
    client: HttpClient,
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
        let storage = Storage::of(config.session_storage.as_ref(), &serving)?;
        let client = http_client(&serving, &cluster)?;
        let policy = Policy::of_proxy(&config.incoming, client.clone())?;
        let bound = Bound::at(&serving.host, port).await?;
        let tokens = TokenCache::new(serving.token_cache_max);
        let egress = Egress::new(client.clone(), tokens).with_lane_width(serving.backend_cap);
        let background = CancellationToken::new();
        let discovery = discovery::start_proxy(&config, policy, cluster.api(), background.clone())?;
        let discovered = discovery.snapshots();
        let limits = start::session_limits(&serving);
        let relay = Arc::new(Relay::new(config.name.clone(), discovered.clone(), egress, storage.sealer, limits));
        let sse =
            SseEndpoint { prefix: config.endpoint_prefix.clone(), trust_proxy_headers: config.trust_proxy_headers };
        let ingress = Arc::new(Ingress {
            origins: bound.origins(&serving),
            sessions: storage.sessions,
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
        let server = bound.server(ingress, background);
        if let Some(heard) = storage.heard {
            server.hear(heard);
        }
        Ok(Self { server, relay, discovery, client, config, followed: None })
    }

    /// The same, which takes in changes of the `file` that its configuration was read from, while it serves.
    #[must_use]
    pub fn following(mut self, file: ConfigFile<ProxyConfig>) -> Self {
        self.followed = Some(file);
        self
    }

    /// The same, whose clients are served by these threads.
    #[must_use]
    pub fn on(mut self, workers: Workers) -> Self {
        self.server.set_workers(workers);
        self
    }

    /// Where the proxy listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Serves until `stop`, then lets the calls that are under way finish, and ends what it has opened.
    pub async fn serve(self, stop: CancellationToken) {
        let Self { server, relay, discovery, client, config, followed } = self;
        if let Some(file) = followed {
            server.spawn_until_end(follow(file, ProxyReload { started: config, discovery, client }));
        }
        server.spawn_until_end(async move { relay.follow().await });
        server.serve(stop).await;
    }
}
