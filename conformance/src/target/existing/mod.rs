//! A cluster of the user's KUBECONFIG, with an implementation that somebody installed.
//!
//! Of the implementation nothing is installed here. The runner reaches programs by port-forwards of the API server. A simulated
//! world needs pods that resolve its names, reach it and trust its public authority ([`Reach`]): an embedded cluster on this
//! machine can be told so; elsewhere the simulator runs in the cluster, and a policy tells the pods of the run's namespaces.
//! Where neither is possible scenarios with a world are skipped, with that reason.

mod admission;
mod checks;
mod connection;
mod forward;
mod reach;
mod simulator;

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use self::forward::Forwards;
use self::reach::Reach;
use super::kind::KindCluster;
use super::{Interruption, Target, TargetError, provision};
use crate::language::{Image, Moment, Scenario};
use crate::objects::Objects;
use crate::world::{World, WorldHandle};

pub use connection::Connection;

/// How much longer than on this machine things may take on a cluster of several, which pulls images.
const PATIENCE: u32 = 3;

/// The target.
pub struct Existing {
    connection: Connection,
    objects: Objects,
    operator_namespace: String,
    reach: Reach,
    forwards: Forwards,
    run: String,
    namespaces: Mutex<BTreeSet<String>>,
    /// The cluster, when the runner made it.
    made: Option<KindCluster>,
}

impl Existing {
    /// Checks that the cluster has the CRDs and an operator that is available. Changes nothing, but that it runs the image of
    /// a simulator when one is given.
    ///
    /// # Errors
    ///
    /// [`TargetError::Usage`] when they are not there, [`TargetError::Interrupted`] after an interruption, which leaves nothing
    /// behind, others when the cluster cannot be asked, or the simulator does not come up.
    pub async fn start(
        connection: Connection,
        simulator_image: Option<&str>,
        interruption: &Interruption,
    ) -> Result<Self, TargetError> {
        let objects = Objects::new(connection.client().clone());
        let checking = async {
            let version = checks::version(&connection).await?;
            checks::definitions(&objects, &connection).await?;
            Ok((version, checks::operator(&objects, &connection).await?))
        };
        let (version, operator_namespace) = interruption.or(checking).await?;
        let run = uuid::Uuid::new_v4().simple().to_string()[..6].to_owned();
        let reach = Reach::start(&connection, &objects, &version, simulator_image, &run, interruption).await?;
        let forwards = Forwards::new(connection.client().clone());
        let namespaces = Mutex::default();
        Ok(Self { connection, objects, operator_namespace, reach, forwards, run, namespaces, made: None })
    }

    /// A cluster that the runner made, and deletes at the end.
    pub(super) fn made_by(self, cluster: KindCluster) -> Self {
        Self { made: Some(cluster), ..self }
    }
}

impl Target for Existing {
    fn name(&self) -> &'static str {
        if self.made.is_some() { "kind" } else { "kubeconfig" }
    }

    fn objects(&self) -> &Objects {
        &self.objects
    }

    fn operator_namespace(&self) -> &str {
        &self.operator_namespace
    }

    fn allows(&self, moment: Moment) -> Duration {
        if self.reach.is_local() { moment.ordinary() } else { moment.ordinary() * PATIENCE }
    }

    fn run(&self) -> Option<&str> {
        Some(&self.run)
    }

    fn cannot_play(&self, scenario: &Scenario) -> Option<String> {
        let mut images = scenario.images.values();
        if images.clone().any(|image| matches!(image, Image::Server(_))) {
            return Some("its images stand for simulated servers, which only the embedded target has".to_owned());
        }
        if self.reach.is_local() && images.next().is_some() {
            return Some(
                "its images must be pulled, which an embedded cluster of another process does not do".to_owned(),
            );
        }
        self.reach.why_not(scenario.world.as_ref()?).map(str::to_owned)
    }

    fn make_namespace<'a>(
        &'a self,
        name: &'a str,
        world: Option<&'a WorldHandle>,
        _images: &'a BTreeMap<String, Image>,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        async move {
            self.namespaces.lock().insert(name.to_owned());
            let within = self.allows(Moment::Ready);
            provision::make_namespace(&self.objects, name, &self.reach.labels(world), within).await?;
            self.reach.introduce(&self.objects, name, world).await
        }
        .boxed()
    }

    fn remove_namespace<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), TargetError>> {
        async move {
            self.forwards.close(name);
            self.reach.forget(name).await?;
            provision::remove_namespace(&self.objects, name).await?;
            self.namespaces.lock().remove(name);
            Ok(())
        }
        .boxed()
    }

    fn start_world(&self, world: World) -> BoxFuture<'_, Result<WorldHandle, TargetError>> {
        self.reach.start_world(world).boxed()
    }

    fn reconnect_world<'a>(
        &'a self,
        namespace: &'a str,
        world: &'a WorldHandle,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        self.reach.reconnect(&self.objects, namespace, world).boxed()
    }

    fn dial<'a>(&'a self, namespace: &'a str, host: &'a str, port: u16) -> BoxFuture<'a, Option<SocketAddr>> {
        async move {
            match self.reach.dial(namespace, host, port).await {
                Some(address) => Some(address),
                None => self.forwards.dial(namespace, host, port).await,
            }
        }
        .boxed()
    }

    fn logs<'a>(&'a self, namespace: &'a str, pod: &'a str) -> BoxFuture<'a, String> {
        provision::logs(&self.objects, namespace, pod).boxed()
    }

    fn kubeconfig(&self) -> String {
        self.connection.kubeconfig()
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            if let Some(cluster) = self.made {
                return cluster.delete().await;
            }
            let left = std::mem::take(&mut *self.namespaces.lock());
            for namespace in left {
                if let Err(error) = provision::remove_namespace(&self.objects, &namespace).await {
                    tracing::warn!(%error, "the namespace {namespace} was not removed");
                }
            }
            self.reach.end(&self.objects).await;
        }
        .boxed()
    }
}
