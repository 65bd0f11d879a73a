//! A target with an API server and no nodes: enough to see what the runner makes of what objects say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use conformance::language::{Image, Moment};
use conformance::objects::{Objects, Verb, Write};
use conformance::target::{Target, TargetError};
use conformance::world::{World, WorldHandle};
use embedded_cluster::{ApiOptions, ApiServer};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use simulator::{Simulator, SimulatorOptions};

/// The target.
pub(crate) struct WithoutNodes {
    objects: Objects,
    simulator: Simulator,
}

impl WithoutNodes {
    pub(crate) async fn start() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let server = ApiServer::new(ApiOptions::default());
        Self {
            objects: Objects::new(server.client("default")),
            simulator: Simulator::start(SimulatorOptions::default()).await.unwrap(),
        }
    }
}

impl Target for WithoutNodes {
    fn name(&self) -> &'static str {
        "without-nodes"
    }

    fn objects(&self) -> &Objects {
        &self.objects
    }

    fn operator_namespace(&self) -> &'static str {
        "default"
    }

    /// Nothing here takes time, so waiting long only makes failures slow.
    fn allows(&self, _moment: Moment) -> Duration {
        Duration::from_millis(300)
    }

    fn make_namespace<'a>(
        &'a self,
        name: &'a str,
        _world: Option<&'a WorldHandle>,
        _images: &'a BTreeMap<String, Image>,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        async move {
            let kind = self.objects.kinds.named("namespace").await?;
            let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            let write = Write {
                kind: &kind,
                namespace: "",
                name,
                verb: Verb::Create,
                status: false,
                validation: conformance::language::Validation::Strict,
                body: &body,
            };
            self.objects.write(&write).await?.accepted("namespace")?;
            Ok(())
        }
        .boxed()
    }

    fn remove_namespace<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<(), TargetError>> {
        async { Ok(()) }.boxed()
    }

    fn start_world(&self, world: World) -> BoxFuture<'_, Result<WorldHandle, TargetError>> {
        async move {
            let handle = self.simulator.add_world(world.into_description()).await;
            handle.map(WorldHandle::from).map_err(|error| TargetError::World(error.to_string()))
        }
        .boxed()
    }

    fn reconnect_world<'a>(
        &'a self,
        _namespace: &'a str,
        _world: &'a WorldHandle,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        async { Ok(()) }.boxed()
    }

    fn dial<'a>(&'a self, _namespace: &'a str, _host: &'a str, _port: u16) -> BoxFuture<'a, Option<SocketAddr>> {
        async { None }.boxed()
    }

    fn logs<'a>(&'a self, _namespace: &'a str, _pod: &'a str) -> BoxFuture<'a, String> {
        async { String::new() }.boxed()
    }

    fn kubeconfig(&self) -> String {
        String::new()
    }

    fn end(self: Box<Self>) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}
