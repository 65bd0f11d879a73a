//! The gateway as a whole: what a configuration and flags ask for, wired together, started and ended.

use crate::catalog::Catalog;
use crate::cli::Serve;
use crate::discovery::{self, Discovery, Surroundings};
use crate::egress::{Egress, HttpClient};
use crate::health::{Health, probe_all};
use crate::ingress::{GroupReport, Ingress, Patience, Report, Requests, SseEndpoint, StatelessEndpoint};
use crate::legacy::LegacyGateway;
use crate::modern::ModernGateway;
use crate::outgoing::TokenCache;
use crate::policy::Policy;
use crate::reload::{ConfigFile, GatewayReload, SetLogLevel, follow};
use crate::settings::Settings;
use crate::start::{self, Bound, Cluster, Server, Storage, http_client};
use crate::status::{Seen, StatusTarget, write_status};
use crate::workers::Workers;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vmcp_config::{Config, OutgoingAuthSource};

pub use crate::start::{StartError, workers};

/// News of backends that wait to be passed on.
const NEWS: usize = 64;

/// What a gateway is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configuration, checked.
    pub config: Config,
    /// The flags.
    pub serve: Serve,
}

/// A gateway that listens and does not answer yet.
pub struct Gateway {
    server: Server,
    catalog: Arc<Catalog>,
    clients: Arc<LegacyGateway>,
    modern: Arc<ModernGateway>,
    discovery: Discovery,
    egress: Egress,
    health: Health,
    remote_health_checks: bool,
    status: Option<(kube::Client, StatusTarget)>,
    config: Config,
    client: HttpClient,
    followed: Option<(ConfigFile<Config>, SetLogLevel)>,
}

impl Gateway {
    /// Checks the configuration and starts to listen.
    pub async fn bind(options: Options) -> Result<Self, StartError> {
        let cluster = Cluster::of(options.serve.serving.namespace.as_deref()).await?;
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
        let Options { config, serve } = options;
        let unsupported = config.unsupported();
        if !unsupported.is_empty() {
            return Err(StartError::Unsupported(unsupported));
        }
        if cluster.api().is_none() && is_discovered(&config) && config.backends.is_none() {
            return Err(StartError::NoNamespace);
        }
        let storage = Storage::of(config.session_storage.as_ref(), &serve.serving)?;
        let Serve { port, serving, remote_health_checks, name, .. } = serve;
        let client = http_client(&serving, &cluster)?;
        let policy = Policy::configured(config.incoming_auth.as_ref(), client.clone())?;
        let bound = Bound::at(&serving.host, port).await?;
        let Settings { unhealthy_threshold, circuits, .. } = Settings::of(&config);
        let health = Health::new(unhealthy_threshold).with_circuits(circuits);
        let egress = Egress::new(client.clone(), TokenCache::new(serving.token_cache_max))
            .with_gate(health.clone())
            .with_token_circuits(circuits)
            .with_lane_width(serving.backend_cap);
        let background = CancellationToken::new();
        let surroundings = Surroundings {
            members: cluster.api().filter(|_| is_discovered(&config)),
            // Only the operator names the object that a gateway belongs to.
            operated: name.is_some(),
        };
        let discovery = discovery::start(&config, policy, surroundings, background.clone())?;
        let discovered = discovery.snapshots();
        let catalog = Arc::new(Catalog::new(discovered.clone(), egress.clone(), health.clone()));
        let clients = Arc::new(LegacyGateway::new(config.name.clone(), Arc::clone(&catalog)));
        let modern = Arc::new(ModernGateway::new(
            &config.name,
            Arc::clone(&catalog),
            storage.sealer,
            start::session_limits(&serving),
        ));
        let ingress = Arc::new(Ingress {
            origins: bound.origins(&serving),
            sessions: storage.sessions,
            upstream: Arc::<LegacyGateway>::clone(&clients),
            stateless: StatelessEndpoint {
                gateway: Arc::<ModernGateway>::clone(&modern),
                requests: Requests::new(serving.session_cap),
            },
            http_sse: Some(SseEndpoint::default()),
            report: Report {
                mode: if cluster.api().is_some() && is_discovered(&config) { "dynamic" } else { "static" },
                discovered,
                group: Some(GroupReport { health: health.clone() }),
            },
            patience: Patience::default(),
            stop: CancellationToken::new(),
        });
        let status = cluster.status(name.as_deref());
        let server = bound.server(ingress, background);
        if let Some(heard) = storage.heard {
            server.hear(heard);
        }
        Ok(Self {
            server,
            catalog,
            clients,
            modern,
            discovery,
            egress,
            health,
            remote_health_checks,
            status,
            config,
            client,
            followed: None,
        })
    }

    /// The same, which takes in changes of the `file` that its configuration was read from, while it serves. `set_log_level`
    /// sets how much is logged.
    #[must_use]
    pub fn following(mut self, file: ConfigFile<Config>, set_log_level: SetLogLevel) -> Self {
        self.followed = Some((file, set_log_level));
        self
    }

    /// The same, whose clients are served by these threads.
    #[must_use]
    pub fn on(mut self, workers: Workers) -> Self {
        self.server.set_workers(workers);
        self
    }

    /// Where the gateway listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Serves until `stop`, then lets the calls that are under way finish, and ends what it has opened.
    pub async fn serve(self, stop: CancellationToken) {
        let Self { server, catalog, clients, modern, discovery, egress, health, config, .. } = self;
        let end = server.background();
        let discovered = discovery.snapshots();
        if let Some((client, target)) = self.status {
            let seen = Seen {
                snapshots: discovered.clone(),
                observations: health.subscribe(),
                counts: catalog.counts(),
                workflows: config.composite_tools.as_ref().map_or(0, Vec::len),
            };
            server.spawn(write_status(client, target, seen, end.clone()));
        }
        let (news, heard) = mpsc::channel(NEWS);
        server.spawn(probe_all(discovered, egress, health, self.remote_health_checks, news, end));
        if let Some((file, set_log_level)) = self.followed {
            let reload = GatewayReload { started: config, discovery, client: self.client, set_log_level };
            server.spawn_until_end(follow(file, reload));
        }
        let follower = Arc::clone(&catalog);
        server.spawn_until_end(async move { follower.follow(heard).await });
        server.spawn_until_end(async move {
            loop {
                let changed = catalog.next_changes().await;
                clients.announce(&changed);
                modern.announce(&changed);
            }
        });
        server.serve(stop).await;
    }
}

fn is_discovered(config: &Config) -> bool {
    config.outgoing_auth.as_ref().is_some_and(|auth| auth.source == OutgoingAuthSource::Discovered)
}
