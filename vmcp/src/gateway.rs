//! The gateway as a whole: what a configuration and flags ask for, wired together, started and ended.

use crate::catalog::{Catalog, CatalogOptions, Naming};
use crate::circuit::CircuitSettings;
use crate::cli::Serve;
use crate::discovery::{self, Snapshot, Surroundings};
use crate::egress::Egress;
use crate::health::{Health, ProbeSchedule, probe_all};
use crate::ingress::{GroupReport, Ingress, Patience, Report, Requests, SseEndpoint, StatelessEndpoint};
use crate::legacy::LegacyGateway;
use crate::modern::ModernGateway;
use crate::outgoing::{Passthrough, TokenCache};
use crate::policy::Policy;
use crate::start::{self, Bound, Cluster, Server, Storage, http_client};
use crate::status::{Seen, StatusTarget, write_status};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use vmcp_config::{Config, FailureHandling, OutgoingAuthSource, PartialFailureMode};

pub use crate::start::StartError;

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
    discovered: watch::Receiver<Snapshot>,
    egress: Egress,
    health: Health,
    schedule: ProbeSchedule,
    status: Option<(kube::Client, StatusTarget)>,
    workflows: usize,
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
        let storage = Storage::of(config.session_storage.as_ref(), &serve)?;
        let Serve { port, serving, remote_health_checks, name, .. } = serve;
        let client = http_client(&serving, &cluster)?;
        let policy = Policy::configured(config.incoming_auth.as_ref(), client.clone())?;
        let bound = Bound::at(&serving.host, port).await?;
        let failures = failure_handling(&config);
        let circuits = circuits(&failures);
        let health = Health::new(count(failures.unhealthy_threshold)).with_circuits(circuits);
        let egress = Egress::new(client, TokenCache::new(serving.token_cache_max))
            .with_gate(health.clone())
            .with_token_circuits(circuits)
            .with_lane_width(serving.backend_cap);
        let background = CancellationToken::new();
        let surroundings = Surroundings {
            members: cluster.api().filter(|_| is_discovered(&config)),
            // Only the operator names the object that a gateway belongs to.
            operated: name.is_some(),
        };
        let discovered = discovery::start(&config, surroundings, background.clone())?;
        let catalog =
            Arc::new(Catalog::new(catalog_options(&config), discovered.clone(), egress.clone(), health.clone()));
        let clients = Arc::new(LegacyGateway::new(config.name.clone(), Arc::clone(&catalog)));
        let modern = Arc::new(ModernGateway::new(
            &config.name,
            Arc::clone(&catalog),
            storage.sealer,
            start::session_limits(&serving),
        ));
        let ingress = Arc::new(Ingress {
            origins: bound.origins(&serving, &policy),
            policy,
            passthrough: Passthrough::of(config.passthrough_headers.as_deref().unwrap_or_default()),
            sessions: storage.sessions,
            upstream: Arc::<LegacyGateway>::clone(&clients),
            stateless: Some(StatelessEndpoint {
                gateway: Arc::<ModernGateway>::clone(&modern),
                requests: Requests::new(serving.session_cap),
            }),
            http_sse: Some(SseEndpoint::default()),
            report: Report {
                mode: if cluster.api().is_some() && is_discovered(&config) { "dynamic" } else { "static" },
                discovered: discovered.clone(),
                group: Some(GroupReport { name: config.group_ref.clone(), health: health.clone() }),
            },
            patience: Patience::default(),
            stop: CancellationToken::new(),
        });
        let schedule = ProbeSchedule {
            interval: failures.health_check_interval.as_std(),
            timeout: failures.health_check_timeout.as_std(),
            remote_proxies: remote_health_checks,
        };
        let status = cluster.status(name.as_deref(), failures.status_reporting_interval.as_std());
        let server = bound.server(ingress, background);
        if let Some(heard) = storage.heard {
            server.hear(heard);
        }
        let workflows = config.composite_tools.map_or(0, |workflows| workflows.len());
        Ok(Self { server, catalog, clients, modern, discovered, egress, health, schedule, status, workflows })
    }

    /// Where the gateway listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Serves until `stop`, then lets the calls that are under way finish, and ends what it has opened.
    pub async fn serve(self, stop: CancellationToken) {
        let Self { server, catalog, clients, modern, discovered, egress, health, schedule, status, workflows } = self;
        let end = server.background();
        if let Some((client, target)) = status {
            let seen = Seen {
                snapshots: discovered.clone(),
                observations: health.subscribe(),
                counts: catalog.counts(),
                workflows,
            };
            server.spawn(write_status(client, target, seen, end.clone()));
        }
        let (news, heard) = mpsc::channel(NEWS);
        server.spawn(probe_all(discovered, egress, health, schedule, news, end));
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

fn failure_handling(config: &Config) -> FailureHandling {
    config.operational.as_ref().and_then(|operational| operational.failure_handling.clone()).unwrap_or_else(|| {
        // Who does not say how failures are handled wants the tools of the backends that work.
        FailureHandling { partial_failure_mode: PartialFailureMode::BestEffort, ..FailureHandling::default() }
    })
}

/// The circuit breaker is off unless it is enabled.
fn circuits(failures: &FailureHandling) -> Option<CircuitSettings> {
    let breaker = failures.circuit_breaker.as_ref().filter(|breaker| breaker.enabled)?;
    Some(CircuitSettings { threshold: count(breaker.failure_threshold), timeout: breaker.timeout.as_std() })
}

/// A number that was checked to be positive.
fn count(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn catalog_options(config: &Config) -> CatalogOptions {
    let aggregation = config.aggregation.clone().unwrap_or_default();
    CatalogOptions {
        naming: Naming::of(aggregation),
        timeouts: config.operational.as_ref().and_then(|operational| operational.timeouts.clone()).unwrap_or_default(),
        partial_failure: failure_handling(config).partial_failure_mode,
    }
}
