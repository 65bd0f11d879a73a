//! The gateway as a whole: what a configuration and flags ask for, wired together, started and ended.

mod cluster;

use crate::catalog::{Catalog, CatalogOptions, Naming};
use crate::cli::Serve;
use crate::discovery::{self, DiscoveryError, Snapshot};
use crate::egress::guard::{AllowList, Guard};
use crate::egress::{ConnectMap, DnsResolver, Egress, HttpClient, HttpOptions, ResolverSetupError};
use crate::health::{Health, ProbeSchedule, probe_all};
use crate::ingress::{Ingress, OriginRules, Patience, Report, SessionLimits, Sessions};
use crate::outgoing::TokenCache;
use crate::policy::{Policy, PolicyError};
use crate::status::{StatusTarget, write_status};
use cluster::Cluster;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vmcp_config::{Config, FailureHandling, OutgoingAuthSource, PartialFailureMode};

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

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration asks for what is not served.
    #[error("the configuration cannot be served: {}", .0.join("; "))]
    Unsupported(Vec<String>),
    /// The incoming authentication cannot be served.
    #[error("the configuration cannot be served")]
    Policy(#[from] PolicyError),
    /// Backends or their authentication cannot be served.
    #[error("the configuration cannot be served")]
    Discovery(#[from] DiscoveryError),
    /// There is nothing to discover backends in.
    #[error(
        "outgoingAuth.source is discovered, which needs Kubernetes: run in a pod of the operator, or list backends in \
         the configuration"
    )]
    NoNamespace,
    /// The Kubernetes API cannot be used.
    #[error("failed to find the Kubernetes API")]
    Kubernetes(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Names cannot be resolved.
    #[error(transparent)]
    Resolver(#[from] ResolverSetupError),
    /// The address is not free or not ours.
    #[error("failed to listen on {host}:{port}")]
    Listen {
        /// The host as given.
        host: String,
        /// The port as given.
        port: u16,
        /// Why not.
        source: std::io::Error,
    },
}

impl StartError {
    /// Whether flags or configuration are to blame.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Unsupported(_) | Self::Policy(_) | Self::Discovery(_) | Self::NoNamespace)
    }
}

/// A gateway that listens and does not answer yet.
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    ingress: Arc<Ingress>,
    discovered: watch::Receiver<Snapshot>,
    egress: Egress,
    schedule: ProbeSchedule,
    status: Option<(kube::Client, StatusTarget)>,
    background: CancellationToken,
}

impl Gateway {
    /// Checks the configuration and starts to listen.
    pub async fn bind(options: Options) -> Result<Self, StartError> {
        let Options { config, serve } = options;
        let unsupported = config.unsupported();
        if !unsupported.is_empty() {
            return Err(StartError::Unsupported(unsupported));
        }
        if serve.namespace.is_none() && is_discovered(&config) && config.backends.is_none() {
            return Err(StartError::NoNamespace);
        }
        let cluster = Cluster::of(&serve).await?;
        let client = http_client(&serve, &cluster)?;
        let policy = Policy::configured(config.incoming_auth.as_ref(), client.clone())?;
        let listen = |source| StartError::Listen { host: serve.host.clone(), port: serve.port, source };
        let listener = TcpListener::bind((serve.host.as_str(), serve.port)).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let failures = failure_handling(&config);
        let health = Health::new(u32::try_from(failures.unhealthy_threshold).unwrap_or(u32::MAX));
        let egress = Egress::new(client, TokenCache::new(serve.token_cache_max));
        let background = CancellationToken::new();
        let discovered = discovery::start(&config, cluster.members(&config), background.clone())?;
        let catalog = Catalog::new(catalog_options(&config), discovered.clone(), egress.clone(), health.clone());
        let own = policy.resource().and_then(|resource| resource.identifier().cloned());
        let ingress = Arc::new(Ingress {
            name: config.name.clone(),
            policy,
            origins: OriginRules::new(address, serve.allow_origin.iter().cloned().chain(own)),
            sessions: Sessions::new(SessionLimits { ttl: serve.session_ttl, cap: serve.session_cap }),
            catalog: Arc::new(catalog),
            report: Report {
                group: config.group_ref.clone(),
                dynamic: serve.namespace.is_some(),
                discovered: discovered.clone(),
                health: health.clone(),
            },
            patience: Patience::default(),
            stop: CancellationToken::new(),
        });
        let schedule = ProbeSchedule {
            interval: failures.health_check_interval.as_std(),
            timeout: failures.health_check_timeout.as_std(),
        };
        let status = cluster.status(failures.status_reporting_interval.as_std());
        Ok(Self { listener, address, ingress, discovered, egress, schedule, status, background })
    }

    /// Where the gateway listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets the calls that are under way finish, and ends what it has opened.
    pub async fn serve(self, stop: CancellationToken) {
        let Self { listener, ingress, discovered, egress, schedule, status, background, .. } = self;
        let tasks = TaskTracker::new();
        let health = ingress.report.health.clone();
        if let Some((client, target)) = status {
            tasks.spawn(write_status(client, target, discovered.clone(), health.subscribe(), background.clone()));
        }
        let (changed_lists, changed) = mpsc::channel(NEWS);
        tasks.spawn(probe_all(discovered, egress, health, schedule, changed_lists, background.clone()));
        spawn_until(&tasks, &background, {
            let ingress = Arc::clone(&ingress);
            async move { ingress.catalog.follow(changed).await }
        });
        spawn_until(&tasks, &background, {
            let ingress = Arc::clone(&ingress);
            async move { ingress.announce_changes().await }
        });
        spawn_until(&tasks, &background, {
            let ingress = Arc::clone(&ingress);
            async move { ingress.sessions.reap().await }
        });
        let streams = ingress.stop.clone();
        let end_streams = stop.clone();
        tasks.spawn(async move {
            end_streams.cancelled().await;
            streams.cancel();
        });
        crate::ingress::serve(listener, ingress.router(), stop).await;
        ingress.sessions.end_all().await;
        background.cancel();
        tasks.close();
        tasks.wait().await;
    }
}

/// Runs work that ends by itself or with `stop`.
fn spawn_until(tasks: &TaskTracker, stop: &CancellationToken, work: impl Future<Output = ()> + Send + 'static) {
    let stop = stop.clone();
    tasks.spawn(async move { stop.run_until_cancelled(work).await });
}

fn guard(serve: &Serve, cluster: &Cluster) -> Guard {
    Guard {
        allow: serve.egress_allow.iter().copied().collect::<AllowList>(),
        api_servers: cluster.api_servers(),
        in_pod: cluster.is_around(),
        strict: serve.egress_strict,
    }
}

fn http_client(serve: &Serve, cluster: &Cluster) -> Result<HttpClient, StartError> {
    let guard = guard(serve, cluster);
    let mut options = match serve.dns_server {
        Some(server) => HttpOptions::with_resolver(guard, Arc::new(DnsResolver::with_server(server)?)),
        None => HttpOptions::new(guard)?,
    };
    for mapping in &serve.connect_to {
        tracing::info!(%mapping, "connections to this host are dialled elsewhere");
    }
    options.connect_to = serve.connect_to.iter().cloned().collect::<ConnectMap>();
    Ok(HttpClient::new(options))
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

fn catalog_options(config: &Config) -> CatalogOptions {
    let aggregation = config.aggregation.clone().unwrap_or_default();
    CatalogOptions {
        naming: Naming::prefix(aggregation.prefix_format()),
        timeouts: config.operational.as_ref().and_then(|operational| operational.timeouts.clone()).unwrap_or_default(),
        partial_failure: failure_handling(config).partial_failure_mode,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::egress::guard::EgressClass;
    use clap::Parser;

    #[tokio::test]
    async fn under_egress_strict_token_endpoints_and_collectors_are_public_or_allowed() {
        const STRICT: &str = "--egress-strict";
        for (flags, class, allowed) in [
            (vec![], EgressClass::Token, true),
            (vec![], EgressClass::Otlp, true),
            (vec![STRICT], EgressClass::Token, false),
            (vec![STRICT], EgressClass::Otlp, false),
            (vec![STRICT], EgressClass::Workload, true),
            (vec![STRICT, "--egress-allow=token=10.0.0.0/8"], EgressClass::Token, true),
            (vec![STRICT, "--egress-allow=token=10.0.0.0/8"], EgressClass::Otlp, false),
        ] {
            let arguments = ["vmcp", "serve", "--config", "f"].into_iter().chain(flags.iter().copied());
            let Command::Serve(serve) = Cli::try_parse_from(arguments).unwrap().command else { panic!("not serve") };
            let cluster = Cluster::of(&serve).await.unwrap();
            let judged = guard(&serve, &cluster).judge_address("10.1.2.3".parse().unwrap(), class.into());
            assert_eq!(judged.is_ok(), allowed, "{flags:?} {class}");
        }
    }
}
