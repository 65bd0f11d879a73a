//! How long an event takes to all of a hundred watchers.

use std::time::{Duration, Instant};

use embedded_cluster::ApiServer;
use futures::{StreamExt, future};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, ListParams, PostParams, WatchEvent, WatchParams};
use tokio::time::{MissedTickBehavior, interval};

use crate::objects;
use crate::report::{Figure, Unit};

const WATCHERS: usize = 100;

const WRITES: usize = 300;

/// The time between two writes: the latency of a server with room to spare, not that of a queue.
const PERIOD: Duration = Duration::from_millis(20);

/// What the slowest event in a hundred should take, in milliseconds.
const AIM: f64 = 5.0;

/// Watches without a socket.
pub(crate) async fn in_process() -> anyhow::Result<Vec<Figure>> {
    let api = ApiServer::default();
    let client = api.client("default");
    let latencies = latencies(&client).await?;
    Ok(figures("100 watchers in process", &latencies))
}

/// Watches over TLS, each with a connection of its own.
pub(crate) async fn tls() -> anyhow::Result<Vec<Figure>> {
    let api = ApiServer::default();
    let served = api.serve(([127, 0, 0, 1], 0).into()).await?;
    let client = objects::tls_client(&served.kubeconfig(None)).await?;
    let latencies = latencies(&client).await?;
    served.shutdown().await;
    Ok(figures("100 watchers over TLS", &latencies))
}

/// From just before each request to the arrival of its decoded event, sorted.
async fn latencies(client: &Client) -> anyhow::Result<Vec<Duration>> {
    let config_maps = Api::<ConfigMap>::default_namespaced(client.clone());
    let start = config_maps.list(&ListParams::default()).await?.metadata.resource_version.unwrap_or_default();
    let parameters = WatchParams::default();
    let watches = future::try_join_all((0..WATCHERS).map(|_| config_maps.watch(&parameters, &start))).await?;
    let arrivals = watches.into_iter().map(|watch| {
        tokio::spawn(async move {
            let watch = watch.map(|event| (event, Instant::now())).take(WRITES);
            watch.collect::<Vec<_>>().await
        })
    });
    let arrivals: Vec<_> = arrivals.collect();

    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent = Vec::with_capacity(WRITES);
    for number in 0..WRITES {
        let object = objects::config_map(number)?;
        ticks.tick().await;
        sent.push(Instant::now());
        config_maps.create(&PostParams::default(), &object).await?;
    }
    let mut latencies = Vec::with_capacity(WATCHERS * WRITES);
    for watcher in arrivals {
        for ((event, arrived), sent) in watcher.await?.into_iter().zip(&sent) {
            anyhow::ensure!(matches!(event?, WatchEvent::Added(_)), "every write creates an object");
            latencies.push(arrived.duration_since(*sent));
        }
    }
    anyhow::ensure!(latencies.len() == WATCHERS * WRITES, "every watcher sees every write");
    latencies.sort_unstable();
    Ok(latencies)
}

fn figures(what: &str, sorted: &[Duration]) -> Vec<Figure> {
    let at = |percent: usize| sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    vec![
        Figure::new(format!("write to event, {what}, p50"), at(50), Unit::Milliseconds),
        Figure::new(format!("write to event, {what}, p99"), at(99), Unit::Milliseconds).aim(AIM),
    ]
}
