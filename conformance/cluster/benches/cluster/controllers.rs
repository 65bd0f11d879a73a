//! What the controllers add to writes, and how fast they follow them.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use embedded_cluster::cluster::{Cluster, ClusterOptions};
use futures::TryStreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::api::{Api, DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, Resource, ResourceExt};
use serde_json::json;

use crate::objects;
use crate::report::{Figure, Unit};
use crate::writes::{create_all, rate};

const DEPENDENTS: usize = 1000;

const REPLICAS: usize = 50;

/// All of it in one cluster.
pub(crate) async fn controllers() -> anyhow::Result<Vec<Figure>> {
    let cluster = Cluster::start(ClusterOptions::default()).await?;
    let client = cluster.client();
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), "default");
    let created = create_all(&config_maps, objects::config_map, 1).await?;
    let figures = vec![
        rate("creates, ConfigMap, with controllers and node", created),
        milliseconds("1,000 dependents collected after their owner", collect(&client).await?),
        milliseconds("namespace with 1,000 ConfigMaps deleted", delete_namespace(&client).await?),
        milliseconds("Deployment to its 50th Pod", deploy(&client).await?),
    ];
    cluster.shutdown().await;
    Ok(figures)
}

fn milliseconds(name: &str, took: Duration) -> Figure {
    Figure::new(name, took.as_secs_f64() * 1000.0, Unit::Milliseconds)
}

/// From the deletion of an owner to the end of the last of its dependents.
async fn collect(client: &Client) -> anyhow::Result<Duration> {
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), "kube-public");
    let mut owner = objects::config_map(DEPENDENTS)?;
    owner.metadata.namespace = None;
    let owner = config_maps.create(&PostParams::default(), &owner).await?;
    let reference = owner.owner_ref(&()).context("a stored object can own others")?;
    for number in 0..DEPENDENTS {
        let mut dependent = objects::config_map(number)?;
        dependent.metadata.namespace = None;
        dependent.metadata.owner_references = Some(vec![reference.clone()]);
        config_maps.create(&PostParams::default(), &dependent).await?;
    }
    let listed = config_maps.list(&ListParams::default()).await?;
    let watch =
        config_maps.watch(&WatchParams::default(), &listed.metadata.resource_version.unwrap_or_default()).await?;
    let begin = Instant::now();
    config_maps.delete(&owner.name_any(), &DeleteParams::background()).await?;
    let mut deleted =
        std::pin::pin!(watch.try_filter(|event| std::future::ready(matches!(event, WatchEvent::Deleted(_)))));
    for _ in 0..=DEPENDENTS {
        deleted.try_next().await?.context("the watch goes on")?;
    }
    Ok(begin.elapsed())
}

/// From the deletion of a namespace to its end.
async fn delete_namespace(client: &Client) -> anyhow::Result<Duration> {
    let namespaces = Api::<Namespace>::all(client.clone());
    let namespace = serde_json::from_value(json!({"metadata": {"name": "emptied"}}))?;
    let namespace: Namespace = namespaces.create(&PostParams::default(), &namespace).await?;
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), "emptied");
    for number in 0..DEPENDENTS {
        let mut object = objects::config_map(number)?;
        object.metadata.namespace = None;
        config_maps.create(&PostParams::default(), &object).await?;
    }
    let begin = Instant::now();
    namespaces.delete("emptied", &DeleteParams::default()).await?;
    await_condition(namespaces, "emptied", conditions::is_deleted(&namespace.uid().unwrap_or_default())).await?;
    Ok(begin.elapsed())
}

/// From a Deployment to the existence of its last Pod.
async fn deploy(client: &Client) -> anyhow::Result<Duration> {
    let labels = json!({"app": "web"});
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {"replicas": REPLICAS, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "web", "image": "web:1"}]},
        }},
    }))?;
    let pods = Api::<Pod>::namespaced(client.clone(), "default");
    let watch = pods.watch(&WatchParams::default(), "0").await?;
    let begin = Instant::now();
    Api::<Deployment>::namespaced(client.clone(), "default").create(&PostParams::default(), &deployment).await?;
    let mut added = std::pin::pin!(watch.try_filter(|event| std::future::ready(matches!(event, WatchEvent::Added(_)))));
    for _ in 0..REPLICAS {
        added.try_next().await?.context("the watch goes on")?;
    }
    Ok(begin.elapsed())
}
