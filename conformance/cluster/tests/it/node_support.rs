//! A cluster whose only image is a shell, and waiting for its objects.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use embedded_cluster::cluster::{Cluster, ClusterOptions, Program};
use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, PostParams};
use kube::runtime::wait::{Condition, await_condition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The image that stands for `/bin/sh`.
pub(crate) const SHELL: &str = "example.com/shell:1";

/// The bound of every wait.
const BOUND: Duration = Duration::from_secs(20);

pub(crate) async fn cluster() -> Cluster {
    let images = BTreeMap::from([(SHELL.to_owned(), Program::new("/bin/sh"))]);
    let restart_back_off = Duration::from_millis(100);
    Cluster::start(ClusterOptions { images, restart_back_off, ..ClusterOptions::default() }).await.unwrap()
}

pub(crate) trait Kind:
    kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + Clone
    + Debug
    + Send
    + Sync
    + Serialize
    + DeserializeOwned
    + 'static
{
}

impl<K> Kind for K where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + Send
        + Sync
        + Serialize
        + DeserializeOwned
        + 'static
{
}

pub(crate) fn api<K: Kind>(cluster: &Cluster) -> Api<K> {
    Api::namespaced(cluster.client(), "default")
}

pub(crate) async fn create<K: Kind>(cluster: &Cluster, object: Value) -> K {
    let object: K = serde_json::from_value(object).unwrap();
    api(cluster).create(&PostParams::default(), &object).await.unwrap()
}

/// Waits until the object is so.
pub(crate) async fn wait<K: Kind>(cluster: &Cluster, name: &str, condition: impl Condition<K>) -> Option<K> {
    let waiting = await_condition(api::<K>(cluster), name, condition);
    if let Ok(object) = tokio::time::timeout(BOUND, waiting).await {
        return object.unwrap();
    }
    let now = api::<K>(cluster).get_opt(name).await;
    panic!("{name} did not become so: {now:#?}")
}

pub(crate) async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future).await.unwrap()
}
