//! Writes per second.

use std::fmt::Debug;
use std::time::Instant;

use embedded_cluster::ApiServer;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::objects;
use crate::report::{Figure, Unit};

/// How many objects are written of each kind.
const OBJECTS: usize = 5000;

/// How many requests are under way at a time over TLS.
const CLIENTS: usize = 16;

/// How many creates there should be in a second.
const AIM: f64 = 5000.0;

/// Creates in process, one after the other.
pub(crate) async fn create() -> anyhow::Result<Vec<Figure>> {
    let api = ApiServer::default();
    let client = api.client("default");
    let printers = objects::printers(&client).await?;
    let config_maps = Api::<ConfigMap>::default_namespaced(client.clone());
    let pods = objects::pods(&client).await?;
    Ok(vec![
        rate("creates, ConfigMap", create_all(&config_maps, objects::config_map, 1).await?).aim(AIM),
        rate("creates, custom object with schema and CEL", create_all(&printers, objects::printer, 1).await?).aim(AIM),
        rate("creates, Pod", create_all(&pods, objects::pod, 1).await?).aim(AIM),
    ])
}

/// Patches in process, one after the other.
pub(crate) async fn patch() -> anyhow::Result<Vec<Figure>> {
    let api = ApiServer::default();
    let client = api.client("default");
    let printers = objects::printers(&client).await?;
    let config_maps = Api::<ConfigMap>::default_namespaced(client.clone());
    // The objects were created by another manager.
    let bench = PatchParams::apply("bench").force();

    let mut printer = objects::printer(1)?;
    let merge = json!({"spec": {"pagesPerMinute": 20}});
    printers.create(&PostParams::default(), &printer).await?;
    let begin = Instant::now();
    for round in 0..OBJECTS {
        let mut merge = merge.clone();
        merge["spec"]["pagesPerMinute"] = (20 + round % 2).into();
        printers.patch(&objects::name(1), &PatchParams::default(), &Patch::Merge(&merge)).await?;
    }
    let merged = begin.elapsed();

    printers.patch(&objects::name(1), &bench, &Patch::Apply(&printer)).await?;
    let begin = Instant::now();
    for round in 0..OBJECTS {
        printer.data["spec"]["trays"][0]["sheets"] = (20 + round % 2).into();
        printers.patch(&objects::name(1), &bench, &Patch::Apply(&printer)).await?;
    }
    let applied = begin.elapsed();
    let begin = Instant::now();
    for _ in 0..OBJECTS {
        printers.patch(&objects::name(1), &bench, &Patch::Apply(&printer)).await?;
    }
    let unchanged = begin.elapsed();

    let begin = Instant::now();
    for number in 0..OBJECTS {
        let config_map = objects::config_map(number)?;
        config_maps.patch(&objects::name(number), &bench, &Patch::Apply(&config_map)).await?;
    }
    let created = begin.elapsed();
    Ok(vec![
        rate("merge patches, custom object", merged),
        rate("applies, custom object, changed", applied),
        rate("applies, custom object, unchanged", unchanged),
        rate("applies that create, ConfigMap", created),
    ])
}

/// Creates and reads over TLS, several at a time.
pub(crate) async fn tls() -> anyhow::Result<Vec<Figure>> {
    let api = ApiServer::default();
    let served = api.serve(([127, 0, 0, 1], 0).into()).await?;
    let client: Client = objects::tls_client(&served.kubeconfig(None)).await?;
    let printers = objects::printers(&client).await?;
    let config_maps = Api::<ConfigMap>::default_namespaced(client.clone());
    let figures = vec![
        rate("creates over TLS, ConfigMap", create_all(&config_maps, objects::config_map, CLIENTS).await?).aim(AIM),
        rate("creates over TLS, custom object", create_all(&printers, objects::printer, CLIENTS).await?).aim(AIM),
    ];
    served.shutdown().await;
    Ok(figures)
}

/// Creates `OBJECTS` objects, some at a time, and answers how long that took.
pub(crate) async fn create_all<K>(
    api: &Api<K>,
    make: fn(usize) -> anyhow::Result<K>,
    at_a_time: usize,
) -> anyhow::Result<std::time::Duration>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned,
{
    let objects = (0..OBJECTS).map(make).collect::<anyhow::Result<Vec<_>>>()?;
    let parameters = PostParams::default();
    let begin = Instant::now();
    stream::iter(&objects)
        .map(|object| api.create(&parameters, object))
        .buffer_unordered(at_a_time)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(begin.elapsed())
}

/// How many of the `OBJECTS` writes fit into a second.
pub(crate) fn rate(name: &str, elapsed: std::time::Duration) -> Figure {
    #[allow(clippy::cast_precision_loss)] // some thousands
    let writes = OBJECTS as f64;
    Figure::new(name, writes / elapsed.as_secs_f64(), Unit::PerSecond)
}
