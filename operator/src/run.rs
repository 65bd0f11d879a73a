//! `operator run`: wires watches, worker and health endpoints together.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use kube::{Client, Config, client::ClientBuilder};
use tokio::{
    net::TcpListener,
    signal::unix,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::{
    api_calls::ObserveCalls,
    cli::{GatewayOptions, RunOptions},
    controllers::{Context, Settings},
    health::{Health, Tasks},
    lease::{Elector, Lost, Terms},
    logs,
    metrics::Metrics,
    migration,
    runtime::{
        observed::Shared,
        watches::{self, Scope},
        worker::{self, Work},
    },
    traces::Traces,
};

/// The Lease of the replica that works.
pub const LEASE: &str = "toolhive-operator-leader-election";

/// An operator that can start: it knows its cluster, and it listens for health checks.
pub struct Prepared {
    client: Client,
    metrics: Metrics,
    health_listener: TcpListener,
    metrics_listener: Option<TcpListener>,
    options: RunOptions,
    elector: Option<Elector>,
    traces: Option<Traces>,
}

/// Finds the cluster and listens for health checks; what fails here is for the administrator to correct.
pub async fn prepare(options: RunOptions) -> anyhow::Result<Prepared> {
    let traces = logs::init()?;
    let config = Config::infer().await.context("find a cluster: set KUBECONFIG, or run in a pod")?;
    let metrics = Metrics::default();
    let client = ClientBuilder::try_from(config).context("make a client for the cluster")?;
    let client = client.with_layer(&ObserveCalls(metrics.clone())).build();
    let elector = elector(&options, &client)?;
    let health_listener = listen(options.health_address, "health checks").await?;
    let metrics_listener = match options.metrics_address {
        Some(address) => Some(listen(address, "metrics").await?),
        None => None,
    };
    Ok(Prepared { client, metrics, health_listener, metrics_listener, options, elector, traces })
}

async fn listen(address: SocketAddr, what: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address} for {what}"))
}

/// Who stands for election for this replica; `None` when the options do not ask for one.
fn elector(options: &RunOptions, client: &Client) -> anyhow::Result<Option<Elector>> {
    if !options.leader_elect {
        return Ok(None);
    }
    let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    let namespace = given(&options.lease_namespace)
        .context("elect a leader: --leader-elect needs --lease-namespace, or POD_NAMESPACE in the environment")?;
    let identity = given(&options.pod_name)
        .context("elect a leader: --leader-elect needs --pod-name, or POD_NAME in the environment")?;
    Ok(Some(Elector::new(client.clone(), &namespace, LEASE, &identity, Terms::default())))
}

impl Prepared {
    /// Runs until the process is asked to end.
    pub async fn run(self) -> anyhow::Result<()> {
        let address = self.health_listener.local_addr()?;
        let stop = CancellationToken::new();
        // Before the program says that it is ready, so that no request to end comes too early.
        let mut terminate = unix::signal(unix::SignalKind::terminate())?;
        let scope = Scope::of(&self.options.watch_namespace);
        let operator =
            Operator::standby(self.client, &scope, &self.options.gateway, self.metrics.clone(), stop.clone());
        let mut servers = JoinSet::new();
        servers.spawn(axum::serve(self.health_listener, operator.health().router()).into_future());
        if let Some(listener) = self.metrics_listener {
            servers.spawn(axum::serve(listener, self.metrics.router()).into_future());
        }
        println!("ready http://{address}");
        let asked_to_end = stop.clone();
        let signals = tokio::spawn(async move {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("ending");
            asked_to_end.cancel();
        });
        let ended = operator.run(self.elector).await;
        signals.abort();
        // Whoever still holds a connection is not waited for.
        servers.abort_all();
        if let Some(traces) = self.traces {
            traces.end().await;
        }
        Ok(ended?)
    }
}

/// An operator, without the process around it: its caches are kept from the start, and it works while it leads.
pub struct Operator {
    health: Health,
    metrics: Metrics,
    stop: CancellationToken,
    context: Arc<Context>,
    /// Whether it may see the definitions of its kinds, which belong to no namespace.
    whole_cluster: bool,
    tasks: JoinSet<()>,
    worker: Option<JoinHandle<()>>,
}

impl Operator {
    /// Starts reconciling the cluster of `client`, until `stop` is cancelled.
    pub fn start(client: Client, scope: &Scope, gateway: &GatewayOptions, stop: CancellationToken) -> Self {
        let mut operator = Self::standby(client, scope, gateway, Metrics::default(), stop);
        operator.lead();
        operator
    }

    /// Starts watching the cluster of `client`, until `stop` is cancelled. It writes nothing.
    pub fn standby(
        client: Client,
        scope: &Scope,
        gateway: &GatewayOptions,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Self {
        let health = Health { shared: Shared::default(), work: Work::default(), tasks: Tasks::default() };
        let (shared, work) = (health.shared.clone(), health.work.clone());
        metrics.observe_queue(work.clone());
        let context = Context::new(client.clone(), shared, work, Settings::from(gateway), metrics.clone());
        let tasks = watches::start(client, scope, &health, metrics.clone(), stop.clone());
        let whole_cluster = *scope == Scope::Cluster;
        Self { health, metrics, stop, context: Arc::new(context), whole_cluster, tasks, worker: None }
    }

    /// What it is judged by.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Starts reconciling.
    fn lead(&mut self) {
        self.metrics.leads(true);
        if self.whole_cluster {
            self.tasks.spawn(migration::run(self.context.applier.client(), self.stop.clone()));
        }
        let alive = self.health.tasks.alive("the worker", self.stop.clone());
        let worker = worker::run(self.context.clone(), self.health.work.clone(), self.stop.clone());
        self.worker = Some(tokio::spawn(async move {
            let _alive = alive;
            worker.await;
        }));
    }

    /// Reconciles whenever `elector` makes this replica the leader, or at once without one; ends when `stop` is cancelled
    /// or, with an error, when this replica leads no more.
    pub async fn run(mut self, elector: Option<Elector>) -> Result<(), Lost> {
        let stop = self.stop.clone();
        let Some(mut elector) = elector else {
            self.lead();
            stop.cancelled().await;
            self.ended().await;
            return Ok(());
        };
        let reign = async {
            elector.acquire().await;
            tracing::info!("this replica leads");
            self.lead();
            elector.keep().await
        };
        if let Some(lost) = stop.run_until_cancelled(reign).await {
            self.metrics.leads(false);
            // What is under way is cut off: another replica may begin before it would end by itself.
            if let Some(worker) = self.worker.take() {
                worker.abort();
            }
            stop.cancel();
            self.ended().await;
            return Err(lost);
        }
        self.ended().await;
        elector.release().await;
        Ok(())
    }

    /// Whether every object is known, and none waits to be reconciled.
    pub fn is_idle(&self) -> bool {
        self.health.shared.read().synced() && self.health.work.is_idle()
    }

    /// Waits until everything has ended, after `stop` was cancelled.
    pub async fn ended(mut self) {
        while self.tasks.join_next().await.is_some() {}
        if let Some(worker) = self.worker {
            // A worker that panicked has ended too.
            drop(worker.await);
        }
    }
}
