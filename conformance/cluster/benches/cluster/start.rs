//! From nothing to the first answer, in a process that has not done it before.

use std::time::Instant;

use embedded_cluster::ApiServer;
use embedded_cluster::cluster::{Cluster, ClusterOptions};
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, ListParams};

use crate::objects;
use crate::report::{Figure, Unit};

/// What a start should take, in milliseconds.
const AIM: f64 = 50.0;

/// The API server without a socket.
pub(crate) async fn api() -> anyhow::Result<Vec<Figure>> {
    let begin = Instant::now();
    let api = ApiServer::default();
    first_answer(api.client("default")).await?;
    Ok(vec![figure("start to first answer, API server in process", begin)])
}

/// The API server behind TLS, with its certificates.
pub(crate) async fn tls() -> anyhow::Result<Vec<Figure>> {
    let begin = Instant::now();
    let api = ApiServer::default();
    let served = api.serve(([127, 0, 0, 1], 0).into()).await?;
    first_answer(objects::tls_client(&served.kubeconfig(None)).await?).await?;
    let figure = figure("start to first answer, API server over TLS", begin);
    served.shutdown().await;
    Ok(vec![figure])
}

/// Everything: API server over TLS, controllers, node, DNS and proxy.
pub(crate) async fn cluster() -> anyhow::Result<Vec<Figure>> {
    let begin = Instant::now();
    let cluster = Cluster::start(ClusterOptions::default()).await?;
    first_answer(cluster.client()).await?;
    let figure = figure("start to first answer, whole cluster", begin);
    cluster.shutdown().await;
    Ok(vec![figure])
}

async fn first_answer(client: Client) -> anyhow::Result<()> {
    let namespaces = Api::<Namespace>::all(client).list(&ListParams::default()).await?;
    anyhow::ensure!(!namespaces.items.is_empty(), "a cluster has namespaces from the start");
    Ok(())
}

fn figure(name: &str, begin: Instant) -> Figure {
    Figure::new(name, begin.elapsed().as_secs_f64() * 1000.0, Unit::Milliseconds).aim(AIM)
}
