//! How the pods of a Deployment or of a StatefulSet are.

use k8s_openapi::api::apps::v1::DeploymentStatus;
use kube::api::DynamicObject;

use super::pods;
use crate::runtime::{
    ObjectKey,
    observed::{Observed, OwnedKind},
};

/// What counts of a Deployment or of a StatefulSet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replicas {
    /// How many pods are ready.
    pub ready: i32,
    /// Why no pod comes, when the cluster has given up.
    pub failure: Option<String>,
}

impl Replicas {
    /// What counts of the object `key` of the kind `kind`, if it is there: its pods run `runs` for `instance`.
    pub fn known(observed: &Observed, kind: OwnedKind, key: &ObjectKey, runs: &str, instance: &str) -> Option<Self> {
        let mut replicas = Self::of(observed.owned.of(kind).get(key)?);
        let pods = observed.pods.in_namespace(&key.namespace);
        let pods = pods.filter(|pod| pods::purpose(pod) == Some((runs, instance)));
        // What the pods say is more, and sooner, than what the object does.
        replicas.failure = pods::failure(pods.map(AsRef::as_ref)).or(replicas.failure);
        Some(replicas)
    }

    /// What counts of `object`. The status of a StatefulSet is that of a Deployment, as far as it is read here.
    pub fn of(object: &DynamicObject) -> Self {
        let status = object.data.get("status").cloned().unwrap_or_default();
        let status: DeploymentStatus = serde_json::from_value(status).unwrap_or_default();
        let failure = status.conditions.iter().flatten().find(|condition| {
            matches!(
                (condition.type_.as_str(), condition.status.as_str()),
                ("Progressing", "False") | ("ReplicaFailure", "True")
            )
        });
        Self {
            ready: status.ready_replicas.unwrap_or_default(),
            failure: failure.map(|condition| condition.message.clone().unwrap_or_default()),
        }
    }
}
