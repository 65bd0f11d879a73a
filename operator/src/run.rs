//! `operator run`: wires watches, worker and health endpoints together.

use std::sync::Arc;

use anyhow::Context as _;
use kube::{Client, Config};
use tokio::{net::TcpListener, signal::unix};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::{
    cli::{GatewayOptions, RunOptions},
    controllers::{Context, Settings},
    health,
    runtime::{
        observed::Shared,
        watches::{self, Scope},
        worker::{self, Work},
    },
};

/// An operator that can start: it knows its cluster, and it listens for health checks.
pub struct Prepared {
    client: Client,
    listener: TcpListener,
    options: RunOptions,
}

/// Finds the cluster and listens for health checks; what fails here is for the administrator to correct.
pub async fn prepare(options: RunOptions) -> anyhow::Result<Prepared> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_writer(std::io::stderr).init();
    let config = Config::infer().await.context("find a cluster: set KUBECONFIG, or run in a pod")?;
    let client = Client::try_from(config).context("make a client for the cluster")?;
    let listener = TcpListener::bind(options.health_address)
        .await
        .with_context(|| format!("listen on {} for health checks", options.health_address))?;
    Ok(Prepared { client, listener, options })
}

impl Prepared {
    /// Runs until the process is asked to end.
    pub async fn run(self) -> anyhow::Result<()> {
        let address = self.listener.local_addr()?;
        let stop = CancellationToken::new();
        // Before the program says that it is ready, so that no request to end comes too early.
        let mut terminate = unix::signal(unix::SignalKind::terminate())?;
        let operator = Operator::start(self.client, scope(&self.options), &self.options.gateway, stop.clone());
        let server = axum::serve(self.listener, health::router(operator.shared.clone()));
        let server = tokio::spawn(server.into_future());
        println!("ready http://{address}");
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("ending");
        stop.cancel();
        operator.ended().await;
        // Whoever still holds a connection to the health checks is not waited for.
        server.abort();
        Ok(())
    }
}

fn scope(options: &RunOptions) -> Scope {
    match options.watch_namespace.clone().filter(|namespace| !namespace.is_empty()) {
        Some(namespace) => Scope::Namespace(namespace),
        None => Scope::Cluster,
    }
}

/// A running operator, without the process around it.
pub struct Operator {
    shared: Shared,
    work: Work,
    watches: tokio::task::JoinSet<()>,
    worker: tokio::task::JoinHandle<()>,
}

impl Operator {
    /// Starts reconciling the cluster of `client`, until `stop` is cancelled.
    pub fn start(client: Client, scope: Scope, gateway: &GatewayOptions, stop: CancellationToken) -> Self {
        let shared = Shared::default();
        let work = Work::default();
        let context = Arc::new(Context::new(client.clone(), shared.clone(), work.clone(), Settings::from(gateway)));
        let watches = watches::start(client, scope, shared.clone(), work.clone(), stop.clone());
        let worker = tokio::spawn(worker::run(context, work.clone(), stop));
        Self { shared, work, watches, worker }
    }

    /// Whether every object is known, and none waits to be reconciled.
    pub fn is_idle(&self) -> bool {
        self.shared.read().synced() && self.work.is_idle()
    }

    /// Waits until everything has ended, after `stop` was cancelled.
    pub async fn ended(mut self) {
        while self.watches.join_next().await.is_some() {}
        // A worker that panicked has ended too.
        drop(self.worker.await);
    }
}
