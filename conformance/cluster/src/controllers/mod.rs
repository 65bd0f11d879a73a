//! The controllers of a cluster, each written against [`kube::Client`] as real ones are: they know of the API server only
//! what it answers.

mod deployments;
mod endpoints;
pub(crate) mod events;
mod garbage_collection;
mod namespaces;
mod objects;
mod pods;
mod replica_sets;
mod runtime;
mod service_accounts;

use std::sync::Arc;

use kube::Client;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use self::endpoints::SERVICE_NAME;
use self::objects::Objects;
use self::runtime::Context;

/// What the controllers need beside the API.
#[derive(Clone, Debug, Default)]
pub struct ControllerOptions {
    /// The certificate authority of the API server as PEM, for the `ConfigMap` `kube-root-ca.crt` of each namespace.
    pub root_ca: Option<String>,
}

/// The running controllers.
#[derive(Debug)]
pub struct Controllers {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Controllers {
    /// Starts them all, the scheduler too. Without a node, pods stay unscheduled.
    pub fn start(client: &Client, options: ControllerOptions) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let mut context = |component: &str| {
            let (recorder, writing) = events::recorder(client.clone(), component, None);
            tasks.spawn(writing);
            Arc::new(Context::new(client.clone(), recorder))
        };
        let deployments = context("deployment-controller");
        let replica_sets = context("replicaset-controller");
        let endpoints = context("endpoint-slice-controller");
        let service_accounts = context("service-account-controller");
        let scheduler = context("default-scheduler");
        let garbage_collector = context("garbage-collector-controller");
        let namespaces = context("namespace-controller");
        let objects = Objects::new(client.clone());
        tasks.spawn(garbage_collection::run(garbage_collector, objects.clone(), stop.clone()));
        tasks.spawn(namespaces::run(namespaces, objects.clone(), stop.clone()));
        tasks.spawn(objects.run(stop.clone()));
        tasks.spawn(service_accounts::run(service_accounts, options.root_ca, stop.clone()));
        tasks.spawn(deployments::run(deployments, stop.clone()));
        tasks.spawn(replica_sets::run(replica_sets, stop.clone()));
        tasks.spawn(endpoints::run(endpoints, stop.clone()));
        tasks.spawn(crate::node::scheduler::run(client.clone(), scheduler.recorder.clone(), stop.clone()));
        drop(scheduler);
        Self { stop, tasks }
    }

    /// Stops them and waits until they have ended.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}
