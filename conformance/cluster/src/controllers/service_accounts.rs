//! What every namespace has from its first moment: the service account `default` and the `ConfigMap` with the authority of
//! the API server.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Resource, ResourceExt};
use tokio_util::sync::CancellationToken;

use super::runtime::{Context, ControllerError, drive, has_code, post};

const ACCOUNT: &str = "default";
const ROOT_CA: &str = "kube-root-ca.crt";
const KEY: &str = "ca.crt";
const DESCRIBED: &str = "kubernetes.io/description";
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints \
                           such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across \
                           distributions of Kubernetes clusters.";

/// Runs until it is told to stop. Without the API server's authority there is no `ConfigMap`.
pub(super) async fn run(context: Arc<Context>, root_ca: Option<String>, stop: CancellationToken) {
    let client = context.client.clone();
    let named = |name: &str| watcher::Config::default().fields(&format!("metadata.name={name}"));
    let controller = Controller::new(Api::<Namespace>::all(client.clone()), watcher::Config::default())
        .watches(Api::<ServiceAccount>::all(client.clone()), named(ACCOUNT), namespace_of)
        .watches(Api::<ConfigMap>::all(client), named(ROOT_CA), namespace_of);
    drive(controller, context, stop, move |namespace, context| reconcile(namespace, context, root_ca.clone())).await;
}

#[allow(clippy::needless_pass_by_value)] // The signature of a mapper.
fn namespace_of<K: Resource>(object: K) -> Option<ObjectRef<Namespace>> {
    object.namespace().map(|namespace| ObjectRef::new(&namespace))
}

async fn reconcile(
    namespace: Arc<Namespace>,
    context: Arc<Context>,
    root_ca: Option<String>,
) -> Result<Action, ControllerError> {
    if namespace.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let name = namespace.name_any();
    let accounts = Api::<ServiceAccount>::namespaced(context.client.clone(), &name);
    if accounts.get_opt(ACCOUNT).await?.is_none() {
        let metadata = ObjectMeta { name: Some(ACCOUNT.to_owned()), ..ObjectMeta::default() };
        let account = ServiceAccount { metadata, ..ServiceAccount::default() };
        tolerate_race(accounts.create(&post(), &account).await.map(drop))?;
    }
    let Some(root_ca) = root_ca else {
        return Ok(Action::await_change());
    };
    let config_maps = Api::<ConfigMap>::namespaced(context.client.clone(), &name);
    let data = BTreeMap::from([(KEY.to_owned(), root_ca)]);
    let description = (DESCRIBED.to_owned(), DESCRIPTION.to_owned());
    match config_maps.get_opt(ROOT_CA).await? {
        None => {
            let object = ConfigMap {
                metadata: ObjectMeta {
                    name: Some(ROOT_CA.to_owned()),
                    annotations: Some([description].into()),
                    ..ObjectMeta::default()
                },
                data: Some(data),
                ..ConfigMap::default()
            };
            tolerate_race(config_maps.create(&post(), &object).await.map(drop))?;
        }
        Some(mut object) if object.data.as_ref() != Some(&data) || !object.annotations().contains_key(DESCRIBED) => {
            object.metadata.annotations.get_or_insert_default().extend([description]);
            object.data = Some(data);
            config_maps.replace(ROOT_CA, &post(), &object).await?;
        }
        Some(_) => {}
    }
    Ok(Action::await_change())
}

/// The object is there already, or the namespace began to end in between.
fn tolerate_race(result: kube::Result<()>) -> kube::Result<()> {
    match result {
        Err(error) if has_code(&error, 409) || has_code(&error, 403) || has_code(&error, 404) => Ok(()),
        other => other,
    }
}
