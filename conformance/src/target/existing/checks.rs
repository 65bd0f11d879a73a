//! Whether a cluster has what scenarios need. The suite installs nothing on a cluster that it did not make.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::api::ListParams;
use kube::{Api, Client};

use super::Connection;
use crate::causes::chain;
use crate::objects::{ApiError, Objects};
use crate::target::TargetError;

/// The label by which the documents tell users to find the operator.
const OPERATOR_LABEL: &str = "app.kubernetes.io/name=toolhive-operator";

/// Kinds that an implementation of any profile has.
const KINDS: [&str; 3] = [
    "mcpgroups.toolhive.stacklok.dev",
    "mcpserverentries.toolhive.stacklok.dev",
    "virtualmcpservers.toolhive.stacklok.dev",
];

/// Asks for the version: the first request.
pub(super) async fn version(connection: &Connection) -> Result<Info, TargetError> {
    connection
        .client()
        .apiserver_version()
        .await
        .map_err(|error| TargetError::Unanswered { cluster: connection.to_string(), reason: chain(&error) })
}

/// Checks that the kinds are served.
pub(super) async fn definitions(objects: &Objects, connection: &Connection) -> Result<(), TargetError> {
    let mut missing = Vec::new();
    for name in KINDS {
        match objects.kinds.named(name).await {
            Ok(_) => {}
            Err(ApiError::UnknownKind(_)) => missing.push(name),
            Err(error) => return Err(error.into()),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{connection} does not serve {}: install the CRDs and the operator first (the suite installs nothing here)",
        missing.join(", ")
    );
    Err(TargetError::Usage(message))
}

/// Finds the namespace of the operator, which must be available.
pub(super) async fn operator(objects: &Objects, connection: &Connection) -> Result<String, TargetError> {
    let client: Client = objects.client().clone();
    let found = Api::<Deployment>::all(client)
        .list(&ListParams::default().labels(OPERATOR_LABEL))
        .await
        .map_err(|error| TargetError::Unanswered { cluster: connection.to_string(), reason: chain(&error) })?;
    let is_available = |deployment: &&Deployment| {
        deployment.status.as_ref().and_then(|status| status.available_replicas).unwrap_or_default() > 0
    };
    if let Some(deployment) = found.items.iter().find(is_available) {
        return Ok(deployment.metadata.namespace.clone().unwrap_or_default());
    }
    let message = match found.items.first() {
        None => format!(
            "{connection} has no operator: no Deployment has the label {OPERATOR_LABEL}; install it first (the suite \
             installs nothing here)"
        ),
        Some(deployment) => format!(
            "the operator {}/{} of {connection} has no replica that is available; see `kubectl describe`",
            deployment.metadata.namespace.as_deref().unwrap_or_default(),
            deployment.metadata.name.as_deref().unwrap_or_default()
        ),
    };
    Err(TargetError::Usage(message))
}
