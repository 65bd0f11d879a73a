//! The controllers of a cluster, each written against [`kube::Client`] as real ones are: they know of the API server only
//! what it answers.

mod amounts;
mod claims;
mod deployments;
mod disruption;
mod endpoints;
pub(crate) mod events;
mod garbage_collection;
mod hashes;
mod jobs;
mod namespaces;
mod objects;
mod pauses;
mod pod_control;
mod pods;
mod replica_sets;
mod runtime;
mod service_accounts;
mod stateful_sets;
mod unserved;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use self::endpoints::SERVICE_NAME;
use self::objects::Objects;
pub use self::pauses::{Pauses, UnknownController};
use self::runtime::Context;
use crate::api::{Clock, TokioClock};

/// How long controllers that are told to stop may finish what they are doing.
const END_WITHIN: Duration = Duration::from_secs(2);

/// What the controllers need beside the API.
#[derive(Clone, Debug)]
pub struct ControllerOptions {
    /// The certificate authority of the API server as PEM, for the `ConfigMap` `kube-root-ca.crt` of each namespace.
    pub root_ca: Option<String>,
    /// The delay before a Job makes a new pod after a first failure; it doubles with each failure in a row, up to sixty
    /// times this. A real controller waits 10 s.
    pub job_back_off: Duration,
    /// The time by which deadlines, back-offs and conditions go: the API server's.
    pub clock: Arc<dyn Clock>,
}

impl Default for ControllerOptions {
    fn default() -> Self {
        Self { root_ca: None, job_back_off: Duration::from_secs(10), clock: Arc::new(TokioClock::default()) }
    }
}

/// The running controllers.
#[derive(Debug)]
pub struct Controllers {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    pauses: Pauses,
    clock: Arc<dyn Clock>,
}

impl Controllers {
    /// Starts them all, the scheduler too. Without a node, pods stay unscheduled.
    pub fn start(client: &Client, options: ControllerOptions) -> Self {
        let stop = CancellationToken::new();
        let objects = Objects::new(client.clone());
        let clock = options.clock.clone();
        let mut started = Self { stop: stop.clone(), tasks: JoinSet::new(), pauses: Pauses::default(), clock };
        started.tasks.spawn(objects.clone().run(stop.clone()));
        // The name to pause it by, the component of its events, what it does.
        started.controller(client, "garbage-collector-controller", "garbage-collector-controller", |context| {
            garbage_collection::run(context, objects.clone(), stop.clone())
        });
        started.controller(client, "namespace-controller", "namespace-controller", |context| {
            namespaces::run(context, objects.clone(), stop.clone())
        });
        started.controller(client, "serviceaccount-controller", "service-account-controller", |context| {
            service_accounts::run(context, options.root_ca, stop.clone())
        });
        started.controller(client, "deployment-controller", "deployment-controller", |context| {
            deployments::run(context, stop.clone())
        });
        started.controller(client, "replicaset-controller", "replicaset-controller", |context| {
            replica_sets::run(context, stop.clone())
        });
        started.controller(client, "statefulset-controller", "statefulset-controller", |context| {
            stateful_sets::run(context, stop.clone())
        });
        started.controller(client, "job-controller", "job-controller", |context| {
            jobs::run(context, options.job_back_off, stop.clone())
        });
        started.controller(client, "disruption-controller", "controllermanager", |context| {
            disruption::run(context, stop.clone())
        });
        started.controller(client, "unserved-kinds", "embedded-controllers", |context| {
            unserved::run(context, stop.clone())
        });
        started.controller(client, "endpointslice-controller", "endpoint-slice-controller", |context| {
            endpoints::run(context, stop.clone())
        });
        started.controller(client, "kube-scheduler", "default-scheduler", |context| {
            crate::node::scheduler::run(client.clone(), context.recorder.clone(), stop.clone())
        });
        started
    }

    /// Starts one, together with the task that writes its events.
    fn controller<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        client: &Client,
        name: &'static str,
        component: &str,
        run: impl FnOnce(Arc<Context>) -> F,
    ) {
        let (recorder, writing) = events::recorder(client.clone(), component, None);
        let controller = run(Arc::new(Context::new(client.clone(), recorder, self.clock.clone())));
        let both = async {
            futures::join!(controller, writing);
        };
        self.tasks.spawn(self.pauses.governed(name, both));
    }

    /// Pauses and resumes them by name.
    pub fn pauses(&self) -> &Pauses {
        &self.pauses
    }

    /// Stops them, the paused ones too, and waits until they have ended.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.pauses.resume_all();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        // A kube-runtime controller that is told to stop before it was polled for the first time never ends.
        if tokio::time::timeout(END_WITHIN, ended).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}
