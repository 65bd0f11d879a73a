//! How the pods of a Deployment are.

use k8s_openapi::api::apps::v1 as apps;
use kube::api::DynamicObject;

/// What counts of a Deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployment {
    /// How many pods are ready.
    pub ready: i32,
    /// Why no pod comes, when the cluster has given up.
    pub failure: Option<String>,
}

impl Deployment {
    /// What counts of `object`.
    pub fn of(object: &DynamicObject) -> Self {
        let status = object.data.get("status").cloned().unwrap_or_default();
        let status: apps::DeploymentStatus = serde_json::from_value(status).unwrap_or_default();
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
