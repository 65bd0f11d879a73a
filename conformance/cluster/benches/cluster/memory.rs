//! What ten thousand objects take, by the difference of the process' resident memory.

use std::fmt::Debug;

use anyhow::Context as _;
use embedded_cluster::ApiServer;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::objects;
use crate::report::{Figure, Unit};

const OBJECTS: usize = 10_000;

/// What they should take at most, in MiB.
const AIM: f64 = 60.0;

/// ConfigMaps, each mostly one text.
pub(crate) async fn config_maps() -> anyhow::Result<Vec<Figure>> {
    let (_server, client) = server();
    measure("ConfigMaps", &Api::<ConfigMap>::default_namespaced(client), objects::config_map).await
}

/// Custom objects with many small fields.
pub(crate) async fn custom_objects() -> anyhow::Result<Vec<Figure>> {
    let (_server, client) = server();
    measure("custom objects", &objects::printers(&client).await?, objects::printer).await
}

/// Pods, whose defaults make most of their size.
pub(crate) async fn pods() -> anyhow::Result<Vec<Figure>> {
    let (_server, client) = server();
    measure("Pods", &objects::pods(&client).await?, objects::pod).await
}

fn server() -> (ApiServer, Client) {
    let api = ApiServer::default();
    let client = api.client("default");
    (api, client)
}

/// The memory after creating the objects, and after labelling each: the history then holds earlier forms as well.
async fn measure<K>(what: &str, api: &Api<K>, make: fn(usize) -> anyhow::Result<K>) -> anyhow::Result<Vec<Figure>>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned,
{
    // The first write brings with it what all writes need.
    api.create(&PostParams::default(), &make(OBJECTS)?).await?;
    let before = resident()?;
    for number in 0..OBJECTS {
        api.create(&PostParams::default(), &make(number)?).await?;
    }
    let created = resident()? - before;
    let label = Patch::Merge(json!({"metadata": {"labels": {"example.com/seen": "true"}}}));
    for number in 0..OBJECTS {
        api.patch(&objects::name(number), &PatchParams::default(), &label).await?;
    }
    let changed = resident()? - before;
    Ok(vec![
        Figure::new(format!("memory of 10,000 {what}"), created, Unit::Mebibytes).aim(AIM),
        Figure::new(format!("memory of 10,000 {what}, each changed once"), changed, Unit::Mebibytes),
    ])
}

/// The resident memory of this process, in MiB.
fn resident() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("memory is read from /proc, which Linux has")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS in /proc/self/status")?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes / 1024.0)
}
