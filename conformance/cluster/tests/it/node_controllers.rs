//! Garbage collection and the deletion of namespaces.

use embedded_cluster::ApiServer;
use embedded_cluster::cluster::Cluster;
use embedded_cluster::controllers::{ControllerOptions, Controllers};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use kube::{Resource, ResourceExt};
use serde_json::json;

use crate::gate::{Gate, Requests};
use crate::node_support::{SHELL, api, bounded, cluster, create, wait};

async fn owned(cluster: &Cluster, name: &str, owner: &ConfigMap, finalizers: &[&str]) -> ConfigMap {
    let mut reference = owner.owner_ref(&()).unwrap();
    reference.block_owner_deletion = Some(true);
    let metadata = json!({"name": name, "ownerReferences": [reference], "finalizers": finalizers});
    create(cluster, json!({"metadata": metadata})).await
}

fn is_absent(object: Option<&ConfigMap>) -> bool {
    object.is_none()
}

#[tokio::test]
async fn dependents_follow_their_owner_in_the_background() {
    let cluster = cluster().await;
    let owner: ConfigMap = create(&cluster, json!({"metadata": {"name": "owner"}})).await;
    let child = owned(&cluster, "child", &owner, &[]).await;
    owned(&cluster, "grandchild", &child, &[]).await;
    api::<ConfigMap>(&cluster).delete("owner", &DeleteParams::background()).await.unwrap();
    wait(&cluster, "grandchild", is_absent).await;
    wait(&cluster, "child", is_absent).await;
    // An object whose owner never was is no better off.
    owned(&cluster, "late", &owner, &[]).await;
    wait(&cluster, "late", is_absent).await;
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_foreground_deletion_waits_for_what_blocks_it() {
    let cluster = cluster().await;
    let owner: ConfigMap = create(&cluster, json!({"metadata": {"name": "owner"}})).await;
    owned(&cluster, "child", &owner, &["example.com/hold"]).await;
    api::<ConfigMap>(&cluster).delete("owner", &DeleteParams::foreground()).await.unwrap();
    let is_deleting = |object: Option<&ConfigMap>| object.is_some_and(|o| o.metadata.deletion_timestamp.is_some());
    wait(&cluster, "child", is_deleting).await;
    assert_eq!(api::<ConfigMap>(&cluster).get("owner").await.unwrap().finalizers(), ["foregroundDeletion"]);
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api::<ConfigMap>(&cluster).patch("child", &PatchParams::default(), &release).await.unwrap();
    wait(&cluster, "child", is_absent).await;
    wait(&cluster, "owner", is_absent).await;
    cluster.shutdown().await;
}

#[tokio::test]
async fn orphans_lose_the_reference_and_stay() {
    let cluster = cluster().await;
    let owner: ConfigMap = create(&cluster, json!({"metadata": {"name": "owner"}})).await;
    owned(&cluster, "child", &owner, &[]).await;
    api::<ConfigMap>(&cluster).delete("owner", &DeleteParams::orphan()).await.unwrap();
    wait(&cluster, "owner", is_absent).await;
    assert!(api::<ConfigMap>(&cluster).get("child").await.unwrap().owner_references().is_empty());
    cluster.shutdown().await;
}

/// What the collector lists and watches all secrets by.
const SECRETS: &str = "/api/v1/secrets";

/// Controllers that have not heard of any secret yet, and an owned secret.
async fn unheard_of_secret() -> (Controllers, Gate, Api<ConfigMap>, Api<Secret>) {
    let (server, gate) = (ApiServer::default(), Gate::default());
    // Each kind has a watch of its own, which may lag behind the others.
    let watch = Requests::reads(SECRETS);
    gate.hold(watch.clone());
    let controllers = Controllers::start(&gate.client(&server), ControllerOptions::default());
    bounded(gate.has_held(&watch)).await;
    let (owners, secrets) =
        (Api::default_namespaced(server.client("default")), Api::default_namespaced(server.client("default")));
    let owner: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "owner"}})).unwrap();
    let owner = owners.create(&PostParams::default(), &owner).await.unwrap();
    let mut reference = owner.owner_ref(&()).unwrap();
    reference.block_owner_deletion = Some(true);
    let metadata = json!({"name": "child", "ownerReferences": [reference], "finalizers": ["example.com/hold"]});
    let secret: Secret = serde_json::from_value(json!({"metadata": metadata})).unwrap();
    secrets.create(&PostParams::default(), &secret).await.unwrap();
    (controllers, gate, owners, secrets)
}

#[tokio::test]
async fn a_dependent_that_no_watch_has_told_of_is_orphaned() {
    let (controllers, _, owners, secrets) = unheard_of_secret().await;
    owners.delete("owner", &DeleteParams::orphan()).await.unwrap();
    bounded(await_condition(owners, "owner", is_absent)).await.unwrap();
    assert!(secrets.get("child").await.unwrap().owner_references().is_empty());
    controllers.stop().await;
}

#[tokio::test]
async fn a_dependent_that_no_watch_has_told_of_blocks_a_foreground_deletion() {
    let (controllers, gate, owners, secrets) = unheard_of_secret().await;
    owners.delete("owner", &DeleteParams::foreground()).await.unwrap();
    let is_deleting = |object: Option<&Secret>| object.is_some_and(|o| o.metadata.deletion_timestamp.is_some());
    bounded(await_condition(secrets.clone(), "child", is_deleting)).await.unwrap();
    assert_eq!(owners.get("owner").await.unwrap().finalizers(), ["foregroundDeletion"]);
    // When the watch begins, the dependent is gone already.
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    secrets.patch("child", &PatchParams::default(), &release).await.unwrap();
    gate.release(&Requests::reads(SECRETS));
    bounded(await_condition(owners, "owner", is_absent)).await.unwrap();
    controllers.stop().await;
}

#[tokio::test]
async fn an_object_that_is_disowned_while_its_owner_is_looked_for_stays() {
    let (server, gate) = (ApiServer::default(), Gate::default());
    let look = Requests::reads("/api/v1/namespaces/default/configmaps/gone");
    gate.hold(look.clone());
    let controllers = Controllers::start(&gate.client(&server), ControllerOptions::default());
    let secrets: Api<Secret> = Api::default_namespaced(server.client("default"));
    let owner =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "11111111-1111-1111-1111-111111111111"});
    let secret = |name: &str| -> Secret {
        serde_json::from_value(json!({"metadata": {"name": name, "ownerReferences": [owner]}})).unwrap()
    };
    secrets.create(&PostParams::default(), &secret("disowned")).await.unwrap();
    bounded(gate.has_held(&look)).await;
    let disown = Patch::Merge(json!({"metadata": {"ownerReferences": null}}));
    secrets.patch("disowned", &PatchParams::default(), &disown).await.unwrap();
    gate.release(&look);
    // The collector takes one after the other.
    secrets.create(&PostParams::default(), &secret("owned")).await.unwrap();
    bounded(await_condition(secrets.clone(), "owned", |secret: Option<&Secret>| secret.is_none())).await.unwrap();
    secrets.get("disowned").await.unwrap();
    controllers.stop().await;
}

#[tokio::test]
async fn a_namespace_is_furnished_and_goes_with_everything_in_it() {
    let cluster = cluster().await;
    let definition: CustomResourceDefinition = serde_json::from_value(json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}))
    .unwrap();
    let definitions = Api::<CustomResourceDefinition>::all(cluster.client());
    definitions.create(&PostParams::default(), &definition).await.unwrap();
    bounded(await_condition(definitions, "widgets.example.com", is_crd_established())).await.unwrap();

    let namespaces = Api::<Namespace>::all(cluster.client());
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap();
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    let accounts = Api::<ServiceAccount>::namespaced(cluster.client(), "shop");
    bounded(await_condition(accounts, "default", |o: Option<&ServiceAccount>| o.is_some())).await.unwrap();
    let config_maps = Api::<ConfigMap>::namespaced(cluster.client(), "shop");
    let has_ca = |object: Option<&ConfigMap>| {
        object.is_some_and(|o| o.data.as_ref().is_some_and(|data| data["ca.crt"].contains("BEGIN CERTIFICATE")))
    };
    bounded(await_condition(config_maps, "kube-root-ca.crt", has_ca)).await.unwrap();

    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", "v1", "Widget"));
    let widgets = Api::<DynamicObject>::namespaced_with(cluster.client(), "shop", &kind);
    let mut widget = DynamicObject::new("held", &kind).data(json!({"spec": {}}));
    widget.metadata.finalizers = Some(vec!["example.com/hold".into()]);
    widgets.create(&PostParams::default(), &widget).await.unwrap();
    let pods = Api::<Pod>::namespaced(cluster.client(), "shop");
    let container = json!({"name": "c", "image": SHELL, "args": ["-c", "exec sleep 600"]});
    let spec = json!({"containers": [container], "terminationGracePeriodSeconds": 1});
    let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "web"}, "spec": spec})).unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();

    namespaces.delete("shop", &DeleteParams::default()).await.unwrap();
    let waits_for_finalizer = |namespace: Option<&Namespace>| {
        let status = namespace.and_then(|namespace| namespace.status.as_ref());
        let mut conditions = status.into_iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.any(|condition| condition.type_ == "NamespaceFinalizersRemaining" && condition.status == "True")
    };
    bounded(await_condition(namespaces.clone(), "shop", waits_for_finalizer)).await.unwrap();
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    widgets.patch("held", &PatchParams::default(), &release).await.unwrap();
    bounded(await_condition(namespaces, "shop", |o: Option<&Namespace>| o.is_none())).await.unwrap();
    cluster.shutdown().await;
}
